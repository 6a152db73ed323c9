"""Put a release into PostgreSQL: readers never wait, and never see two releases.

Each table bi.<name> is partitioned by load_id. Its new rows are copied into a new partition, which
nobody sees: the policies show the load that access.served names. One transaction turns all tables.
Tables whose rows have not changed keep their partition. What was replaced is deleted by the first
publish after GRACE, so that a transaction that began before still finds it.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from psycopg.errors import InsufficientPrivilege, LockNotAvailable, QueryCanceled
from pyarrow import csv

from python_jobs.errors import DistrictError
from python_jobs.serving.tables import NARROW, WIDE, Rows, ServedTable

Connection = psycopg.Connection[tuple[object, ...]]
Connect = Callable[[], Connection]

HERE = Path(__file__).parent
PUBLISH_WAIT = "3s"
LOCK_WAIT = "300ms"  # readers queue behind us no longer than this
LOCK_TRIES = 100
GRACE = "10 minutes"
SETTINGS = (
    "role = bi_owner",
    "client_encoding = 'UTF8'",
    "statement_timeout = 0",
    "idle_in_transaction_session_timeout = 0",
)
PARALLEL_TABLES = 4  # one is read while others are copied
BATCH_ROWS = 50_000
# Of a table with students as rows. The wide one reads all and asks of each row; the narrow one goes
# by the index, which pays for few students.
POLICIES = (
    (
        "wide",
        WIDE,
        "(select access.sees_all()) or {student} in (select access.visible_students())",
    ),
    ("narrow", NARROW, "{student} = any((select access.visible_student_ids())::text[])"),
)
OPEN_POLICIES = (("all_rows", (*WIDE, *NARROW), "true"),)


@dataclass(frozen=True)
class Release:
    """The release that the rows are of."""

    release_id: int
    as_of_date: date | None = None


@dataclass(frozen=True)
class Published:
    """What a publish did: rows by table that was copied, tables that had not changed."""

    copied: dict[str, int]
    unchanged: list[str]
    gone: list[str]


def publish(
    connect: Connect,
    tables: Sequence[ServedTable],
    release: Release,
    *,
    viewer_key: bytes,
    keep_replaced: bool = True,
    is_current: Callable[[], bool] = lambda: True,
) -> Published:
    """Serve these tables, and no others, from now on.

    connect: opens a connection as bi_publisher. keep_replaced: False deletes what was replaced at
    once, though an open transaction may need it. is_current: says, after the tables were read,
    whether they are still those of the release. Raises DistrictError when another publish runs,
    when the release is no longer current, and when readers hold what is to be deleted.
    """
    with _only_one(connect), as_owner(connect) as connection:
        prepare(connection, viewer_key)
        _drop_unused(connection, GRACE)
        before = _fingerprints(connection)
        load = partial(_load_if_changed, connect, connection, before)
        with ThreadPoolExecutor(PARALLEL_TABLES) as pool:
            copies = [copy for copy in pool.map(load, tables) if copy]
        if not is_current():
            raise DistrictError(
                f"release {release.release_id} is no longer the current one; nothing has changed",
                "publish again: district serve postgres",
            )
        replaced = [copy for copy in copies if not copy.fits(before.get(copy.table.name))]
        for copy in copies:
            copy.attach(connection, _next_parent(copy.table) if copy in replaced else None)
        gone = sorted(set(before) - {table.name for table in tables})
        _turn(connection, copies, [copy.table for copy in replaced], gone, release)
        _describe(connection, tables)
        if not keep_replaced:
            left = _drop_unused(connection, "0 s", LOCK_TRIES)
            if left:
                raise DistrictError(
                    f"readers hold {left} replaced tables, which are still on the server",
                    "end their sessions, then: district serve postgres --purge",
                )
    return Published(
        copied={copy.table.name: copy.row_count for copy in copies},
        unchanged=sorted({t.name for t in tables} - {copy.table.name for copy in copies}),
        gone=gone,
    )


@contextmanager
def _only_one(connect: Connect) -> Iterator[None]:
    """Keep others from publishing meanwhile: by a lock on a table that no reader can name.

    The server notices the end of the one before with a delay. Raises DistrictError otherwise.
    """
    with as_owner(connect) as connection:
        connection.execute("create schema if not exists access")
        connection.execute("create table if not exists access.publishing ()")
        with connection.transaction():
            connection.execute(f"set local lock_timeout = '{PUBLISH_WAIT}'".encode())
            try:
                connection.execute("lock table access.publishing in exclusive mode")
            except LockNotAvailable:
                raise DistrictError(
                    "another publish runs on this server", "wait until it is done"
                ) from None
            yield


def prepare(connection: Connection, viewer_key: bytes) -> None:
    """Make schemas and functions as they are to be."""
    with connection.transaction():
        # The functions read tables that the first publish makes.
        connection.execute("set local check_function_bodies = off")
        connection.execute((HERE / "security.sql").read_bytes())
        held = connection.execute("select key from access.viewer_key").fetchone()
        if held != (viewer_key,):
            connection.execute("delete from access.viewer_key")
            connection.execute("insert into access.viewer_key values (%s)", [viewer_key])


def as_owner(connect: Connect) -> Connection:
    """Return a connection that acts as bi_owner, each statement its own transaction."""
    connection = connect()
    connection.autocommit = True
    for setting in SETTINGS:
        connection.execute(f"set {setting}".encode())
    return connection


def _fingerprints(connection: Connection) -> dict[str, str]:
    rows = connection.execute("select table_name, fingerprint from access.served").fetchall()
    return {str(name): str(fingerprint) for name, fingerprint in rows}


def _next_id(connection: Connection) -> int:
    row = connection.execute("select nextval('access.load_ids')").fetchone()
    return int(str(row[0])) if row else 0


def _next_parent(table: ServedTable) -> sql.Identifier:
    """Return where a table of a new shape is made before it takes the old one's place."""
    return sql.Identifier("bi_data", f"next_{table.name}")


def _columns(table: ServedTable) -> sql.Composed:
    return sql.SQL(", ").join(
        sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.type))
        for column in table.columns
    )


def _load_if_changed(
    connect: Connect, connection: Connection, before: Mapping[str, str], table: ServedTable
) -> "_Copy | None":
    """Read a table; return its new partition, or None when what is served is the same."""
    rows = table.read()
    fingerprint = f"{table.definition}.{rows.fingerprint}"
    if before.get(table.name) == fingerprint:
        return None
    copy = _Copy(table, rows, fingerprint, _next_id(connection))
    copy.load(connect, rows)
    return copy


class _Copy:
    """The rows of one table on their way into a new partition."""

    def __init__(self, table: ServedTable, rows: Rows, fingerprint: str, load_id: int) -> None:
        self.table = table
        self.row_count = rows.table.num_rows
        self.fingerprint = fingerprint
        self.load_id = load_id
        self.parts = {
            "partition": sql.Identifier("bi_data", f"{table.name}_{load_id}"),
            "load": sql.Literal(load_id),
        }

    def fits(self, fingerprint: str | None) -> bool:
        """Tell whether the table that is served has the shape of this one."""
        return (fingerprint or "").startswith(f"{self.table.definition}.")

    def load(self, connect: Connect, rows: Rows) -> None:
        """Make the partition, fill it, index it; nobody has a right on it."""
        names = sql.SQL(", ").join(sql.Identifier(c.name) for c in self.table.columns)
        with as_owner(connect) as connection:
            with connection.transaction():
                self._run(
                    connection,
                    "create table {partition} ({columns}, load_id bigint not null default {load})",
                    columns=_columns(self.table),
                )
                copy = sql.SQL("copy {} ({}) from stdin (format csv, freeze)").format(
                    self.parts["partition"], names
                )
                with connection.cursor() as cursor, cursor.copy(copy) as stream:
                    for batch in rows.table.to_batches(BATCH_ROWS):
                        stream.write(_as_csv(batch))
                self._run(connection, "alter table {partition} add check (load_id = {load})")
            for index in self.table.indexes:
                on = sql.SQL(", ").join(map(sql.Identifier, index))
                kind = sql.SQL("unique" if self.table.is_unique(index) else "")
                self._run(connection, "create {kind} index on {partition} ({on})", kind=kind, on=on)
            # The planner's estimates are shown to all; they must not tell how many have what.
            for column in self.table.uncounted:
                self._run(
                    connection,
                    "alter table {partition} alter column {column} set statistics 0",
                    column=sql.Identifier(column),
                )
            self._run(connection, "analyze {partition}")
            self._run(connection, "alter table {partition} enable row level security")
            self._run(connection, "alter table {partition} force row level security")

    def attach(self, connection: Connection, new_parent: sql.Identifier | None) -> None:
        """Hang the partition into its table; this keeps no reader waiting."""
        if new_parent:
            _create_parent(connection, self.table, new_parent)
        parent = new_parent or sql.Identifier(self.table.schema, self.table.name)
        statement = "alter table {parent} attach partition {partition} for values in ({load})"
        self._run(connection, statement, parent=parent)

    def _run(self, connection: Connection, statement: str, **parts: sql.Composable) -> None:
        connection.execute(sql.SQL(statement).format(**self.parts, **parts))


def _as_csv(batch: pa.RecordBatch) -> bytes:
    """Return the rows as CSV: a null is empty, an empty text is quoted, NUL bytes are left out."""
    columns = [
        pc.replace_substring(column, "\0", "") if pa.types.is_string(column.type) else column
        for column in batch.columns
    ]
    out = pa.BufferOutputStream()
    cleaned = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
    csv.write_csv(cleaned, out, csv.WriteOptions(include_header=False, quoting_style="all_valid"))
    content: bytes = out.getvalue().to_pybytes()
    return content


def _create_parent(connection: Connection, table: ServedTable, parent: sql.Identifier) -> None:
    """Make a table without rows, with its policies and grants."""

    def run(statement: str, **parts: sql.Composable) -> None:
        connection.execute(sql.SQL(statement).format(table=parent, **parts))

    with connection.transaction():
        run(
            "create table {table} ({columns}, load_id bigint not null) partition by list (load_id)",
            columns=_columns(table),
        )
        if table.schema == "access":
            return
        run("alter table {table} enable row level security")
        run("alter table {table} force row level security")
        run(
            "create policy served on {table} as restrictive for select "
            "using (load_id = (select access.{function}({name})))",
            function=sql.Identifier(f"served_load{'_of_students' if table.students else ''}"),
            name=sql.Literal(table.name),
        )
        student = sql.Identifier(table.student_column) if table.students else sql.SQL("null")
        for name, groups, condition in POLICIES if table.students else OPEN_POLICIES:
            run(
                "create policy {policy} on {table} for select to {groups} using ("
                + condition
                + ")",
                policy=sql.Identifier(name),
                groups=sql.SQL(", ").join(map(sql.Identifier, groups)),
                student=student,
            )
        for group in (*WIDE, *NARROW):
            names = table.readable(group)
            if len(names) == len(table.columns):
                run("grant select on {table} to {group}", group=sql.Identifier(group))
            elif names:
                run(
                    "grant select ({columns}) on {table} to {group}",
                    columns=sql.SQL(", ").join(map(sql.Identifier, names)),
                    group=sql.Identifier(group),
                )


def _describe(connection: Connection, tables: Sequence[ServedTable]) -> None:
    """Make the comments what the descriptions say; readers do not wait for a comment."""
    held = {
        (name, column): text
        for name, column, text in connection.execute(
            """
            select classes.relname, coalesce(attributes.attname, ''), said.description
            from pg_class as classes
            inner join pg_description as said
                on classes.oid = said.objoid and said.classoid = 'pg_class'::regclass
            left join pg_attribute as attributes
                on said.objoid = attributes.attrelid and said.objsubid = attributes.attnum
            where classes.relnamespace = 'bi'::regnamespace
            """
        ).fetchall()
    }
    with connection.transaction():
        for table in tables:
            wanted = {"": table.description, **{c.name: c.description for c in table.columns}}
            for column, text in wanted.items():
                if table.schema == "bi" and held.get((table.name, column), "") != text:
                    connection.execute(
                        sql.SQL("comment on {kind} {name} is {text}").format(
                            kind=sql.SQL("column" if column else "table"),
                            name=sql.Identifier("bi", table.name, *([column] if column else [])),
                            text=sql.Literal(text),
                        )
                    )


def _turn(
    connection: Connection,
    copies: Sequence[_Copy],
    replaced: Sequence[ServedTable],
    gone: Sequence[str],
    release: Release,
) -> None:
    """Show readers all new copies in one transaction."""

    old = _served_as(connection, [*gone, *(table.name for table in replaced)])

    def turn() -> None:
        for table_name in old:
            connection.execute(sql.SQL("drop table {}").format(table_name))
        for table in replaced:
            moved = sql.Identifier(table.schema, f"next_{table.name}")
            connection.execute(
                sql.SQL("alter table {} set schema {}").format(
                    _next_parent(table), sql.Identifier(table.schema)
                )
            )
            connection.execute(
                sql.SQL("alter table {} rename to {}").format(moved, sql.Identifier(table.name))
            )
        connection.execute("delete from access.served where table_name = any(%s)", [list(gone)])
        for copy in copies:
            connection.execute(
                """
                insert into access.superseded (table_name, load_id, superseded_at)
                select table_name, load_id, now() from access.served where table_name = %s
                """,
                [copy.table.name],
            )
            connection.execute(
                """
                insert into access.served (table_name, load_id, fingerprint, row_count, loaded_at)
                values (%s, %s, %s, %s, now())
                on conflict (table_name) do update set
                    load_id = excluded.load_id,
                    fingerprint = excluded.fingerprint,
                    row_count = excluded.row_count,
                    loaded_at = excluded.loaded_at
                """,
                [copy.table.name, copy.load_id, copy.fingerprint, copy.row_count],
            )
        connection.execute("delete from bi.release")
        connection.execute(
            """
            insert into bi.release
                (table_name, release_id, as_of_date, row_count, loaded_at, published_at)
            select table_name, %s, %s, row_count, loaded_at, now()
            from access.served
            where to_regclass('bi.' || quote_ident(table_name)) is not null
            """,
            [release.release_id, release.as_of_date],
        )

    if not _change(connection, old, turn, LOCK_TRIES):
        raise DistrictError(
            "readers hold tables that are to be replaced",
            "publish again when long queries are done",
        )


def _served_as(connection: Connection, names: Sequence[str]) -> list[sql.Identifier]:
    """Return the tables of these names that are there, with their schemas."""
    rows = connection.execute(
        """
        select relnamespace::regnamespace::text, relname from pg_class
        where
            relnamespace in ('bi'::regnamespace, 'access'::regnamespace)
            and relkind = 'p'
            and relname = any(%s)
        order by relname
        """,
        [list(names)],
    ).fetchall()
    return [sql.Identifier(str(schema), str(name)) for schema, name in rows]


def _change(
    connection: Connection,
    locked: Sequence[sql.Identifier],
    change: Callable[[], object],
    tries: int,
    *,
    partitions: bool = True,
) -> bool:
    """Run a change in one transaction that has locked these tables; return whether it could.

    partitions: lock those of the tables too.
    All locks are waited for at once, no longer than LOCK_WAIT, as readers wait behind us. Then we
    step back and try again. Before the last of several tries, whose transaction was in the way
    at each try is disconnected.
    """
    in_the_way: set[tuple[int, str]] | None = None
    for attempt in range(1, tries + 1):
        if attempt == tries and in_the_way:
            pids = [pid for pid, _ in in_the_way]
            with suppress(InsufficientPrivilege):  # on a given server
                connection.execute(
                    "select pg_terminate_backend(pid, 5000) from unnest(%s) as pid", [pids]
                )
        try:
            with connection.transaction():
                if locked:
                    connection.execute(f"set local statement_timeout = '{LOCK_WAIT}'".encode())
                    name = sql.SQL("{}" if partitions else "only {}")
                    names = sql.SQL(", ").join(name.format(table) for table in locked)
                    connection.execute(
                        sql.SQL("lock table {} in access exclusive mode").format(names)
                    )
                    connection.execute("set local statement_timeout = 0")
                change()
        except QueryCanceled:
            holders = _holders(connection, locked)
            in_the_way = holders if in_the_way is None else in_the_way & holders
            time.sleep(min(0.05 * attempt, 2))
        else:
            return True
    return False


def _holders(connection: Connection, tables: Sequence[sql.Identifier]) -> set[tuple[int, str]]:
    """Return which readers' transactions hold one of the tables: process and transaction."""
    rows = connection.execute(
        """
        select distinct locks.pid, locks.virtualtransaction
        from pg_locks as locks
        inner join pg_stat_activity as sessions on locks.pid = sessions.pid
        inner join pg_roles as roles on sessions.usesysid = roles.oid
        where
            locks.granted
            and locks.pid <> pg_backend_pid()
            and locks.database = (select oid from pg_database where datname = current_database())
            and locks.relation = any(%s::text[]::regclass[])
            and not roles.rolsuper
        """,
        [[table.as_string(connection) for table in tables]],
    ).fetchall()
    return {(int(str(pid)), str(transaction)) for pid, transaction in rows}


def _drop_unused(connection: Connection, grace: str, tries: int = 1) -> int:
    """Delete copies that nobody reads any more: replaced before `grace`, or left by a killed run.

    Return how many are left, as a reader still holds them.
    """
    rows = connection.execute(
        """
        with kept as (
            select table_name, load_id from access.served
            union all
            select table_name, load_id from access.superseded
            where superseded_at > now() - %s::interval
        )
        select classes.relname, parents.relnamespace::regnamespace::text, parents.relname
        from pg_class as classes
        left join pg_inherits on classes.oid = inhrelid
        left join pg_class as parents on inhparent = parents.oid
        where
            classes.relnamespace = 'bi_data'::regnamespace
            and classes.relkind in ('r', 'p')
            and classes.relname not in (select table_name || '_' || load_id from kept)
        order by classes.relkind desc
        """,
        [grace],
    ).fetchall()
    left = 0
    for name, schema, parent in rows:
        table = sql.Identifier("bi_data", str(name))
        # Dropping a partition locks its table, too.
        locked = [sql.Identifier(str(schema), str(parent)), table] if parent else [table]
        drop = partial(connection.execute, sql.SQL("drop table {}").format(table))
        left += not _change(connection, locked, drop, tries, partitions=False)
    connection.execute(
        "delete from access.superseded where superseded_at <= now() - %s::interval", [grace]
    )
    return left
