"""Which tables a release publishes, and the SQL that hides their small cells.

Each model says it in its YAML, under config.meta.release: a list of publications with
table: its name in schema pub;
rows: a condition on the rows (all, when left out);
columns: those to publish (all, when left out);
students: true when its rows are students: nothing is hidden, and access is by grant;
cells: else, which columns a hidden cell of kpi_values hides: kpi (SQL), cell (SQL of the cell's
columns where they are not the mart's own), numerator and denominator (columns);
open: columns, beside the keys, that say nothing of students; 'all' for a table without any.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from python_jobs.dbt_runner import manifest
from python_jobs.suppression import CELL, WHOLE

if TYPE_CHECKING:
    from dbt.contracts.graph.nodes import ModelNode

KEY = CELL[1:]
OPEN = {
    *KEY, "kpi", "course_id", "teacher_id", "school_id", "subject_area", "grade_level",
    "content_type", "file_type", "grade_letter",
}  # fmt: skip
SUBGROUPS = ("subgroup_type", "subgroup")
NOTE = "fewer than {min_n} students, or a cell that protects such a one"
CODES = {"high": "more than {top} %", "low": "less than {bottom} %"}


@dataclass(frozen=True)
class PublishedTable:
    """One table of schema pub: what it is read from and what of it may be hidden."""

    name: str
    node: "ModelNode"
    rows: str = "true"
    columns: list[str] = field(default_factory=list)
    students: bool = False
    cells: list[dict[str, Any]] = field(default_factory=list)
    open: str | list[str] = field(default_factory=list)

    @property
    def source(self) -> str:
        return f"{self.node.schema}.{self.node.name}"

    @property
    def published(self) -> list[str]:
        """The columns of the model that readers see."""
        return [name for name in self.node.columns if not self.columns or name in self.columns]

    @property
    def undeclared(self) -> set[str]:
        """Columns of which nothing says whether a small cell shows in them."""
        if self.students or self.open == "all":
            return set()
        declared = {name for entry in self.cells for name in _columns(entry)}
        return set(self.published) - OPEN - declared - set(self.open)

    def select(self, version: int, release_id: int, notes: dict[str, str]) -> str:
        """Return the query for the rows to publish; it joins the temporary view hidden_cells.

        notes: what the column `suppression` says of a hidden cell and of coded rates.
        """
        cells = [self._cell(entry) for entry in self.cells]
        joined = list(dict.fromkeys(cells))
        names = {cell: f"cell_{number}" for number, cell in enumerate(joined)}
        hides: dict[str, list[str]] = {}
        hidden, coded = [], []
        for entry, cell in zip(self.cells, cells, strict=True):
            for part in ("numerator", "denominator"):
                is_hidden = f"array_contains({names[cell]}.hidden, {entry['kpi']} || '.{part}')"
                for column in entry.get(part, ()):
                    hides.setdefault(column, []).append(is_hidden)
                hidden += [is_hidden] if entry.get(part) else []
            for code, note in notes.items():
                if code in CODES and entry.get("numerator"):
                    is_coded = f"array_contains({names[cell]}.hidden, {entry['kpi']} || '.{code}')"
                    coded.append(f"if({is_coded}, {entry['kpi']} || ': {note}', null)")
        columns = [
            f"if({' or '.join(_or_false(hides[name]))}, null, mart.{name}) as {name}"
            if name in hides
            else f"mart.{name}"
            for name in self.published
        ]
        if self.cells:
            said = f"if({' or '.join(_or_false(hidden))}, '{notes['hidden']}', null)"
            columns.append(
                f"nullif(concat_ws('; ', {', '.join([said, *coded])}), '') as suppression"
            )
        joins = [
            f"left join hidden_cells as {name} on "
            + " and ".join(f"{sql} = {name}.{key}" for key, sql in zip(KEY, cell, strict=True))
            for cell, name in names.items()
        ]
        return f"""
            select {release_id} as release_id, {", ".join(columns)}
            from (
                select * from {self.source} version as of {version} where {self.rows}
            ) as mart
            {" ".join(joins)}
            """

    def _cell(self, entry: dict[str, Any]) -> tuple[str, ...]:
        """Return the SQL of each column of KEY that names the entry's cell."""
        said = {**dict.fromkeys(SUBGROUPS, f"'{WHOLE}'"), **entry.get("cell", {})}
        own = {name: f"mart.{name}" for name in KEY if name in self.node.columns}
        return tuple({**said, **own, **entry.get("cell", {})}[name] for name in KEY)


def _columns(entry: dict[str, Any]) -> list[str]:
    return [*entry.get("numerator", ()), *entry.get("denominator", ())]


def _or_false(conditions: list[str]) -> list[str]:
    return [f"coalesce({condition}, false)" for condition in dict.fromkeys(conditions)]


def published_tables() -> list[PublishedTable]:
    """Return what the project publishes, by name."""
    tables = [
        PublishedTable(
            publication["table"],
            node,
            **{name: publication[name] for name in publication if name != "table"},
        )
        for node in models()
        for publication in node.config.meta.get("release", [])
    ]
    return sorted(tables, key=lambda table: table.name)


def models() -> Iterator["ModelNode"]:
    return (node for node in manifest().nodes.values() if node.resource_type == "model")


def facts_behind(model: str) -> list["ModelNode"]:
    """Return the facts that a mart is made of."""
    return [
        node
        for node in _ancestors(model)
        if node.resource_type == "model" and node.name.startswith("fact_")
    ]


def definition_of(model: str, variables: dict[str, str]) -> str:
    """Return a hash of all that makes a mart's numbers what they are, but the data."""
    text = hashlib.sha256(repr(sorted(variables.items())).encode())
    used = set()
    for node in sorted(_ancestors(model), key=lambda node: node.unique_id):
        text.update(node.checksum.checksum.encode())
        used |= set(getattr(node.depends_on, "macros", ()))
    for macro in sorted(used):
        text.update(manifest().macros[macro].macro_sql.encode())
    return text.hexdigest()[:16]


def _ancestors(model: str) -> list[Any]:
    nodes = manifest().nodes
    found: dict[str, Any] = {}
    todo = [node.unique_id for node in models() if node.name == model]
    while todo:
        name = todo.pop()
        if name in nodes and name not in found:
            found[name] = nodes[name]
            todo += getattr(nodes[name].depends_on, "nodes", [])
    return list(found.values())
