"""Which tables a release publishes, and the SQL that hides their small cells.

Each model says it in its YAML, under config.meta.release: a list of publications with
table: its name in schema pub;
rows: a condition on the rows (all, when left out);
columns: those to publish (all, when left out);
students: true when its rows are students: nothing is hidden, and access is by grant;
cells: else, which columns a hidden cell of kpi_values hides: kpi (SQL), cell (SQL of the cell's
columns where they are not the mart's own), numerator and denominator (columns), value (a column
whose rate near 0 or 1 hides the numerator's columns too, if the KPI is a share of students);
open: columns, beside the keys, that say nothing of students; 'all' for a table without any.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from python_jobs.dbt_runner import manifest
from python_jobs.suppression import CELL, LETTER, WHOLE

if TYPE_CHECKING:
    from dbt.contracts.graph.nodes import ModelNode

KEY = CELL[1:]
CTE = re.compile(r"^(?:with )?(\w+) as \($", re.MULTILINE)
NAMES_KPIS = re.compile(r"\bas kpi\b|\(kpi,")
REF = re.compile(r"ref\('(\w+)'\)")
OPEN = {
    *KEY, "kpi", "course_id", "teacher_id", "school_id", "subject_area", "grade_level",
    "content_type", "file_type", "grade_letter",
}  # fmt: skip
STUDENTS = "student_count"  # how a column with a number of students ends
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

    def select(
        self,
        version: int,
        release_id: int,
        notes: dict[str, str],
        student_shares: list[str],
        limits: tuple[float, float],
    ) -> str:
        """Return the query for the rows to publish; it joins the temporary view hidden_cells.

        notes: what the column `suppression` says of a hidden cell and of coded rates.
        student_shares: the KPIs that are one. Of others the students in the numerator are not
        published: nothing protects those who are not in it. limits: rates beyond them are coded.
        """
        bottom, top = limits
        shares = ", ".join(f"'{kpi}'" for kpi in student_shares)
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
                    if part == "numerator" and column.endswith(STUDENTS):
                        hides[column].append(f"{entry['kpi']} not in ({shares})")
                hidden += [is_hidden] if entry.get(part) else []
            if "value" in entry:
                rate = f"mart.{entry['value']}"
                is_beyond = (
                    f"({entry['kpi']} in ({shares}) and not {rate} between {bottom} and {top})"
                )
                for column in entry["numerator"]:
                    hides[column].append(is_beyond)
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


def facts_behind(kpi: str) -> list["ModelNode"]:
    """Return the facts that a KPI is made of."""
    return [
        node
        for node in _ancestors(_makers(kpi)[1])
        if node.resource_type == "model" and node.name.startswith("fact_")
    ]


def definition_of(model: str, variables: dict[str, str]) -> str:
    """Return a hash of all that makes a table's numbers what they are, but the data."""
    return _hash(_ancestors([node.unique_id for node in models() if node.name == model]), variables)


def definition_of_kpi(kpi: str, variables: dict[str, str]) -> str:
    """Return the same of a KPI: what it is counted from, and the models that pass it on."""
    value_models, counted_from = _makers(kpi)
    return _hash([*value_models, *_ancestors(counted_from)], variables)


def _hash(nodes: list[Any], variables: dict[str, str]) -> str:
    text = hashlib.sha256(repr(sorted(variables.items())).encode())
    used = set()
    for node in sorted(nodes, key=lambda node: node.unique_id):
        text.update(node.checksum.checksum.encode())
        used |= set(getattr(node.depends_on, "macros", ()))
    for macro in sorted(used):
        text.update(manifest().macros[macro].macro_sql.encode())
    return text.hexdigest()[:16]


def _makers(kpi: str) -> tuple[list[Any], list[str]]:
    """Return the value models that a KPI passes through, and the ids of what it is counted from.

    A value model gives many KPIs; which of its CTEs has this one's name tells what it reads.
    """
    name = f"'{LETTER}'" if kpi.startswith(LETTER) else f"'{kpi}'"
    values = next(node for node in models() if node.name == "kpi_values")
    passed, counted_from = [], []
    for node in _ancestors([values.unique_id]):
        if not node.name.endswith("_values"):
            continue
        parts = CTE.split(node.raw_code)  # text, name, text, name, text ...
        ctes = dict(zip(parts[1::2], parts[2::2], strict=True))
        selects = [select for text in ctes.values() for select in text.split("union all")]
        todo = [select for select in selects if name in select]
        if todo or not any(NAMES_KPIS.search(text) for text in ctes.values()):
            passed.append(node)
        seen: set[str] = set()
        read: set[str] = set()
        while todo:
            text = todo.pop()
            read |= set(REF.findall(text))
            new = {one for one in ctes if re.search(rf"\b{one}\b", text)} - seen
            seen |= new
            todo += [ctes[one] for one in new]
        parents = [manifest().nodes[one] for one in node.depends_on.nodes]
        counted_from += [one.unique_id for one in parents if one.name in read]
    return passed, counted_from


def _ancestors(model_ids: list[str]) -> list[Any]:
    """Return these models and all that they are made of."""
    nodes = manifest().nodes
    found: dict[str, Any] = {}
    todo = list(model_ids)
    while todo:
        name = todo.pop()
        if name in nodes and name not in found:
            found[name] = nodes[name]
            todo += getattr(nodes[name].depends_on, "nodes", [])
    return list(found.values())
