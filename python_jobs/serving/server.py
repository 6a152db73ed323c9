"""A PostgreSQL server of the warehouse's own: made, hardened, started and stopped.

Everything of it lies in one folder. The administrator comes through the socket in that folder, as
the operating system's user who started it, and through nothing else; there is no password for it.
"""

import getpass
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from python_jobs.console import err
from python_jobs.errors import DistrictError
from python_jobs.serving.publish import Connection

HERE = Path(__file__).parent
DATABASE = "district"
SYSTEM_USER = "postgres"  # PostgreSQL refuses to run as root
MINIMUM_VERSION = 15
LONGEST_SOCKET = 100  # bytes; the operating system allows 107
LOOPBACK = ("127.0.0.1", "localhost", "::1")
INSTALL = "install PostgreSQL 15 or later (Debian: apt-get install postgresql), or give --dsn"
SETTINGS = """\
# Written at each start.
listen_addresses = '{listen}'
port = {port}
unix_socket_directories = '{folder}/socket'
unix_socket_permissions = 0700
max_connections = 260
password_encryption = 'scram-sha-256'
ssl = on
ssl_cert_file = '{folder}/server.crt'
ssl_key_file = '{folder}/server.key'
ssl_min_protocol_version = 'TLSv1.2'

# What one reader may take; publishing lifts the first.
statement_timeout = '60s'
idle_in_transaction_session_timeout = '5min'
idle_session_timeout = '12h'
authentication_timeout = '20s'
work_mem = '8MB'
temp_file_limit = '1GB'

# Many small queries of many people, on tables that can be copied anew.
shared_buffers = '128MB'
maintenance_work_mem = '64MB'
max_parallel_workers_per_gather = 0
jit = off
wal_level = minimal
max_wal_senders = 0
max_wal_size = '2GB'
synchronous_commit = off

# Who read what, never with which words: statements hold names, and errors hold values of rows.
logging_collector = on
log_destination = 'csvlog'
log_directory = '{folder}/log'
log_filename = 'postgresql-%Y-%m-%d.log'
log_file_mode = 0600
log_timezone = 'UTC'
log_connections = on
log_min_messages = 'log'
log_statement = 'none'
log_min_duration_statement = -1
log_min_error_statement = 'panic'
log_error_verbosity = 'terse'
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
"""
# Beyond loopback only with TLS. The administrator and the publisher come through the socket only.
HOST_RULES = """\
local all {administrators} peer map=district
local all all scram-sha-256
host all {administrators} all reject
host metastore metastore 127.0.0.1/32 scram-sha-256
host {database} all 127.0.0.1/32 scram-sha-256
host {database} all ::1/128 scram-sha-256
hostssl {database} all all scram-sha-256
"""
GROUPS = ("bi_staff", "bi_analyst", "bi_teacher", "bi_guardian", "bi_shared")
ADMINISTRATORS = ("postgres", "bi_publisher")


@dataclass(frozen=True)
class Server:
    """The server in a folder. listen: an address, or several with commas between."""

    folder: Path
    port: int
    listen: str = "127.0.0.1"

    @cached_property
    def programs(self) -> Path:
        return find_programs() or install_programs()

    @property
    def system_user(self) -> str:
        return SYSTEM_USER if os.geteuid() == 0 else getpass.getuser()

    @property
    def is_made(self) -> bool:
        return (self.folder / "data" / "PG_VERSION").is_file()

    @property
    def is_running(self) -> bool:
        return self.is_made and self._run("pg_ctl", "status", check=False).returncode == 0

    def start(self) -> None:
        """Make the server when there is none, write its settings, start it, make its roles."""
        _ = self.programs  # before anything is made
        if not self.is_made:
            self._make()
        self._configure()
        if self.is_running:
            self._run("pg_ctl", "reload")
        else:
            self._run("pg_ctl", "--wait", "--log", str(self.folder / "log" / "start.log"), "start")
        self._make_roles()

    def stop(self) -> bool:
        """Stop the server; return whether it ran."""
        if not self.is_running:
            return False
        self._run("pg_ctl", "--wait", "--mode", "fast", "stop")
        return True

    def as_publisher(self) -> Connection:
        return self._connect(DATABASE, "bi_publisher")

    def as_administrator(self, database: str = DATABASE) -> Connection:
        """Return a connection as the superuser; set-up and logins need it, nothing else."""
        return self._connect(database, "postgres")

    def _connect(self, database: str, user: str) -> Connection:
        try:
            return psycopg.connect(
                host=str(self.folder / "socket"), port=self.port, dbname=database, user=user
            )
        except psycopg.OperationalError as problem:
            raise DistrictError(
                f"the PostgreSQL server in {self.folder} cannot be reached: {problem}",
                "start it with: district serve postgres",
            ) from problem

    def _make(self) -> None:
        socket = self.folder / "socket" / f".s.PGSQL.{self.port}"
        if len(os.fsencode(socket)) > LONGEST_SOCKET:
            raise DistrictError(
                f"{self.folder} is too long for a socket", "give a shorter --folder"
            )
        for name in ("", "socket", "log"):
            (self.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self._make_certificate()
        if os.geteuid() == 0:
            for path in (self.folder, *self.folder.iterdir()):
                shutil.chown(path, SYSTEM_USER, SYSTEM_USER)
        if self._as_user(["test", "-w", str(self.folder)], check=False).returncode:
            raise DistrictError(
                f"the user {self.system_user} cannot enter {self.folder}",
                "give a --folder that it can reach",
            )
        self._run(
            "initdb",
            *("--username", "postgres", "--encoding", "UTF8", "--locale", "C.UTF-8"),
            *("--auth-local", "peer", "--auth-host", "scram-sha-256", "--data-checksums"),
        )

    def _make_certificate(self) -> None:
        """Make a key and a certificate signed by itself; the district's own may replace them."""
        if not shutil.which("openssl"):
            raise DistrictError("openssl is missing", "install it (apt-get install openssl)")
        key, certificate = self.folder / "server.key", self.folder / "server.crt"
        subprocess.run(
            [
                *(
                    "openssl",
                    "req",
                    "-new",
                    "-x509",
                    "-newkey",
                    "rsa:3072",
                    "-nodes",
                    "-days",
                    "825",
                ),
                *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"),
                *("-keyout", str(key), "-out", str(certificate)),
            ],
            check=True,
            capture_output=True,
        )
        key.chmod(0o600)

    def _configure(self) -> None:
        data = self.folder / "data"
        addresses = {address.strip() for address in self.listen.split(",")}
        if not addresses <= set(LOOPBACK):
            err.print(f"The server listens on {self.listen}: only with TLS beyond this machine.")
        words = {"listen": self.listen, "port": self.port, "folder": self.folder}
        (data / "postgresql.conf").write_text(SETTINGS.format(**words))
        rules = HOST_RULES.format(administrators=",".join(ADMINISTRATORS), database=DATABASE)
        (data / "pg_hba.conf").write_text(rules)
        users = {getpass.getuser(), self.system_user}
        lines = [f"district {user} {name}\n" for user in users for name in ADMINISTRATORS]
        (data / "pg_ident.conf").write_text("".join(lines))

    def _make_roles(self) -> None:
        with self.as_administrator("postgres") as connection:
            connection.autocommit = True
            connection.execute((HERE / "roles.sql").read_bytes())
            found = connection.execute(
                "select from pg_database where datname = %s", [DATABASE]
            ).fetchall()
            if not found:
                connection.execute(f"create database {DATABASE} owner bi_owner".encode())
        with self.as_administrator() as connection:
            connection.autocommit = True
            prepare_database(connection)

    def _run(self, program: str, *arguments: str, check: bool = True) -> Any:
        command = [str(self.programs / program), "-D", str(self.folder / "data"), *arguments]
        return self._as_user(command, check=check)

    def _as_user(self, command: Sequence[str], *, check: bool) -> Any:
        """Run a program as the user whom the server belongs to."""
        as_user = {"user": SYSTEM_USER, "group": SYSTEM_USER} if os.geteuid() == 0 else {}
        done: Any = subprocess.run(
            command,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            **as_user,  # type: ignore[call-overload]
        )
        if check and done.returncode:
            said = done.stdout.strip().splitlines()[-1:] or ["nothing"]
            raise DistrictError(
                f"{Path(command[0]).name} failed: {said[0]}", f"see {self.folder}/log"
            )
        return done


def prepare_given_server(connection: Connection) -> None:
    """Make roles on a server that is there already, and let the one who connects publish."""
    connection.autocommit = True
    connection.execute((HERE / "roles.sql").read_bytes())
    connection.execute("grant bi_owner to current_user")
    prepare_database(connection)


def prepare_database(connection: Connection) -> None:
    """Set what the administrator of a database sets; say what it was not allowed to."""
    row = connection.execute("select current_database()").fetchone()
    name = sql.Identifier(str(row[0]) if row else DATABASE).as_string(connection)
    text = (HERE / "database.sql").read_text(encoding="utf-8").format(database=name)
    for statement in re.sub(r"--.*", "", text).split(";"):
        if statement.strip():
            try:
                connection.execute(statement.encode())
            except psycopg.errors.InsufficientPrivilege:
                err.print(f"not allowed, ask the administrator: {' '.join(statement.split())}")


def find_programs() -> Path | None:
    """Return the folder of the newest PostgreSQL's programs, None when there is none."""
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    if on_path:
        folders.append(Path(on_path).resolve().parent)
    found = {_version(folder): folder for folder in folders}
    return found[max(found)] if found and max(found) >= MINIMUM_VERSION else None


def _version(folder: Path) -> int:
    said = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=False
    )
    match = re.search(r" (\d+)", said.stdout)
    return int(match[1]) if match else 0


def install_programs() -> Path:
    """Install PostgreSQL where that is possible. Raises DistrictError where it is not."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        err.print("Installing PostgreSQL")
        quiet: dict[str, Any] = {"capture_output": True, "check": False}
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        subprocess.run(
            ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "postgresql"],
            env=environment,
            **quiet,
        )
    found = find_programs()
    if not found:
        raise DistrictError("there is no PostgreSQL on this machine", INSTALL)
    return found


def add_login(
    connection: Connection, name: str, group: str, password: str, *, shared: bool, limit: int
) -> None:
    """Make a login of a group, or set its password anew; the password never leaves in plain."""
    secret = connection.pgconn.encrypt_password(
        password.encode(), name.encode(), b"scram-sha-256"
    ).decode()
    role = sql.Identifier(name)
    exists = connection.execute("select from pg_roles where rolname = %s", [name]).fetchall()
    verb = sql.SQL("alter" if exists else "create")
    statement = sql.SQL("{} role {} login nosuperuser connection limit {} password {}")
    connection.execute(statement.format(verb, role, sql.Literal(limit), sql.Literal(secret)))
    for other in GROUPS:
        connection.execute(sql.SQL("revoke {} from {}").format(sql.Identifier(other), role))
    for chosen in [group, *(["bi_shared"] if shared else [])]:
        connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(chosen), role))
