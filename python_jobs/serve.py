"""Serve the current release to BI tools (PostgreSQL), and the warehouse to engineers (Thrift)."""

import os
import secrets
import shlex
import signal
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from python_jobs.console import err, print_table, progress
from python_jobs.errors import DistrictError
from python_jobs.release import current_release
from python_jobs.serving.access import token, viewer_key, write_secret
from python_jobs.serving.clients import Place, semantic_model, write_files
from python_jobs.serving.disclosures import disclosures
from python_jobs.serving.metastore import DATABASE as METASTORE_DATABASE
from python_jobs.serving.metastore import VARIABLES as METASTORE_VARIABLES
from python_jobs.serving.metastore import make_database, make_tables
from python_jobs.serving.publish import Connection, Published, publish
from python_jobs.serving.server import Server, add_login, drop_login, prepare_given_server
from python_jobs.serving.thrift import serve_thrift
from python_jobs.spark import get_spark, warehouse_dir

PORT = 54320
THRIFT_PORT = 10000
PASSWORD = "DISTRICT_LOGIN_PASSWORD"  # the variable that holds it
GROUPS = ("staff", "analyst", "teacher", "guardian")

app: typer.Typer = typer.Typer(no_args_is_help=True)
Dsn = Annotated[
    str | None,
    typer.Option(
        envvar="DISTRICT_POSTGRES_DSN",
        help="An existing server and database, as a role that may create roles; a list of "
        "processes shows what is given here: give passwords by the variable, or by PGPASSFILE.",
    ),
]
Folder = Annotated[
    Path | None,
    typer.Option(
        envvar="DISTRICT_POSTGRES_FOLDER",
        help="Folder of the own server (default: beside the warehouse, .postgres added).",
    ),
]
Port = Annotated[int, typer.Option(envvar="DISTRICT_POSTGRES_PORT", help="Port of the own server.")]


@app.callback()
def serve() -> None:
    """Serve the current release to BI tools, and the warehouse to engineers."""


@app.command("postgres")
def postgres_command(
    dsn: Dsn = None,
    folder: Folder = None,
    port: Port = PORT,
    listen: Annotated[
        str | None,
        typer.Option(
            help="Addresses to listen on (default: as before, at first 127.0.0.1); "
            "beyond loopback only with TLS."
        ),
    ] = None,
    purge: Annotated[
        bool, typer.Option(help="Delete replaced rows at once, as after: district forget.")
    ] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the own server.")] = False,
    status: Annotated[bool, typer.Option("--status", help="Show what is served.")] = False,
    show_disclosures: Annotated[
        bool, typer.Option("--disclosures", help="Show who read tables of students.")
    ] = False,
) -> None:
    """Start a PostgreSQL server, unless one is given, and publish the current release there."""
    server = own_server(folder, port, listen)
    if stop:
        err.print("The server is stopped." if server.stop() else "No server was running.")
    elif status:
        show_status(connect_to(dsn, server))
    elif show_disclosures and dsn:
        raise DistrictError(
            "the log is on the server that DISTRICT_POSTGRES_DSN or --dsn names",
            "look there for lines with DISCLOSURE (select pg_current_logfile())",
        )
    elif show_disclosures:
        files = sorted((server.folder / "log").glob("*.csv"))
        header = ["day", "login", "viewer", "table", "reads"]
        print_table("Who read tables of students", header, disclosures(files))
    elif dsn:
        with connect_to(dsn, server) as connection:
            prepare_given_server(connection)
        publish_release(dsn, server, purge=purge)
    else:
        with progress("Starting PostgreSQL"):
            server.start()
        publish_release(None, server, purge=purge)
        err.print(f"Serving on {server.addresses}, port {port}, database district")


@app.command("login")
def login_command(
    name: Annotated[str, typer.Argument(help="The login; access_grants says whom it sees.")],
    group: Annotated[str, typer.Option(help=f"One of: {', '.join(GROUPS)}.")] = "",
    shared: Annotated[
        bool, typer.Option("--shared", help="A BI account that names its viewers by tokens.")
    ] = False,
    connections: Annotated[int, typer.Option(help="At most so many at once.", min=1)] = 5,
    drop: Annotated[bool, typer.Option("--drop", help="Delete it, its sessions too.")] = False,
    dsn: Dsn = None,
    folder: Folder = None,
    port: Port = PORT,
) -> None:
    """Make a login, or give it a new password (DISTRICT_LOGIN_PASSWORD, else one is made)."""
    path = warehouse_dir() / "passwords" / name.replace("/", "_")
    server = own_server(folder, port)
    if drop:
        with connect_by(dsn) if dsn else server.as_administrator() as connection:
            drop_login(connection, name)
        path.unlink(missing_ok=True)
        err.print(f"Login {name} is deleted")
        return
    if group not in GROUPS:
        raise DistrictError(f"there is no group {group}", f"choose one of: {', '.join(GROUPS)}")
    password = os.environ.get(PASSWORD) or secrets.token_urlsafe(24)
    with connect_by(dsn) if dsn else server.as_administrator() as connection:
        add_login(connection, name, f"bi_{group}", password, shared=shared, limit=connections)
    if os.environ.get(PASSWORD):
        err.print(f"Login {name} is in group {group}")
    else:
        write_secret(path, password)
        err.print(f"Login {name} is in group {group}; its password is in {path}")


@app.command("token")
def token_command(
    login: Annotated[str, typer.Argument(help="For whom the shared account asks.")],
    minutes: Annotated[int, typer.Option(help="How long it holds.", min=1)] = 60,
) -> None:
    """Print what a shared account sets as district.viewer to see what this login sees."""
    print(token(viewer_key(warehouse_dir()), login, 60 * minutes))


@app.command("clients")
def clients_command(
    target: Annotated[Path, typer.Argument(help="Folder for the files.")],
    host: Annotated[str, typer.Option(help="The server, as clients name it.")] = "127.0.0.1",
    name: Annotated[str, typer.Option("--login", help="The login of the tool.")] = "board",
    dsn: Dsn = None,
    folder: Folder = None,
    port: Port = PORT,
) -> None:
    """Write files that BI tools open: Power BI, Tableau, Superset, and the semantic model."""
    with connect_to(dsn, own_server(folder, port)) as connection:
        place = Place(host, connection.info.port, connection.info.dbname, name)
        files = write_files(target, semantic_model(connection), place)
    err.print("\n".join(str(path) for path in files))


@app.command("metastore")
def metastore_command(folder: Folder = None, port: Port = PORT) -> None:
    """Make the metastore of the targets server and cluster: METASTORE_URL, or the own server."""
    given = [os.environ.get(name, "") for name in METASTORE_VARIABLES]
    if not given[0]:
        server = own_server(folder, port)
        server.start()
        path = warehouse_dir() / "passwords" / METASTORE_DATABASE
        if not path.exists():
            write_secret(path, secrets.token_urlsafe(24))
        password = path.read_text(encoding="utf-8").strip()
        with server.as_administrator("postgres") as connection:
            make_database(connection, password)
        url = f"jdbc:postgresql://127.0.0.1:{port}/{METASTORE_DATABASE}"
        given = [url, METASTORE_DATABASE, password]
        said = [url, METASTORE_DATABASE, f"$(cat {shlex.quote(str(path))})"]
        for name, value in zip(METASTORE_VARIABLES, said, strict=True):
            print(f'export {name}="{value}"')
    make_tables(*given)
    err.print("The metastore is there: DISTRICT_TARGET=server uses it")


@app.command("thrift")
def thrift_command(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = THRIFT_PORT,
    listen: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Run Spark's Thrift server for engineers: no authorization, so loopback only."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    serve_thrift(port, listen)


def own_server(folder: Path | None, port: int, listen: str | None = None) -> Server:
    """Return the server in a folder, by default the one beside the warehouse."""
    beside = warehouse_dir().with_name(f"{warehouse_dir().name}.postgres")
    return Server((folder or beside).absolute(), port, listen)


def connect_to(dsn: str | None, server: Server) -> Connection:
    """Return a connection that may publish."""
    return connect_by(dsn) if dsn else server.as_publisher()


def connect_by(dsn: str) -> Connection:
    try:
        return psycopg.connect(dsn)
    except psycopg.Error:  # what it says may hold the DSN
        raise DistrictError("the PostgreSQL server cannot be reached", "check the DSN") from None


def publish_release(dsn: str | None, server: Server, *, purge: bool = False) -> Published:
    """Put the current release of the warehouse into PostgreSQL."""
    from python_jobs.serving.warehouse import release_to_serve, tables_to_serve

    spark = get_spark()
    release = release_to_serve(spark)
    with progress(f"Publishing release {release.release_id}"):
        try:
            done = publish(
                lambda: connect_to(dsn, server),
                tables_to_serve(spark, release),
                release,
                viewer_key=viewer_key(warehouse_dir()),
                keep_replaced=not purge,
                is_current=lambda: current_release(spark) == release.release_id,
            )
        except psycopg.Error as problem:  # what it says may hold values of rows
            raise DistrictError(
                f"PostgreSQL did not take the release: {type(problem).__name__}",
                "see that the server runs and has room, then: district serve postgres",
            ) from None
    err.print(
        f"{len(done.copied)} tables with {sum(done.copied.values()):,} rows copied, "
        f"{len(done.unchanged)} had not changed"
    )
    return done


def configured() -> tuple[str | None, Server]:
    """Return the DSN and the own server that the environment names."""
    folder = os.environ.get("DISTRICT_POSTGRES_FOLDER")
    port = int(os.environ.get("DISTRICT_POSTGRES_PORT", PORT))
    return (
        os.environ.get("DISTRICT_POSTGRES_DSN"),
        own_server(Path(folder) if folder else None, port),
    )


def publish_if_configured() -> None:
    """Publish the current release when the environment names a server, or the own one runs."""
    dsn, server = configured()
    if (dsn or server.is_running) and current_release(get_spark()) is not None:
        publish_release(dsn, server)


def warn_of_served_rows() -> None:
    """Say how rows that are gone from the warehouse go from PostgreSQL, when there is a server."""
    dsn, server = configured()
    if dsn or server.is_made:
        err.print("PostgreSQL still has their rows; delete them: district serve postgres --purge")


def show_status(connection: Connection) -> None:
    """Print which release is served, and the rows of each table."""
    with connection:
        connection.execute("set role bi_owner")
        rows = connection.execute(
            "select table_name, release_id, row_count, loaded_at, published_at from bi.release "
            "order by table_name"
        ).fetchall()
    print_table("Served", ["table", "release", "rows", "copied at", "published at"], rows)
