"""What PostgreSQL shows to whom, and what it refuses: every way is tried on a server of its own."""

import shutil
import socket
import ssl
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from servers import is_open

from python_jobs import run
from python_jobs.errors import DistrictError
from python_jobs.release import ReleaseRefused
from python_jobs.serve import connect_by, postgres_command, warn_of_served_rows
from python_jobs.serving import thrift
from python_jobs.serving.access import GRANT_SCHEMA, grants_table, token, viewer_key
from python_jobs.serving.disclosures import disclosures
from python_jobs.serving.metastore import make_database
from python_jobs.serving.publish import Published, Release, _as_csv, publish
from python_jobs.serving.server import (
    DATABASE,
    GROUPS,
    READERS,
    Server,
    add_login,
    drop_login,
    find_programs,
    names_of_machine,
    open_rights,
    prepare_database,
    prepare_given_server,
)
from python_jobs.serving.tables import ServedTable, from_arrow, postgres_type

KEY = b"k" * 32
PASSWORD = "a password of the tests"
DENIED = "42501"
TODAY = datetime.now(UTC).date()
DAY = timedelta(days=1)
NAME = "Qzanary"  # of every student; the log must not hold it
RACES = ["white"] * 97 + ["black", "asian", "white"]
STUDENTS = ["a", "b", "c", *(f"x{number}" for number in range(97))]
ELSEWHERE = "127.0.0.2"  # not the address that may come in plain
LOGINS = {  # login: group, scope, scope_id, from, until
    "teacher": ("teacher", "section", "section1", TODAY, None),
    "guardian": ("guardian", "student", "b", TODAY, TODAY + DAY),
    "principal": ("staff", "school", "school1", TODAY - DAY, None),
    "district": ("staff", "district", "district1", TODAY, None),
    "analyst": ("analyst", "district", "district1", TODAY, None),
    "ended": ("teacher", "section", "section1", TODAY - DAY, TODAY),
    "ended_staff": ("staff", "district", "district1", TODAY - DAY, TODAY),
    "future": ("teacher", "section", "section1", TODAY + DAY, None),
    "empty": ("teacher", "section", "section9", TODAY, None),
    "other_district": ("staff", "district", "district9", TODAY, None),
    "nowhere": ("staff", "district", None, TODAY, None),
    "stranger": ("staff", None, None, None, None),
}
SEES = {
    "teacher": {"a"},
    "guardian": {"b"},
    "principal": {"a", "b"},
    "district": set(STUDENTS),
    "analyst": set(STUDENTS),
}


def tables(release: int = 1, *, more: bool = False) -> list[ServedTable]:
    """Return a district: a and b in school1, c and the others in school2; a is in section1."""
    schools = ["school1", "school1"] + ["school2"] * (len(STUDENTS) - 2)
    student = pa.table(
        {
            "student_id": STUDENTS,
            "school_id": schools,
            "full_name": [f"{NAME} {student}" for student in STUDENTS],
            "race_ethnicity": RACES,
        }
    )
    grades = pa.table({"student_id": STUDENTS, "gpa": [float(release)] * len(STUDENTS)})
    school = {"school_id": ["school1", "school2"], "gpa": [float(release)] * 2}
    if more:
        school["student_count"] = [2, 98]
    grants = [
        {"login": login, "scope": scope, "scope_id": of, "valid_from": begin, "valid_until": end}
        for login, (_, scope, of, begin, end) in LOGINS.items()
        if scope
    ]
    scopes = [
        *((s, "student", s) for s in STUDENTS),
        *((s, "district", "district1") for s in STUDENTS),
        *((s, "school", school_id) for s, school_id in zip(STUDENTS, schools, strict=True)),
        ("a", "section", "section1"),
    ]
    columns = list(zip(*scopes, strict=True))
    return [
        from_arrow(
            "dim_student",
            student,
            marks={
                "student_id": "identifier",
                "full_name": "direct",
                "race_ethnicity": "sensitive",
            },
            students=True,
        ),
        from_arrow("student_gpa", grades, marks={"student_id": "identifier"}, students=True),
        from_arrow(
            "dim_teacher",
            pa.table({"teacher_id": ["t1"], "full_name": ["A Teacher"]}),
            marks={"full_name": "direct"},
        ),
        from_arrow("school_performance", pa.table(school)),
        from_arrow("access_grants", pa.Table.from_pylist(grants, GRANT_SCHEMA), schema="access"),
        from_arrow(
            "student_scopes",
            pa.table(dict(zip(("student_id", "scope", "scope_id"), columns, strict=True))),
            schema="access",
        ),
        from_arrow("districts", pa.table({"district_id": ["district1"]}), schema="access"),
    ]


def put(server: Server, release: int, **options: Any) -> Published:
    return publish(
        server.as_publisher, tables(release, **options), Release(release), viewer_key=KEY
    )


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if find_programs() is None:
        pytest.skip("PostgreSQL 15 or later is not on this machine")
    folder = Path(tempfile.mkdtemp(prefix="district-"))
    folder.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Server(folder / "pg", port)
    try:
        made.start()
        put(made, 1)
        with made.as_administrator() as connection:
            for login, (group, *_) in LOGINS.items():
                add_login(connection, login, f"bi_{group}", PASSWORD, shared=False, limit=5)
            add_login(connection, "shared", "bi_staff", PASSWORD, shared=True, limit=5)
            add_login(connection, "portal", "bi_guardian", PASSWORD, shared=True, limit=2)
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder, ignore_errors=True)


def connect(server: Server, login: str, **settings: Any) -> psycopg.Connection[Any]:
    chosen = {"host": "127.0.0.1", "password": PASSWORD, "dbname": DATABASE, **settings}
    return psycopg.connect(port=server.port, user=login, autocommit=True, **chosen)


def ask(server: Server, login: str, *statements: str) -> list[Any] | str:
    """Return the rows of the last statement, or the SQLSTATE of what was refused."""
    with connect(server, login) as connection:
        try:
            for statement in statements:
                cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []
        except psycopg.Error as problem:
            return problem.sqlstate or "no answer"


def students(rows: list[Any] | str) -> set[str] | str:
    return rows if isinstance(rows, str) else {row[0] for row in rows}


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("table", ["dim_student", "student_gpa"])
def test_each_login_sees_its_students_and_no_other(server: Server, login: str, table: str) -> None:
    seen = students(ask(server, login, f"select student_id from bi.{table}"))
    assert seen == SEES.get(login, set())


@pytest.mark.parametrize(
    ("login", "table", "outcome"),
    [
        ("teacher", "school_performance", 2),
        ("stranger", "school_performance", 2),  # suppressed: all staff may
        ("analyst", "school_performance", 2),
        ("guardian", "school_performance", DENIED),
        ("guardian", "dim_teacher", DENIED),
        ("teacher", "dim_teacher", 1),
        ("analyst", "dim_teacher", DENIED),  # * names a masked column
        ("analyst", "dim_student", DENIED),
        ("analyst", "student_gpa", 100),
        ("guardian", "release", 4),
    ],
)
def test_each_group_reads_its_tables(
    server: Server, login: str, table: str, outcome: int | str
) -> None:
    rows = ask(server, login, f"select * from bi.{table}")
    assert (rows if isinstance(rows, str) else len(rows)) == outcome


def test_direct_columns_are_masked_for_analysts_only(server: Server) -> None:
    query = "select full_name from bi.dim_student"
    assert ask(server, "analyst", query) == DENIED
    assert ask(server, "analyst", "select count(full_name) from bi.dim_student") == DENIED
    assert ask(server, "analyst", "select 1 from bi.dim_student where full_name = 'x'") == DENIED
    assert ask(server, "teacher", query) == [(f"{NAME} a",)]


ALL = "select student_id from bi.dim_student"
REFUSED = {
    "a copy behind the table": "select * from bi_data.{copy}",
    "the grants": "select * from access.access_grants",
    "the scopes": "select * from access.student_scopes",
    "the key": "select * from access.viewer_key",
    "a function of the policies": "select access.visible_students()",
    "another viewer's function": "select access.viewer()",
    "the owner": "set role bi_owner",
    "the publisher": "set role bi_publisher",
    "another group": "set role {other}",
    "another login": "set session authorization district",
    "a pre-defined role": "set role pg_read_all_data",
    "row security off": "set row_security = off; " + ALL,
    "a policy": "drop policy narrow on bi.dim_student",
    "row security of the table": "alter table bi.dim_student disable row level security",
    "a grant": "insert into access.access_grants values ('teacher', 'district', 'district1')",
    "writing": "insert into bi.student_gpa values ('a', 4)",
    "changing": "update bi.student_gpa set gpa = 4",
    "deleting": "delete from bi.student_gpa",
    "emptying": "truncate bi.student_gpa",
    "locking": "select * from bi.student_gpa for update",
    "a cheap function": "create function bi.leak(text) returns bool language sql as 'select true'",
    "a function of one's own": "create function leak(text) returns bool language sql as 'select 1'",
    "a block": "do $$ begin end $$",
    "a view": "create view bi.mine as " + ALL,
    "a view in public": "create view public.mine as " + ALL,
    "a temporary table": "create temporary table mine as " + ALL,
    "a materialised view": "create materialized view public.mine as " + ALL,
    "a schema": "create schema mine",
    "a file of the server": "select pg_read_file('postgresql.conf')",
    "the server's folder": "select pg_ls_dir('.')",
    "a copy into a file": "copy bi.dim_student to '/tmp/students.csv'",
    "a copy into a program": "copy bi.dim_student to program 'cat'",
    "a copy from a program": "copy bi.student_gpa from program 'echo'",
    "a large object": "select lo_from_bytea(0, 'x')",
    "statistics": "select * from pg_statistic",
    "passwords": "select * from pg_authid",
    "an extension": "create extension dblink",
    "a new login": "create role intruder login",
    "a group for oneself": "grant bi_staff to teacher",
    "another's password": "alter role district password 'x'",
    "the log's level": "set log_min_messages = 'panic'",
    "a trigger": "create event trigger t on ddl_command_end execute function now()",
}


@pytest.mark.parametrize("way", REFUSED)
@pytest.mark.parametrize(
    "login", ["teacher", "stranger", "principal", "analyst", "guardian", "shared", "portal"]
)
def test_what_is_refused(server: Server, way: str, login: str) -> None:
    with server.as_administrator() as connection:
        query = "select relname from pg_class where relname ~ '^dim_student_[0-9]+$'"
        copies = connection.execute(query.encode()).fetchall()
    other = "bi_teacher" if login in ("guardian", "portal") else "bi_guardian"
    statement = REFUSED[way].format(copy=copies[0][0], other=other)
    assert ask(server, login, *statement.split("; ")) == DENIED


@pytest.mark.parametrize(
    "before",
    [
        "set role bi_teacher",
        "set search_path = pg_temp, access, bi_data",
        "set district.viewer = 'district'",
        f"set district.viewer = '{token(KEY, 'district', 60)}'",
        "set enable_indexscan = off",
        "set enable_seqscan = off",
        "set plan_cache_mode = force_generic_plan",
        "set transaction_isolation = 'serializable'",
    ],
)
def test_settings_show_a_teacher_no_more(server: Server, before: str) -> None:
    assert students(ask(server, "teacher", before, ALL)) == {"a"}


def test_copy_out_gives_own_rows_only(server: Server) -> None:
    query = "copy (select student_id from bi.dim_student) to stdout"
    with connect(server, "teacher") as connection, connection.cursor().copy(query) as rows:
        assert b"".join(bytes(row) for row in rows) == b"a\n"


@pytest.mark.parametrize("zone", ["Etc/GMT+12", "Etc/GMT-14"])
@pytest.mark.parametrize("login", ["ended", "future"])
def test_the_clients_clock_moves_no_grant(server: Server, login: str, zone: str) -> None:
    assert ask(server, login, f"set timezone = '{zone}'", ALL) == []


def test_errors_do_not_tell_of_hidden_rows(server: Server) -> None:
    query = "select count(*) from bi.dim_student where 1 / (student_id <> '{}')::int = 1"
    assert ask(server, "teacher", query.format("c")) == [(1,)]
    assert ask(server, "teacher", query.format("a")) == "22012"  # one's own row does divide


@pytest.mark.parametrize("login", ["teacher", "stranger", "analyst"])
def test_statistics_and_estimates_do_not_tell_of_hidden_rows(server: Server, login: str) -> None:
    shown = "select * from pg_stats where schemaname in ('bi', 'bi_data', 'access')"
    assert set(students(ask(server, login, shown))) <= {"bi"}  # open tables only
    for table, column, common, rare in (
        ("dim_student", "race_ethnicity", "white", "asian"),
        ("dim_student", "school_id", "school2", "school1"),
        ("dim_student", "student_id", "a", "nobody"),
        ("student_gpa", "gpa", "1", "4"),
        ("student_gpa", "student_id", "a", "nobody"),
    ):
        plan = f"explain select 1 from bi.{table} where {column} = '{{}}'"
        plans = [str(ask(server, login, plan.format(value))) for value in (common, rare)]
        assert plans[0].replace(f"'{common}'", f"'{rare}'") == plans[1]
        assert "rows=" in plans[1]


def test_queries_of_others_are_hidden(server: Server) -> None:
    with connect(server, "district") as other:
        other.execute("select 'secret words'")
        query = "select count(*) from pg_stat_activity where query like '%secret ' || 'words%'"
        assert ask(server, "teacher", query) == [(0,)]


def test_what_policies_rest_on(server: Server) -> None:
    """Nothing of ours is a view, may log in with rights, or is found by a reader's search path."""
    with server.as_administrator() as connection:

        def count(query: str) -> object:
            row = connection.execute(query.encode()).fetchone()
            return row[0] if row else None

        ours = "('bi', 'bi_data', 'access')"
        assert count(f"select count(*) from pg_views where schemaname in {ours}") == 0
        assert count(f"select count(*) from pg_matviews where schemaname in {ours}") == 0
        assert count(
            "select count(*) from pg_proc where pronamespace = 'access'::regnamespace "
            "and prosecdef and proconfig is null"
        ) == 0  # fmt: skip
        assert count(
            "select count(*) from pg_class where relnamespace in "
            "('bi'::regnamespace, 'bi_data'::regnamespace) and relname ~ 'student' "
            "and relkind in ('r', 'p') and not (relrowsecurity and relforcerowsecurity)"
            "and relname !~ 'scopes'"
        ) == 0  # fmt: skip
        assert count(
            "select count(*) from pg_roles where rolname ~ '^bi_|^(teacher|shared)$' and "
            "(rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication)"
        ) == 0  # fmt: skip
        assert count("select rolcanlogin from pg_roles where rolname = 'bi_owner'") is False
        assert count(
            "select count(*) from pg_authid where rolpassword !~ '^SCRAM-SHA-256'"
        ) == 0  # fmt: skip


def signed(login: str, seconds: int = 60) -> str:
    return token(KEY, login, seconds)


def seen_through_the_shared_account(server: Server, viewer: str) -> set[str] | str:
    """Students seen by who presents this token, the same by each way to ask."""
    said = f"set district.viewer = '{viewer}'"
    answers = [
        students(ask(server, "shared", said, ALL)),
        students(ask(server, "shared", said, "set role bi_staff", ALL)),
        students(ask(server, "portal", said, ALL)),
    ]
    assert answers[1:] == answers[:-1]
    return answers[0]


@pytest.mark.parametrize(
    ("login", "seen"),
    [("teacher", {"a"}), ("Principal", {"a", "b"}), ("ended", set()), ("nobody", set())],
)
def test_a_shared_account_sees_what_its_token_names(
    server: Server, login: str, seen: set[str]
) -> None:
    assert seen_through_the_shared_account(server, signed(login)) == seen


@pytest.mark.parametrize(
    "forge",
    [
        lambda: signed("district", -1),
        lambda: signed("teacher").replace("teacher", "district"),
        lambda: token(b"x" * 32, "district", 60),
        lambda: signed("district") + "|",
        lambda: "district",
        lambda: "",
        lambda: "district|99999999999",
        lambda: "district|99999999999|",
        lambda: "district|1e9|x",
    ],
    ids=lambda forge: "token",
)
def test_an_ended_or_forged_token_shows_nobody(server: Server, forge: Callable[[], str]) -> None:
    assert seen_through_the_shared_account(server, forge()) == set()


def test_a_shared_account_without_a_token_sees_nobody(server: Server) -> None:
    assert ask(server, "shared", ALL) == []


def refused(server: Server, login: str, **settings: Any) -> str:
    with pytest.raises(psycopg.OperationalError) as problem:
        connect(server, login, **settings)
    return str(problem.value)


def test_connections_that_are_refused(server: Server) -> None:
    assert "authentication failed" in refused(server, "teacher", password="wrong")
    assert "rejects" in refused(server, "postgres")
    assert "rejects" in refused(server, "bi_publisher")
    assert "authentication failed" in refused(server, "bi_owner")
    with connect(server, "portal"), connect(server, "portal"):
        assert "too many connections" in refused(server, "portal")


def test_readers_who_fill_their_connections_keep_the_publisher_out_of_none(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("python_jobs.serving.server.READERS", 2)
    with server.as_administrator("postgres") as administrator:
        administrator.autocommit = True
        server._limit_readers(administrator, 2)
        try:
            with connect(server, "teacher"), connect(server, "principal"):
                assert "too many connections for database" in refused(server, "district")
                assert "student_gpa" in put(server, 30).copied
                assert "too many connections for database" in refused(server, "district")
        finally:
            server._limit_readers(administrator, READERS)


def test_a_new_address_is_listened_on_at_once_and_kept(server: Server) -> None:
    assert not is_open(server.port, ELSEWHERE)
    Server(server.folder, server.port, f"127.0.0.1,{ELSEWHERE}").start()
    assert is_open(server.port, ELSEWHERE)
    Server(server.folder, server.port).start()
    assert is_open(server.port, ELSEWHERE)
    Server(server.folder, server.port, "127.0.0.1").start()
    assert not is_open(server.port, ELSEWHERE)


def test_starting_again_disconnects_nobody(server: Server) -> None:
    with connect(server, "teacher") as reader:
        Server(server.folder, server.port).start()
        assert reader.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", socket.gethostname()])
def test_the_certificate_names_the_machine(server: Server, host: str) -> None:
    trust = {"sslmode": "verify-full", "sslrootcert": str(server.folder / "server.crt")}
    with connect(server, "teacher", host=host, hostaddr="127.0.0.1", **trust) as connection:
        assert connection.pgconn.ssl_in_use
    with pytest.raises(psycopg.OperationalError, match="does not match host name"):
        connect(server, "teacher", host="elsewhere.example", hostaddr="127.0.0.1", **trust)


def test_a_certificate_names_addresses_of_one_machine_only() -> None:
    names = names_of_machine("10.0.0.5, bi.district.example,0.0.0.0,*")
    assert {"DNS:localhost", "IP:127.0.0.1", "IP:10.0.0.5", "DNS:bi.district.example"} <= set(names)
    assert not {"IP:0.0.0.0", "DNS:*"} & set(names)


@pytest.mark.parametrize(
    "name", ["postgres", "bi_owner", "bi_publisher", "bi_staff", "metastore", "pg_monitor", "clerk"]
)
def test_no_other_role_becomes_a_login_or_is_dropped(server: Server, name: str) -> None:
    with server.as_administrator() as connection:
        connection.execute("create role clerk createdb")
        with pytest.raises(DistrictError, match="no reader"):
            add_login(connection, name, "bi_staff", PASSWORD, shared=False, limit=5)
        with pytest.raises(DistrictError, match="no reader"):
            drop_login(connection, name)
        connection.rollback()


def test_a_dropped_login_is_out_at_once(server: Server) -> None:
    with server.as_administrator() as connection:
        add_login(connection, "leaver", "bi_staff", PASSWORD, shared=False, limit=5)
    with connect(server, "leaver") as session, server.as_administrator() as connection:
        drop_login(connection, "leaver")
        with pytest.raises(psycopg.OperationalError):
            session.execute("select 1")
    assert "authentication failed" in refused(server, "leaver")
    with (
        server.as_administrator() as connection,
        pytest.raises(DistrictError, match="there is no login"),
    ):
        drop_login(connection, "leaver")


def test_beyond_loopback_only_with_tls(server: Server) -> None:
    """The driver cannot choose where it comes from; the first messages of the protocol can."""
    words = b"user\0teacher\0database\0" + DATABASE.encode() + b"\0\0"
    hello = struct.pack("!ii", 8 + len(words), 196608) + words
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, source_address=(ELSEWHERE, 0)) as plain:
        plain.sendall(hello)
        answer = plain.recv(1000)
        assert answer[:1] == b"E"
        assert b"no encryption" in answer
    with socket.create_connection(address, source_address=(ELSEWHERE, 0)) as plain:
        plain.sendall(struct.pack("!ii", 8, 80877103))
        assert plain.recv(1) == b"S"
        trust = ssl.create_default_context(cafile=server.folder / "server.crt")
        with trust.wrap_socket(plain, server_hostname="localhost") as encrypted:
            encrypted.sendall(hello)
            answer = encrypted.recv(1000)
            assert answer[:1] == b"R"
            assert b"SCRAM-SHA-256" in answer


def test_the_log_says_who_read_and_no_name(server: Server) -> None:
    ask(server, "principal", f"select * from bi.dim_student where full_name = '{NAME} a'")
    ask(server, "principal", f"select {NAME}")
    assert ask(server, "principal", "select full_name::int from bi.dim_student") == "22P02"
    ask(server, "shared", f"set district.viewer = '{signed('teacher')}'", ALL)
    files = list((server.folder / "log").glob("*.csv"))
    for _ in range(50):
        reads = {tuple(row[1:4]) for row in disclosures(files)}
        if ("shared", "teacher", "dim_student") in reads:
            break
        time.sleep(0.1)
    assert ("principal", "principal", "dim_student") in reads
    assert ("shared", "teacher", "dim_student") in reads
    assert not {table for _, _, table in reads} - {"dim_student", "student_gpa"}
    written = "".join(path.read_text() for path in files)
    assert NAME.lower() not in written.lower()
    assert PASSWORD not in written


def test_only_changed_tables_move_and_grants_survive(server: Server) -> None:
    done = put(server, 2)
    assert set(done.copied) == {"student_gpa", "school_performance"}
    assert put(server, 2).copied == {}
    assert ask(server, "teacher", "select * from bi.student_gpa")[0][:2] == ("a", 2.0)
    rows = ask(server, "teacher", "select distinct release_id from bi.release")
    assert rows == [(2,)]


def test_a_table_of_another_shape_takes_the_place_of_the_old(server: Server) -> None:
    put(server, 3, more=True)
    query = "select student_count from bi.school_performance order by 1"
    assert ask(server, "teacher", query) == [(2,), (98,)]
    assert ask(server, "guardian", query) == DENIED
    put(server, 3)
    assert ask(server, "teacher", query) == "42703"


def with_description(table: ServedTable, text: str) -> ServedTable:
    columns = [replace(column, description=text) for column in table.columns]
    return replace(table, description=text, columns=columns)


def test_descriptions_become_comments_and_move_no_rows(server: Server) -> None:
    def held() -> list[Any] | str:
        table = "'bi.school_performance'::regclass"
        return ask(
            server, "teacher", f"select obj_description({table}), col_description({table}, 1)"
        )

    put(server, 3)
    for text in ("What a row is.", "Said otherwise."):
        described = [with_description(table, text) for table in tables(3)]
        done = publish(server.as_publisher, described, Release(3), viewer_key=KEY)
        assert done.copied == {}
        assert held() == [(text, text)]
    put(server, 3)
    assert held() == [(None, None)]


def test_an_idle_reader_keeps_no_table_from_its_new_shape(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others wait less than a second meanwhile; who is in the way to the end is disconnected."""
    monkeypatch.setattr("python_jobs.serving.publish.LOCK_TRIES", 4)
    put(server, 3)
    waits = []
    done = threading.Event()

    def read() -> None:
        with connect(server, "principal") as connection:
            while not done.is_set():
                started = time.perf_counter()
                connection.execute("select gpa from bi.school_performance")
                waits.append(time.perf_counter() - started)

    other = threading.Thread(target=read)
    with connect(server, "teacher") as idle, connect(server, "teacher") as bystander:
        bystander.execute("begin")
        bystander.execute("select * from bi.student_gpa")
        idle.execute("set idle_in_transaction_session_timeout = 0")
        idle.execute("begin")
        idle.execute("select * from bi.school_performance")
        other.start()
        put(server, 3, more=True)
        done.set()
        other.join()
        with pytest.raises(psycopg.errors.AdminShutdown):
            idle.execute("select 1")
        assert bystander.execute("select 1").fetchone() == (1,)
    assert len(waits) > 4
    assert max(waits) < 1
    put(server, 3)


def test_a_transaction_keeps_its_release(server: Server) -> None:
    put(server, 4)
    with connect(server, "teacher") as connection:
        connection.execute("begin isolation level repeatable read")
        connection.execute("select 1 from bi.release")
        put(server, 5)
        rows = connection.execute("select gpa from bi.student_gpa").fetchall()
        assert rows == [(4.0,)]
    assert ask(server, "teacher", "select gpa from bi.student_gpa") == [(5.0,)]


def test_readers_never_wait_and_never_see_two_releases(server: Server) -> None:
    seen: set[int] = set()
    waits: list[float] = []
    mixed: list[object] = []
    done = threading.Event()
    query = """
        select
            (select gpa from bi.student_gpa),
            (select gpa from bi.school_performance where school_id = 'school1'),
            (select release_id from bi.release where table_name = 'student_gpa')
    """

    def read() -> None:
        with connect(server, "teacher") as connection:
            while not done.is_set():
                started = time.perf_counter()
                row = connection.execute(query.encode()).fetchone()
                waits.append(time.perf_counter() - started)
                seen.add(row[2] if row else 0)
                if row is None or len(set(row)) != 1:
                    mixed.append(row)

    put(server, 10)
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for release in range(11, 15):
        put(server, release)
    done.set()
    for reader in readers:
        reader.join()
    assert not mixed
    assert len(seen) > 1
    assert max(waits) < 1


def test_two_publishes_do_not_run_at_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("python_jobs.serving.publish.PUBLISH_WAIT", "100ms")
    with server.as_publisher() as other:
        other.execute("set role bi_owner")
        other.execute("lock table access.publishing in exclusive mode")
        with pytest.raises(DistrictError, match="another publish"):
            put(server, 20)


def test_a_release_that_is_no_longer_current_is_not_served(server: Server) -> None:
    with pytest.raises(DistrictError, match="release 99 is no longer the current one"):
        publish(
            server.as_publisher,
            tables(20),
            Release(99),
            viewer_key=KEY,
            is_current=lambda: False,
        )
    assert ask(server, "analyst", "select 1 from bi.release where release_id = 99") == []


def test_no_lock_of_a_reader_stops_a_publish(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("python_jobs.serving.publish.PUBLISH_WAIT", "100ms")
    assert ask(server, "teacher", "begin", "lock table access.publishing") == DENIED
    with connect(server, "teacher") as reader:
        reader.execute("select pg_advisory_lock(7355608)")  # which once said that one publishes
        reader.execute("begin")
        reader.execute("lock table bi.student_gpa, bi.release in access share mode")
        assert "student_gpa" in put(server, 20).copied


def test_what_a_killed_publish_left_is_deleted(server: Server) -> None:
    put(server, 21)
    with server.as_publisher() as connection:
        connection.execute("set role bi_owner")
        connection.execute("create table bi_data.student_gpa_999999 (student_id text)")
    put(server, 22)
    with server.as_administrator() as connection:
        left = connection.execute("select to_regclass('bi_data.student_gpa_999999')").fetchone()
    assert left == (None,)


def test_purge_leaves_no_replaced_rows(server: Server) -> None:
    put(server, 23)
    publish(server.as_publisher, tables(24), Release(24), viewer_key=KEY, keep_replaced=False)
    with server.as_administrator() as connection:
        query = "select count(*) from pg_class where relname ~ '^student_gpa_[0-9]+$'"
        assert connection.execute(query.encode()).fetchone() == (1,)


def test_purge_says_when_replaced_rows_are_left(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def purge(release: int) -> None:
        publish(
            server.as_publisher,
            tables(release),
            Release(release),
            viewer_key=KEY,
            keep_replaced=False,
        )

    monkeypatch.setattr("python_jobs.serving.publish.LOCK_TRIES", 1)
    purge(25)
    with connect(server, "teacher") as reader:
        reader.execute("begin")
        reader.execute("select * from bi.student_gpa")
        with pytest.raises(DistrictError, match="hold 1 replaced table"):
            purge(26)
        monkeypatch.setattr("python_jobs.serving.publish.LOCK_TRIES", 2)
        purge(27)
        with pytest.raises(psycopg.errors.AdminShutdown):
            reader.execute("select 1")
    with server.as_administrator() as connection:
        query = "select count(*) from pg_class where relname ~ '^student_gpa_[0-9]+$'"
        assert connection.execute(query.encode()).fetchone() == (1,)


def test_the_metastore_and_the_marts_are_closed_to_each_other(server: Server) -> None:
    for _ in range(2):  # the second time it gives the password anew
        with server.as_administrator("postgres") as connection:
            make_database(connection, PASSWORD)
    with connect(server, "metastore", dbname="metastore") as connection:
        connection.execute("create table tbls (id integer)")
    assert "permission denied" in refused(server, "metastore")
    assert "no pg_hba.conf entry" in refused(server, "teacher", dbname="metastore")
    assert "authentication failed" in refused(
        server, "metastore", dbname="metastore", password="wrong"
    )


def test_a_given_server_is_published_to_without_a_superuser(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    with server.as_administrator() as connection:
        connection.autocommit = True
        add_login(connection, "dba", "bi_staff", PASSWORD, shared=False, limit=10)
        connection.execute("revoke bi_staff from dba; alter role dba createrole")
        for role in (*GROUPS, "bi_owner"):
            connection.execute(f"grant {role} to dba with admin option".encode())
        connection.execute("create database given owner dba")
    socket_folder = str(server.folder / "socket")

    def as_dba() -> psycopg.Connection[Any]:
        return connect(server, "dba", host=socket_folder, dbname="given")

    with as_dba() as connection:
        prepare_given_server(connection)
        assert "ask the administrator to revoke" in capsys.readouterr().err.lower()
        assert "usage on language plpgsql" in open_rights(connection)
        assert not [right for right in open_rights(connection) if "database" in right]
        for _ in range(2):  # the second time it gives the password anew
            add_login(connection, "newcomer", "bi_staff", PASSWORD, shared=False, limit=5)
        drop_login(connection, "newcomer")
    with server.as_administrator("given") as connection:
        connection.autocommit = True
        prepare_database(connection)
        assert open_rights(connection) == []
    done = publish(as_dba, tables(), Release(1), viewer_key=KEY)
    assert done.copied["dim_student"] == len(STUDENTS)
    with connect(server, "teacher", host=socket_folder, dbname="given") as connection:
        assert students(connection.execute(ALL).fetchall()) == {"a"}
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("create temporary table mine as select 1")
    with as_dba() as connection:
        assert connection.execute(ALL).fetchall() == []


@pytest.mark.parametrize("dsn", ["host=127.0.0.1 port=1 password=secret", "password='secret"])
def test_a_wrong_dsn_is_not_repeated(dsn: str) -> None:
    with pytest.raises(DistrictError, match="cannot be reached") as problem:
        connect_by(dsn)
    assert "secret" not in str(problem.value)


def test_the_log_of_a_given_server_is_not_that_of_the_own_one() -> None:
    with pytest.raises(DistrictError, match="the log is on the server"):
        postgres_command(dsn="host=127.0.0.1", show_disclosures=True)


def test_forget_says_that_a_server_has_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DISTRICT_POSTGRES_DSN", raising=False)
    monkeypatch.setenv("DISTRICT_POSTGRES_FOLDER", str(tmp_path))
    warn_of_served_rows()
    assert capsys.readouterr().err == ""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "PG_VERSION").write_text("15")  # made, though it does not run
    warn_of_served_rows()
    assert "serve postgres --purge" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("release", "publish", "done", "said"),
    [
        (None, None, ["publish", "draw"], None),
        (ReleaseRefused("a test failed", ""), None, [], "a test failed"),
        (None, DistrictError("no server", ""), ["publish", "draw"], "no server"),
    ],
)
def test_only_a_release_that_was_not_refused_is_published(
    monkeypatch: pytest.MonkeyPatch,
    release: Exception | None,
    publish: Exception | None,
    done: list[str],
    said: str | None,
) -> None:
    calls: list[str] = []

    def step(name: str, problem: Exception | None = None) -> Callable[..., list[Any]]:
        def call(*_: object, **__: object) -> list[Any]:
            calls.append(name)
            if problem:
                raise problem
            return []

        return call

    steps = "land_synthetic", "build", "docs", "draw", "get_spark", "show", "show_published"
    for name in steps:
        monkeypatch.setattr(run, name, step(name))
    monkeypatch.setattr(run, "release", step("release", release))
    monkeypatch.setattr(run, "publish_if_configured", step("publish", publish))
    with pytest.raises(DistrictError, match=said) if said else nullcontext():
        run.command()
    assert [call for call in calls if call in ("publish", "draw")] == done
    assert calls[-1] == "show_published"


def test_null_and_empty_text_differ_and_nul_is_dropped() -> None:
    batch = pa.record_batch({"a": ["", None, 'q"\n', "x\0y"], "b": pa.array([1, None, 2, 3])})
    assert _as_csv(batch) == b'"","1"\n,\n"q""\n","2"\n"xy","3"\n'


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.decimal128(18, 6), "numeric(18,6)"),
        (pa.timestamp("us", "UTC"), "timestamptz"),
        (pa.date32(), "date"),
        (pa.float64(), "double precision"),
    ],
)
def test_types(kind: pa.DataType, expected: str) -> None:
    assert postgres_type(kind) == expected


def test_a_type_without_a_column_is_refused() -> None:
    with pytest.raises(ValueError, match="list"):
        postgres_type(pa.list_(pa.int32()))


GRANT = {"login": " Ann@X.org", "scope": "school", "scope_id": "s1", "valid_until": ""}
DERIVED = pa.table({"login": ["t1"], "scope": ["section"], "scope_id": ["c1"]})


def test_grants_come_from_the_seed_and_the_warehouse() -> None:
    rows = grants_table([{**GRANT, "valid_from": "2026-08-01"}], DERIVED).to_pylist()
    assert [tuple(row.values()) for row in rows] == [
        ("ann@x.org", "school", "s1", date(2026, 8, 1), None),
        ("t1", "section", "c1", date(1900, 1, 1), None),
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"scope": "class"},
        {"login": " "},
        {"valid_from": "1.8.2026"},
        {"valid_until": "x"},
        {"valid_until": None},  # the line is too short
        {None: ["more"]},  # too long
    ],
)
def test_a_wrong_grant_is_named_by_its_line(wrong: Any) -> None:
    right = {**GRANT, "valid_from": "2026-08-01"}
    with pytest.raises(DistrictError, match="line 3"):
        grants_table([right, {**right, **wrong}], DERIVED)


def test_the_viewer_key_is_made_once_and_for_its_owner_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISTRICT_VIEWER_KEY", raising=False)
    assert viewer_key(tmp_path) == viewer_key(tmp_path)
    assert (tmp_path / "viewer.key").stat().st_mode & 0o077 == 0
    monkeypatch.setenv("DISTRICT_VIEWER_KEY", "abc")
    with pytest.raises(DistrictError):
        viewer_key(tmp_path)


def test_no_postgresql_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("python_jobs.serving.server.find_programs", lambda: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(DistrictError, match="no PostgreSQL on this machine") as problem:
        Server(tmp_path / "pg", 1).start()
    assert "apt-get install postgresql" in problem.value.hint
    assert list(tmp_path.iterdir()) == []


def test_thrift_listens_on_loopback_and_says_what_else_means(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(thrift, "prepare", lambda: {"spark.master": "local[1]"})
    monkeypatch.setattr(thrift, "command_line", lambda *said: ["false", str(said)])
    for listen, warned in (("127.0.0.1", False), ("0.0.0.0", True)):
        with pytest.raises(DistrictError, match="ended with code 1"):
            thrift.serve_thrift(10000, listen)
        assert ("no authorization" in capsys.readouterr().err) is warned
    monkeypatch.undo()
    line = thrift.command_line({"spark.master": "local[1]"}, 10001, "127.0.0.1")
    assert "spark.hadoop.hive.server2.thrift.bind.host=127.0.0.1" in line
    assert "spark.hadoop.hive.server2.thrift.port=10001" in line
    assert "spark.master=local[1]" in line
