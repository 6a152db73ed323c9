"""Which columns of the models are personal: marks followed through the SQL, without Spark.

A mark says how a column is personal: direct, identifier or sensitive (docs/privacy.md). The marks
of the sources are decided by people; what a model makes of them follows from its SQL:

- A value that is passed on, renamed or used in an expression keeps the strongest mark in it.
- A comparison only answers yes or no: of an id it tells nothing, of anything else it is sensitive.
- A statistic over several people (STATISTICS) is not personal any more; nor is a sensitive column
  that only names the group. Grouped by a marked id, both stay what they are, for the group is one
  person; but a number of ids is no id.
- The smallest, largest or any value, and a list of values, are values of people and keep the mark.
- Joins and filters carry no mark: they choose rows and are not shown.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from sqlglot import exp, parse_one
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import Scope, traverse_scope

PROJECT = Path(__file__).resolve().parents[2]
DIALECT = "spark"
STRENGTH = (None, "sensitive", "identifier", "direct")
STATISTICS = (exp.Count, exp.CountIf, exp.Sum, exp.Avg, exp.Median, exp.ApproxDistinct)
COMPARISONS = (exp.Predicate, exp.Not, exp.And, exp.Or, exp.In, exp.Between)
ORDER_ONLY = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.Ntile)
FIELD = "field_of"
# A mark, or those of a struct's fields by their names.
Mark = str | None | dict[str, str | None]
Marks = dict[str, Mark]


def strongest(marks: Iterable[Mark]) -> str | None:
    """Return the strongest of marks; a struct has that of its fields."""
    flat: list[str | None] = []
    for mark in marks:
        flat += mark.values() if isinstance(mark, dict) else [mark]
    return max(flat, key=STRENGTH.index, default=None)


def combined(marks: Iterable[Mark]) -> Mark:
    """Return the strongest of marks; of structs with the same fields, field by field."""
    some = [mark for mark in marks if mark]
    structs = [mark for mark in some if isinstance(mark, dict)]
    if structs and len(structs) == len(some) and len({len(one) for one in structs}) == 1:
        fields = zip(*[one.values() for one in structs], strict=True)
        return dict(zip(structs[0], map(strongest, fields), strict=True))
    return strongest(some)


def render(raw_code: str, variables: Mapping[str, Any]) -> str:
    """Return a model's SQL as a full refresh runs it: refs by name, sources by schema and name."""
    macros = "".join(path.read_text() for path in sorted((PROJECT / "macros").glob("*.sql")))
    environment = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False)
    return environment.from_string(macros + raw_code).render(
        ref=lambda name: name,
        source=lambda schema, name: f"{schema}.{name}",
        var=lambda name, default=None: variables.get(name, default),
        config=lambda **_: "",
        is_incremental=lambda: False,
    )


def marks_of(sql: str, upstream: Mapping[str, Marks]) -> Marks:
    """Return each output column of a query with its mark.

    upstream: table, as the query calls it, -> its columns with their marks.
    Raises KeyError when a column's origin cannot be told.
    """
    schema: dict[str, Any] = {}
    for table, columns in upstream.items():
        *schemas, name = table.split(".")
        level = schema.setdefault(schemas[0] if schemas else "", {})
        level[name] = dict.fromkeys(columns, "string")
    parsed: exp.Expr = parse_one(sql, dialect=DIALECT).transform(_field_by_field)
    query = qualify(
        parsed,
        dialect=DIALECT,
        schema=schema,
        validate_qualify_columns=False,
        quote_identifiers=False,
        identify=False,
    )
    known: dict[int, Marks] = {}
    for scope in traverse_scope(query):
        known[id(scope.expression)] = _Select(scope, known, upstream).marks()
    return {name: strongest([mark]) for name, mark in known[id(query)].items()}


def _field_by_field(node: exp.Expr) -> Any:
    """Write `f(..) as (a, b)` as two columns, for `qualify` knows no such names."""
    if not isinstance(node, exp.Aliases):
        return node
    width = len(node.expressions)
    return [
        exp.alias_(exp.func(FIELD, node.this.copy(), *map(exp.convert, (place, width))), one.name)
        for place, one in enumerate(node.expressions)
    ]


class _Select:
    """One select of a query: where its columns come from, and what becomes of their marks."""

    def __init__(
        self, scope: Scope, known: Mapping[int, Marks], upstream: Mapping[str, Marks]
    ) -> None:
        self.expression: Any = scope.expression
        self.known = known
        self.sources: dict[str, Marks] = {}
        for name, source in scope.sources.items():
            if isinstance(source, Scope):
                self.sources[name] = known[id(source.expression)]
            else:
                table = ".".join(part for part in (source.db, source.name) if part)
                self.sources[name] = upstream[table]
        group = self.expression.args.get("group")
        self.is_grouped = group is not None
        self.is_of_one_person = group is not None and any(
            strongest([self.mark(key)]) in ("identifier", "direct") for key in self._keys(group)
        )

    def marks(self) -> Marks:
        """Return the mark of each output column."""
        expression = self.expression
        if isinstance(expression, exp.SetOperation):
            sides = (expression.left, expression.right)
            left, right = (self.known[id(side.unnest())].items() for side in sides)
            return {
                name: combined([mark, other])
                for (name, mark), (_, other) in zip(left, right, strict=True)
            }
        return {one.alias_or_name: self._output(one) for one in expression.selects}

    def mark(self, node: exp.Expr) -> Mark:
        """Return the mark of an expression of this select."""
        if isinstance(node, exp.Column):
            return self._column(node)
        if isinstance(node, exp.Subquery | exp.Select):
            return combined(self.known[id(node.unnest())].values())
        if isinstance(node, exp.Window):
            return None if isinstance(node.this, ORDER_ONLY) else self._value(node.this)
        if isinstance(node, STATISTICS):
            return self._statistic(node)
        if isinstance(node, COMPARISONS):
            mark = strongest(self._children(node))
            return "sensitive" if mark in ("direct", "sensitive") else None
        if isinstance(node, exp.Filter):
            return self.mark(node.this)
        if isinstance(node, exp.Anonymous) and node.name == FIELD:
            function, *numbers = node.expressions
            return self._one_field(function, *(int(one.name) for one in numbers))
        if isinstance(node, exp.Struct):
            return {
                one.this.name if isinstance(one, exp.PropertyEQ) else f"col{place}": strongest(
                    [self.mark(one.expression if isinstance(one, exp.PropertyEQ) else one)]
                )
                for place, one in enumerate(node.expressions, 1)
            }
        if isinstance(node, exp.Dot):
            struct = self.mark(node.this)
            return struct[node.name] if isinstance(struct, dict) else struct
        return combined(self._children(node))

    def _value(self, node: exp.Expr) -> Mark:
        """Return the mark of what stands beside each row of a window: a value of its person."""
        if isinstance(node, exp.Count | exp.CountIf):
            return None
        return combined(self._children(node))

    def _statistic(self, node: exp.Expr) -> Mark:
        mark = strongest(self._children(node))
        return mark if self.is_of_one_person and mark != "identifier" else None

    def _children(self, node: exp.Expr) -> list[Mark]:
        return [self.mark(child) for child in node.iter_expressions()]

    def _column(self, node: exp.Column) -> Mark:
        if node.table:
            return self.sources[node.table][node.name]
        owners = [one[node.name] for one in self.sources.values() if node.name in one]
        if not owners:
            raise KeyError(f"{node.sql(DIALECT)} is a column of none of {list(self.sources)}")
        return combined(owners)

    def _keys(self, group: exp.Expr) -> list[exp.Expr]:
        keys = [key for key in group.expressions if not isinstance(key, exp.Literal)]
        for grouping in group.args.get("grouping_sets") or []:
            keys += list(grouping.find_all(exp.Column))
        if group.args.get("all"):
            projections = [one.unalias() for one in self.expression.selects]
            keys += [one for one in projections if not one.find(exp.AggFunc)]
        return keys

    def _output(self, projection: Any) -> Mark:
        mark = self.mark(projection.unalias())
        is_label = self.is_grouped and not self.is_of_one_person and mark == "sensitive"
        return None if is_label and not projection.find(exp.AggFunc) else mark

    def _one_field(self, function: exp.Expr, place: int, width: int) -> Mark:
        """Return the mark of one of the columns that a function of several yields."""
        if isinstance(function, exp.Stack):
            return combined(self.mark(one) for one in function.expressions[place::width])
        mark = combined(self._children(function))
        return list(mark.values())[place] if isinstance(mark, dict) else mark
