"""Ask the warehouse in SQL."""

import json
import re
from decimal import Decimal
from typing import Annotated

import typer
from pyspark.errors import AnalysisException

from python_jobs.console import err, print_table
from python_jobs.errors import DistrictError
from python_jobs.spark import get_spark

QUESTIONS = (
    "select",
    "with",
    "from",
    "values",
    "table",
    "show",
    "describe",
    "desc",
    "explain",
)


def command(
    query: Annotated[str, typer.Argument(help="One statement that reads, such as SELECT.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per row, for scripts.")
    ] = False,
    limit: Annotated[int, typer.Option(help="At most this many rows.", min=1)] = 1000,
) -> None:
    """Ask the warehouse, for instance: district sql "select * from kpi.school_performance"."""
    words = re.sub(r"--[^\n]*|/\*.*?\*/", " ", query, flags=re.DOTALL).split()
    if not words or words[0].lower().strip("(") not in QUESTIONS:
        raise DistrictError(
            "only statements that read are allowed here",
            f"begin with {', '.join(QUESTIONS)}",
        )
    try:
        frame = get_spark().sql(query)
    except AnalysisException as problem:
        raise DistrictError(
            f"the query cannot be run: {str(problem).splitlines()[0]}",
            'list the tables with: district sql "show tables in kpi"',
        ) from problem
    rows = frame.take(limit + 1)
    shown = rows[:limit]
    if as_json:
        for row in shown:
            print(json.dumps(row.asDict(recursive=True), default=_plain, ensure_ascii=False))
    else:
        print_table("", frame.columns, [[_plain_cell(value) for value in row] for row in shown])
    if len(rows) > limit:
        err.print(f"only the first {limit:,} rows; more with --limit")


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)


def _plain_cell(value: object) -> object:
    return value if isinstance(value, int | float | None) else str(value)


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
