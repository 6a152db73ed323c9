"""What is served: tables with their columns, who may read them, and where their rows come from."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa

WIDE = ("bi_staff", "bi_analyst")
NARROW = ("bi_teacher", "bi_guardian")
STUDENT_COLUMNS = ("student_id", "entity_id")  # the first that a table of students has names them
MASKED = "bi_analyst"  # reads no column marked direct
UNCOUNTED = ("direct", "sensitive")  # marks of columns of which the planner keeps no statistics
INDEXES = (
    ("student_id",),
    ("kpi", "grain", "school_year"),
    ("entity_id",),
    ("course_id",),
    ("teacher_id",),
    ("school_id",),
    ("login",),
    ("scope", "scope_id"),
)
DEFINITION = 2  # raise it when what is made of a table changes: then all are copied anew


@dataclass(frozen=True)
class Column:
    """A column as PostgreSQL has it. pii: its mark, as in the model's YAML."""

    name: str
    type: str
    pii: str | None = None
    description: str = ""


@dataclass(frozen=True)
class Rows:
    """The rows of a table, and what is the same as long as they are."""

    table: pa.Table
    fingerprint: str


@dataclass(frozen=True)
class ServedTable:
    """A table to serve.

    students: its rows are students. read: gives the rows. schema: bi for people, access for what
    policies read.
    """

    name: str
    columns: list[Column]
    read: Callable[[], Rows] = field(compare=False)
    students: bool = False
    description: str = ""
    schema: str = "bi"

    @property
    def definition(self) -> str:
        """A hash of all that the table in PostgreSQL is made of, but the rows and the comments."""
        columns = [(column.name, column.type, column.pii) for column in self.columns]
        shape = (DEFINITION, self.indexes, self.students, columns)
        return hashlib.sha256(repr(shape).encode()).hexdigest()[:16]

    @property
    def student_column(self) -> str:
        names = [column.name for column in self.columns]
        return next(name for name in STUDENT_COLUMNS if name in names)

    @property
    def indexes(self) -> list[tuple[str, ...]]:
        names = {column.name for column in self.columns}
        return [index for index in INDEXES if names.issuperset(index)]

    def is_unique(self, index: tuple[str, ...]) -> bool:
        """Tell whether no two rows have the same there; the planner has no statistics to see it."""
        return self.students and self.name.startswith("dim_") and index == (self.student_column,)

    @property
    def uncounted(self) -> list[str]:
        """Columns without statistics: from its estimates the planner tells everybody of them."""
        return [c.name for c in self.columns if self.students or c.pii in UNCOUNTED]

    def readable(self, group: str) -> list[str]:
        """Return the columns that a group may read; guardians read rows of students only."""
        if group == "bi_guardian" and not self.students:
            return []
        return [c.name for c in self.columns if group != MASKED or c.pii != "direct"]


def postgres_type(kind: pa.DataType) -> str:
    """Return PostgreSQL's type for an Arrow type. Raises ValueError when there is none."""
    if pa.types.is_decimal(kind):
        return f"numeric({kind.precision},{kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    simple = {
        pa.string(): "text",
        pa.large_string(): "text",
        pa.bool_(): "boolean",
        pa.int8(): "smallint",
        pa.int16(): "smallint",
        pa.int32(): "integer",
        pa.int64(): "bigint",
        pa.float32(): "real",
        pa.float64(): "double precision",
        pa.date32(): "date",
    }
    if kind not in simple:
        raise ValueError(f"PostgreSQL has no column for {kind}")
    return simple[kind]


def from_arrow(
    name: str,
    table: pa.Table,
    *,
    marks: dict[str, str] | None = None,
    students: bool = False,
    schema: str = "bi",
) -> ServedTable:
    """Return a table to serve whose rows are at hand; marks: column -> pii."""
    return ServedTable(
        name=name,
        columns=columns_of(table.schema, marks),
        read=lambda: in_this_order(table),
        students=students,
        schema=schema,
    )


def columns_of(schema: pa.Schema, marks: dict[str, str] | None = None) -> list[Column]:
    """Return the columns as PostgreSQL has them; marks: column -> pii."""
    marks = marks or {}
    return [Column(f.name, postgres_type(f.type), marks.get(f.name)) for f in schema]


def in_this_order(table: pa.Table) -> Rows:
    """Return rows that are the same only in the same order."""
    digest = hashlib.sha256()
    for batch in table.combine_chunks().to_batches():
        digest.update(batch.serialize())
    return Rows(table, digest.hexdigest()[:32])
