"""Dashboard queries, measures and relations hold for the tables that a release publishes."""

import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import psycopg
import pyarrow as pa
import pytest
import yaml
from psycopg.errors import InsufficientPrivilege
from servers import free_port

from python_jobs.release import CALL_LIST, EARLY_WARNING
from python_jobs.release_tables import PublishedTable, published_tables
from python_jobs.serving.access import GRANT_SCHEMA
from python_jobs.serving.clients import MEASURES, Place, relations, semantic_model, write_files
from python_jobs.serving.publish import Connection, Release, publish
from python_jobs.serving.server import DATABASE, Server, add_login, find_programs
from python_jobs.serving.tables import ServedTable, from_arrow
from python_jobs.spark import PROJECT

QUERIES = sorted((PROJECT / "bi" / "queries").glob("*.sql"))
ONE = {
    "string": pa.scalar("year"),
    "int": pa.scalar(2026, pa.int32()),
    "bigint": pa.scalar(1),
    "double": pa.scalar(0.5),
    "boolean": pa.scalar(True),
    "date": pa.scalar(0, pa.date32()),
    "timestamp": pa.scalar(0, pa.timestamp("us", "UTC")),
}
PASSWORD = "a password of the tests"
LOGINS = {  # group: login, scope, scope_id
    "staff": ("principal", "district", "district"),
    "teacher": ("teacher", "student", "year"),
    "analyst": ("analyst", "district", "district"),
    "guardian": ("guardian", "student", "year"),
}
FOR_GUARDIANS = ("my_children", "my_students_at_risk")  # read no table without students
PLACE = Place("bi.district.example", 54320, "district", "board")


def one_row(table: PublishedTable) -> ServedTable:
    """Return a table with a row, in the columns and types of its YAML."""
    values = {}
    for name in table.published:
        kind = table.node.columns[name].data_type or ""
        if kind.startswith("decimal"):
            values[name] = pa.array([Decimal(1)], pa.decimal128(18, 6))
        else:
            scalar = ONE["string" if kind.startswith("array") else kind]
            values[name] = pa.array([scalar.as_py()], scalar.type)
    if table.cells:
        values["suppression"] = pa.array([None], pa.string())
    marks = {
        name: said.config.meta["pii"]
        for name, said in table.node.columns.items()
        if name in values and "pii" in said.config.meta
    }
    return from_arrow(table.name, pa.table(values), marks=marks, students=table.students)


def served() -> list[ServedTable]:
    tables = published_tables()
    warning = next(one_row(t) for t in tables if t.node.name == EARLY_WARNING)
    columns = [c.name for c in warning.columns]
    levels = [f"{name}_before" for name in columns if name.endswith("_level")]
    calls = {name: pa.array(["year"]) for name in columns + levels}
    begin = date(2000, 1, 1)
    grants = [(*grant, begin, None) for grant in LOGINS.values()]
    filled = zip(GRANT_SCHEMA, zip(*grants, strict=True), strict=True)
    held = pa.table({f.name: pa.array(list(column), f.type) for f, column in filled})
    scopes = {
        "student_id": ["year", "year"],
        "scope": ["district", "student"],
        "scope_id": ["district", "year"],
    }
    return [
        *(one_row(table) for table in tables),
        from_arrow(CALL_LIST, pa.table(calls), students=True),
        from_arrow("access_grants", held, schema="access"),
        from_arrow("student_scopes", pa.table(scopes), schema="access"),
        from_arrow("districts", pa.table({"district_id": ["district"]}), schema="access"),
    ]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if find_programs() is None:
        pytest.skip("PostgreSQL 15 or later is not on this machine")
    folder = Path(tempfile.mkdtemp(prefix="district-"))
    folder.chmod(0o755)
    server = Server(folder / "pg", free_port())
    try:
        server.start()
        publish(server.as_publisher, served(), Release(1), viewer_key=b"k" * 32)
        with server.as_administrator() as connection:
            for group, (login, *_) in LOGINS.items():
                add_login(connection, login, f"bi_{group}", PASSWORD, shared=False, limit=5)
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def connection(server: Server) -> Iterator[Connection]:
    """Give the connection of an administrator, whom no policy binds."""
    with server.as_administrator() as connection:
        connection.autocommit = True
        yield connection


@pytest.mark.parametrize("group", LOGINS)
@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_dashboard_queries_give_each_group_what_it_may_see(
    server: Server, connection: Connection, path: Path, group: str
) -> None:
    query = path.read_text(encoding="utf-8")
    assert query.startswith("-- For ")
    everything = connection.execute(query.encode()).fetchall()
    login = psycopg.connect(
        host="127.0.0.1",
        port=server.port,
        user=LOGINS[group][0],
        password=PASSWORD,
        dbname=DATABASE,
    )
    is_masked = group == "analyst" and "full_name" in query
    is_closed = group == "guardian" and path.stem not in FOR_GUARDIANS
    with login, pytest.raises(InsufficientPrivilege) if is_masked or is_closed else nullcontext():
        assert login.execute(query.encode()).fetchall() == everything


def test_measures_and_relations_run(connection: Connection) -> None:
    model = semantic_model(connection)
    assert len(model["tables"]) == len(served()) - 3 + 1  # access is hidden; bi.release is there
    assert len(model["measures"]) == len(yaml.safe_load(MEASURES.read_text())["measures"])
    for measure in model["measures"]:
        connection.execute(
            f"select {measure['sql']} from bi.{measure['table']} where {measure['rows']}".encode()
        )
    for link in model["relations"]:
        connection.execute(
            f"select 1 from bi.{link['table']} as rows_of_table "
            f"left join bi.{link['to_table']} as dimension "
            f"on rows_of_table.{link['column']} = dimension.{link['to_column']} "
            f"where {link.get('rows', 'true')}".encode()
        )
    assert {link["table"] for link in model["relations"]} >= {"kpi_values", "student_gpa"}


def test_a_hidden_numerator_takes_its_denominator_along() -> None:
    whole = r"sum\((\w+)\)(::numeric)? / nullif\(sum\(\w+\) filter \(where \1 is not null\), 0\)"
    measures = yaml.safe_load(MEASURES.read_text())["measures"]
    rates = [measure["sql"] for measure in measures if "/" in measure["sql"]]
    assert len(rates) > 5
    assert all(re.fullmatch(whole, rate) for rate in rates)


def test_relations_point_to_dimensions_that_are_there() -> None:
    tables = {"fact": ["student_id", "term_id"], "dim_student": ["student_id", "school_id"]}
    assert relations(tables) == [
        {"table": "fact", "column": "student_id", "to_table": "dim_student",
         "to_column": "student_id"}
    ]  # fmt: skip
    marts = {"mart": ["grain", "entity_id"], "dim_school": ["school_id"]}
    assert [link.get("rows") for link in relations(marts)] == ["grain = 'school'"]


def test_files_for_clients_name_the_server_and_no_password(
    connection: Connection, tmp_path: Path
) -> None:
    write_files(tmp_path, semantic_model(connection), PLACE)
    power_bi = json.loads((tmp_path / "district.pbids").read_text())
    assert power_bi["connections"][0]["details"]["address"] == {
        "server": "bi.district.example:54320",
        "database": "district",
    }
    assert power_bi["connections"][0]["mode"] == "DirectQuery"  # no copies past the policies
    tableau = ElementTree.parse(tmp_path / "district.tds").find(".//connection[@class='postgres']")
    assert tableau is not None
    assert tableau.attrib["server"] == "bi.district.example"
    assert tableau.attrib["sslmode"] == "require"
    with zipfile.ZipFile(tmp_path / "superset.zip") as archive:
        names = archive.namelist()
        mart = yaml.safe_load(archive.read("district/datasets/district/kpi_values.yaml"))
        database = yaml.safe_load(archive.read("district/databases/district.yaml"))
        everything = b"".join(archive.read(name) for name in names)
    assert mart["database_uuid"] == database["uuid"]
    assert [metric["metric_name"] for metric in mart["metrics"]] == ["kpi_value"]
    assert {column["column_name"] for column in mart["columns"]} >= {"kpi", "value"}
    assert b"load_id" not in everything
    assert b"password" not in everything.lower()
