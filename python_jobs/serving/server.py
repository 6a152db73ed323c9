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
from ipaddress import ip_address
from pathlib import Path
from socket import getfqdn, gethostname
from threading import Lock
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
READERS = 260  # connections of all readers together
METASTORE_CONNECTIONS = 100
RESERVED = 40  # left for the publisher and the administrator
LONGEST_SOCKET = 100  # bytes; the operating system allows 107
LOOPBACK = ("127.0.0.1", "localhost", "::1")
INSTALL = "install PostgreSQL 15 or later (Debian: apt-get install postgresql), or give --dsn"
SETTINGS = """\
# Written at each start.
listen_addresses = '{listen}'
port = {port}
unix_socket_directories = '{folder}/socket'
unix_socket_permissions = 0700
max_connections = {max_connections}
password_encryption = 'scram-sha-256'
ssl = on
ssl_cert_file = '{folder}/server.crt'
ssl_key_file = '{folder}/server.key'
ssl_min_protocol_version = 'TLSv1.2'

# What one reader may take; publishing lifts the first.
statement_timeout = '60s'
idle_in_transaction_session_timeout = '5min'
idle_session_timeout = '1h'
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
OPEN_RIGHTS = """
    select kind || ' on database ' || current_database()
    from unnest(array['connect', 'temporary', 'create']) as kind
    where has_database_privilege('public', current_database(), kind)
    union all
    select kind || ' on schema public'
    from unnest(array['usage', 'create']) as kind
    where has_schema_privilege('public', 'public', kind)
    union all
    select 'usage on language ' || lanname
    from pg_language
    where lanname in ('plpgsql', 'sql') and has_language_privilege('public', oid, 'usage')
    union all
    select 'execute on function ' || oid::regprocedure
    from pg_proc
    where
        pronamespace = 'pg_catalog'::regnamespace
        and proname in (
            'lo_creat', 'lo_create', 'lo_from_bytea', 'lo_open', 'lo_unlink', 'lo_put'
        )
        and has_function_privilege('public', oid, 'execute')
"""
GROUPS = ("bi_staff", "bi_analyst", "bi_teacher", "bi_guardian", "bi_shared")
_LIFTING = Lock()
ADMINISTRATORS = ("postgres", "bi_publisher")


@dataclass(frozen=True)
class Server:
    """The server in a folder.

    listen: an address, or several with commas between; by default those that it has, else loopback.
    """

    folder: Path
    port: int
    listen: str | None = None

    @cached_property
    def programs(self) -> Path:
        return find_programs() or install_programs()

    @property
    def system_user(self) -> str:
        return SYSTEM_USER if os.geteuid() == 0 else getpass.getuser()

    @cached_property
    def addresses(self) -> str:
        settings = self.folder / "data" / "postgresql.conf"
        text = settings.read_text(encoding="utf-8") if settings.is_file() else ""
        held = re.search(r"^listen_addresses = '(.*)'", text, re.MULTILINE)
        return self.listen or (held[1] if held else LOOPBACK[0])

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
        if self.is_running and not self._must_restart():
            self._run("pg_ctl", "reload")
        else:
            self.stop()
            self._run("pg_ctl", "--wait", "--log", str(self.folder / "log" / "start.log"), "start")
        self._make_roles()

    def stop(self) -> bool:
        """Stop the server; return whether it ran."""
        if not self.is_running:
            return False
        self._run("pg_ctl", "--wait", "--mode", "fast", "stop")
        return True

    def as_publisher(self) -> Connection:
        """Return a connection that may publish, also when readers have all that are theirs."""
        try:
            return self._connect(DATABASE, "bi_publisher")
        except DistrictError as problem:
            if "too many connections for database" not in str(problem):
                raise
        with _LIFTING, self.as_administrator("postgres") as administrator:
            administrator.autocommit = True
            try:
                self._limit_readers(administrator, -1)
                return self._connect(DATABASE, "bi_publisher")
            finally:
                self._limit_readers(administrator, READERS)

    @staticmethod
    def _limit_readers(administrator: Connection, limit: int) -> None:
        administrator.execute(f"alter database {DATABASE} connection limit {limit}".encode())

    def as_administrator(self, database: str = DATABASE) -> Connection:
        """Return a connection as the superuser; set-up and logins need it, nothing else."""
        return self._connect(database, "postgres")

    def _connect(self, database: str, user: str, port: int | None = None) -> Connection:
        socket_folder = str(self.folder / "socket")
        try:
            return psycopg.connect(
                host=socket_folder, port=port or self.port, dbname=database, user=user
            )
        except psycopg.OperationalError as problem:
            raise DistrictError(
                f"the PostgreSQL server in {self.folder} cannot be reached: {problem}",
                "start it with: district serve postgres",
            ) from problem

    def _must_restart(self) -> bool:
        """Tell whether the written settings hold only after a restart."""
        held = (self.folder / "data" / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        with self._connect("postgres", "postgres", port=int(held[3])) as connection:
            query = "select from pg_file_settings where error is not null"
            return bool(connection.execute(query.encode()).fetchall())

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
        """Make a key and a certificate signed by itself; the district's own may replace them.

        It names this machine and the addresses that the server listens on.
        """
        if not shutil.which("openssl"):
            raise DistrictError("openssl is missing", "install it (apt-get install openssl)")
        key, certificate = self.folder / "server.key", self.folder / "server.crt"
        subprocess.run(
            [
                *("openssl", "req", "-new", "-x509", "-newkey", "rsa:3072", "-nodes"),
                *("-days", "825", "-subj", "/CN=district"),
                *("-addext", f"subjectAltName={','.join(names_of_machine(self.addresses))}"),
                *("-keyout", str(key), "-out", str(certificate)),
            ],
            check=True,
            capture_output=True,
        )
        key.chmod(0o600)

    def _configure(self) -> None:
        data = self.folder / "data"
        addresses = {address.strip() for address in self.addresses.split(",")}
        if not addresses <= set(LOOPBACK):
            err.print(f"The server listens on {self.addresses}: only with TLS beyond this machine.")
        words = {
            "listen": self.addresses,
            "port": self.port,
            "folder": self.folder,
            "max_connections": READERS + METASTORE_CONNECTIONS + RESERVED,
        }
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
            self._limit_readers(connection, READERS)
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


def names_of_machine(addresses: str) -> list[str]:
    """Return what a certificate names: this machine, and the addresses that are one machine's."""
    names = {"DNS:localhost", f"DNS:{gethostname()}", f"DNS:{getfqdn()}"}
    for address in map(str.strip, (*LOOPBACK, *addresses.split(","))):
        try:
            if not ip_address(address).is_unspecified:
                names.add(f"IP:{address}")
        except ValueError:
            names |= set() if address == "*" else {f"DNS:{address}"}
    return sorted(names)


def prepare_given_server(connection: Connection) -> None:
    """Make roles on a server that is there already, and let the one who connects publish."""
    connection.autocommit = True
    connection.execute((HERE / "roles.sql").read_bytes())
    connection.execute("grant bi_owner to current_user")
    prepare_database(connection)
    rights = open_rights(connection)
    if rights:
        err.print("Ask the administrator to revoke from public: " + "; ".join(rights))


def open_rights(connection: Connection) -> list[str]:
    """Return what database.sql takes from everybody and everybody still has.

    PostgreSQL only warns when one who may not revokes.
    """
    rows = connection.execute(OPEN_RIGHTS.encode()).fetchall()
    return [str(right) for (right,) in rows]


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
    """Make a login of a group, or set its password anew; the password never leaves in plain.

    Raises DistrictError when the name is not a reader's.
    """
    secret = connection.pgconn.encrypt_password(
        password.encode(), name.encode(), b"scram-sha-256"
    ).decode()
    role = sql.Identifier(name)
    verb = sql.SQL("alter" if _is_login(connection, name) else "create")
    statement = sql.SQL("{} role {} login connection limit {} password {}")
    connection.execute(statement.format(verb, role, sql.Literal(limit), sql.Literal(secret)))
    for other in GROUPS:
        connection.execute(sql.SQL("revoke {} from {}").format(sql.Identifier(other), role))
    for chosen in [group, *(["bi_shared"] if shared else [])]:
        connection.execute(sql.SQL("grant {} to {}").format(sql.Identifier(chosen), role))


def drop_login(connection: Connection, name: str) -> None:
    """Delete a login and end its sessions. Raises DistrictError when there is none of this name."""
    if not _is_login(connection, name):
        raise DistrictError(f"there is no login {name}", "give it as it was made")
    role = sql.Identifier(name)
    connection.execute(sql.SQL("alter role {} nologin").format(role))
    connection.commit()  # from here on nobody comes in
    try:
        with connection.transaction():
            connection.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = %s",
                [name],
            )
    except psycopg.errors.InsufficientPrivilege:
        err.print(f"not allowed to end the sessions of {name}: ask the administrator")
    connection.execute(sql.SQL("drop role {}").format(role))


def _is_login(connection: Connection, name: str) -> bool:
    """Tell whether there is a reader of this name; raise DistrictError when it is somebody else."""
    foreign = DistrictError(f"{name} is no reader of reports", "choose another name")
    if name.startswith(("bi_", "pg_")) or name in (*ADMINISTRATORS, "metastore", "public", "none"):
        raise foreign
    found = connection.execute(
        """
        select
            rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls,
            array(
                select groups.rolname::text
                from pg_auth_members as members
                inner join pg_roles as groups on members.roleid = groups.oid
                where members.member = roles.oid
            )
        from pg_roles as roles where rolname = %s
        """,
        [name],
    ).fetchone()
    if not found:
        return False
    has_rights, member_of = found
    if has_rights or not member_of or not set(map(str, member_of)) <= set(GROUPS):  # type: ignore[call-overload]
        raise foreign
    return True
