"""The tables of Spark's metastore in PostgreSQL, for the targets server and cluster.

They are made once, by one program: Spark processes that make them as they go wait for each other
for ever.
"""

import os
import subprocess
import tempfile
import zipfile
from pathlib import Path

import psycopg
import pyspark
from psycopg import sql

from python_jobs.errors import DistrictError
from python_jobs.serving.access import write_secret
from python_jobs.serving.publish import Connection
from python_jobs.serving.server import METASTORE_CONNECTIONS

DATABASE = "metastore"  # and its role, on the server of the warehouse's own
DRIVER = "org.postgresql.Driver"
HIVE_SCHEMA = "2.3.0"  # of the Hive that Spark contains
JDBC = "jdbc:postgresql:"
VARIABLES = ("METASTORE_URL", "METASTORE_USER", "METASTORE_PASSWORD")
_VERSION = """
    insert into "VERSION" ("VER_ID", "SCHEMA_VERSION", "VERSION_COMMENT")
    select 1, %s, 'made by district serve metastore'
    where not exists (select from "VERSION")
"""


def make_database(connection: Connection, password: str) -> None:
    """Make the role and the database of the metastore, or set the role's password anew."""
    connection.autocommit = True
    secret = connection.pgconn.encrypt_password(
        password.encode(), DATABASE.encode(), b"scram-sha-256"
    )
    exists = connection.execute("select from pg_roles where rolname = %s", [DATABASE]).fetchall()
    statement = sql.SQL("{} role {} login nosuperuser connection limit {} password {}").format(
        sql.SQL("alter" if exists else "create"),
        sql.Identifier(DATABASE),
        sql.Literal(METASTORE_CONNECTIONS),
        sql.Literal(secret.decode()),
    )
    connection.execute(statement)
    found = connection.execute("select from pg_database where datname = %s", [DATABASE]).fetchall()
    if not found:
        connection.execute(f"create database {DATABASE} owner {DATABASE}".encode())
    connection.execute(f"revoke all on database {DATABASE} from public".encode())


def make_tables(url: str, user: str, password: str) -> None:
    """Make the metastore's tables where they are missing.

    url: as the driver wants it, jdbc:postgresql://host:port/database.
    Raises DistrictError when the database cannot be reached or does not take them.
    """
    if not url.startswith(JDBC):
        raise DistrictError("METASTORE_URL is no PostgreSQL database", f"it starts with {JDBC}//")
    jars = Path(pyspark.__file__).parent / "jars"
    properties = {
        "javax.jdo.PersistenceManagerFactoryClass": (
            "org.datanucleus.api.jdo.JDOPersistenceManagerFactory"
        ),
        "javax.jdo.option.ConnectionURL": url,
        "javax.jdo.option.ConnectionDriverName": DRIVER,
        "javax.jdo.option.ConnectionUserName": user,
        "javax.jdo.option.ConnectionPassword": password.replace("\\", "\\\\"),
        "datanucleus.identifierFactory": "datanucleus1",
        "datanucleus.connectionPoolingType": "None",
    }
    with tempfile.TemporaryDirectory(prefix="district-metastore-") as folder:
        lines = [f"{name}={value}" for name, value in properties.items()]
        write_secret(Path(folder, "settings"), "\n".join(lines))
        with zipfile.ZipFile(next(jars.glob("hive-metastore-*.jar"))) as archive:
            archive.extract("package.jdo", folder)
        java = Path(os.environ["JAVA_HOME"], "bin", "java") if "JAVA_HOME" in os.environ else "java"
        done = subprocess.run(
            [
                *(java, "-cp", f"{jars}/*", "org.datanucleus.store.schema.SchemaTool"),
                *("-create", "-api", "JDO", "-props", "settings", "package.jdo"),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode or "completed successfully" not in done.stdout + done.stderr:
        raise DistrictError(
            "the metastore's tables could not be made", f"check {', '.join(VARIABLES)}"
        )
    with psycopg.connect(
        url.removeprefix("jdbc:"), user=user, password=password, connect_timeout=10
    ) as connection:
        connection.execute(_VERSION, [HIVE_SCHEMA])
