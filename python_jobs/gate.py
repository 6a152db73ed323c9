"""The gate between landing and building: what has landed since it last opened keeps the rules.

A row that landing would have rejected stops the build: raw was changed by hand, or what the row
refers to has changed. Results go to quality.gate and to one page, as ids, never as values.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Annotated

import typer
from pyspark.sql import DataFrame, SparkSession

from python_jobs.console import err, print_table, progress
from python_jobs.errors import DistrictError
from python_jobs.quality.flags import RawRows
from python_jobs.quality.page import write_page
from python_jobs.quality.suites import Checked, Result
from python_jobs.quarantine import open_faults
from python_jobs.schemas import ENTITIES
from python_jobs.spark import PROJECT, get_spark

PAGE = PROJECT / "reports" / "gate.html"
GATE = "quality.gate"
COLUMNS = {
    "run_id": "string",  # when it began, UTC
    "checked_at": "timestamp",
    "entity": "string",
    "rule_id": "string",
    "column_name": "string",
    "severity": "string",  # stop, warn
    "row_count": "bigint",  # active rows that were checked
    "failing_count": "bigint",
    "is_passed": "boolean",
    "up_to_batch_id": "bigint",  # where the next run begins, if no rule stopped this entity
}
PARALLEL_TABLES = 4
NAMED_FAILURES = 5
NAMED_IDS = 3


class GateStopped(DistrictError):
    """Rows of raw break rules without which nothing may be built."""


def command(
    everything: Annotated[
        bool, typer.Option("--all", help="Check every row, not only what has landed since.")
    ] = False,
) -> None:
    """Check what has landed before it is built; the results are one page: reports/gate.html."""
    from python_jobs.build import require_raw  # build reads this module

    require_raw()
    show(check_raw(everything=everything))


def check_raw(*, everything: bool = False) -> list[Checked]:
    """Hold raw to the rules and write what was found to quality.gate and to the page.

    everything: all active rows; else those of batches after the last that passed, entity by
    entity. Returns what was checked: nothing, when nothing has landed.
    Raises GateStopped when rows break a rule that stops the build.
    """
    spark = get_spark()
    is_first = not spark.catalog.tableExists(GATE)
    marks, up_to = _marks(spark, is_first=is_first)
    if everything:
        marks = dict.fromkeys(ENTITIES)
    if not marks:
        return []
    with progress("Checking raw"):
        checked = _check(spark, marks)
        now = datetime.now(UTC).replace(tzinfo=None)
        _record(spark, checked, now, up_to, is_first=is_first)
        if any(one.row_count for one in checked):
            write_page(PAGE, checked, open_faults(spark), now)
    _stop(checked)
    if any(one.row_count for one in checked):
        err.print(f"Open {PAGE} in a browser")
    return checked


def show(checked: Sequence[Checked]) -> None:
    """Print one line per table."""
    if not any(one.row_count for one in checked):
        err.print("Nothing has landed since the gate last opened; --all checks every row.")
        return
    rows = [
        [
            one.entity,
            one.row_count,
            len(one.results),
            sum(result.failing_count for result in one.failures("warn")),
        ]
        for one in checked
    ]
    print_table("The gate is open", ["entity", "rows", "expectations", "warnings"], rows)


def _marks(spark: SparkSession, *, is_first: bool) -> tuple[dict[str, int | None], int]:
    """Return the entities with batches to check, and the last batch of all.

    Each entity with its last batch that passed, None before its first.
    """
    passed = (
        "select null as entity, null as batch_id"
        if is_first
        else f"""
        select entity, max(up_to_batch_id) as batch_id
        from {GATE}
        group by entity, run_id
        having bool_and(is_passed or severity = 'warn')
        """
    )
    rows = spark.sql(
        f"""
        with passed as ({passed}),

        marks as (
            select entity, max(batch_id) as batch_id
            from passed
            group by entity
        ),

        landed as (
            select
                entity,
                max(batch_id) as last_batch_id,
                max(batch_id) filter (where rows_landed > 0) as batch_id
            from raw.batches
            group by entity
        )

        select
            landed.entity,
            marks.batch_id,
            landed.batch_id > coalesce(marks.batch_id, 0) as is_new,
            max(last_batch_id) over () as up_to
        from landed
        left join marks on landed.entity = marks.entity
        """
    ).collect()
    up_to = max((row.up_to for row in rows), default=0)
    return {row.entity: row.batch_id for row in rows if row.is_new}, up_to


def _check(spark: SparkSession, marks: Mapping[str, int | None]) -> list[Checked]:
    """Check the rows of each entity that came after its mark; None: all."""
    raw = RawRows(spark)
    entities = [entity for entity in ENTITIES if entity in marks]

    def flagged(entity: str) -> tuple[DataFrame, int]:
        frame = raw.flags(entity, marks[entity])
        return frame, frame.count()

    try:
        with ThreadPoolExecutor(PARALLEL_TABLES) as pool:
            frames = dict(zip(entities, pool.map(flagged, entities), strict=True))
        checked = {
            entity: Checked(entity, 0, [Result(one) for one in raw.suite(entity)])
            for entity, (_, rows) in frames.items()
            if not rows
        }
        if len(checked) < len(entities):
            from python_jobs.quality.expectations import Checkpoints  # takes seconds to import

            checkpoints = Checkpoints()
            for entity in entities:
                if entity not in checked:
                    frame, rows = frames[entity]
                    results = checkpoints.run(entity, frame, raw.suite(entity))
                    checked[entity] = Checked(entity, rows, results)
        return [checked[entity] for entity in entities]
    finally:
        raw.release()


def _record(
    spark: SparkSession, checked: Sequence[Checked], now: datetime, up_to: int, *, is_first: bool
) -> None:
    """Write down every result; an entity that was not stopped begins at `up_to` next time."""
    results = [
        (
            f"{now:%Y%m%d%H%M%S%f}",
            now,
            one.entity,
            result.expected.rule,
            result.expected.column,
            result.expected.severity,
            one.row_count,
            result.failing_count,
            not result.failing_count,
            up_to,
        )
        for one in checked
        for result in one.results
    ]
    schema = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
    table = spark.createDataFrame(results, schema).coalesce(1).writeTo(GATE)
    if is_first:
        spark.sql("create schema if not exists quality")
        table.using("delta").createOrReplace()
    else:
        table.append()


def _stop(checked: Sequence[Checked]) -> None:
    """Raise GateStopped when a rule that stops was broken."""
    failures = [(one.entity, failure) for one in checked for failure in one.failures("stop")]
    if not failures:
        return
    lines = [
        f"  {failure.failing_count:,} rows of raw.{entity}: {failure.expected.texts[0]} "
        f"({failure.expected.rule}; ids {', '.join(map(repr, failure.ids[:NAMED_IDS]))})"
        for entity, failure in failures[:NAMED_FAILURES]
    ]
    if len(failures) > NAMED_FAILURES:
        lines.append(f"  and {len(failures) - NAMED_FAILURES} more")
    raise GateStopped(
        "\n".join(["raw breaks rules, so nothing was built; reports stay as they were", *lines]),
        f"correct these rows in the source and land it again; all of them: {PAGE}",
    )


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
