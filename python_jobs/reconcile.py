"""Compare the source's own totals with raw, core and the KPI marts, and say why they differ."""

import json
from decimal import Decimal
from typing import Annotated

import typer
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from python_jobs.build import require_raw
from python_jobs.console import err, out, print_table
from python_jobs.dbt_runner import DataTestsFailed, run_dbt
from python_jobs.gate import check_raw
from python_jobs.spark import get_spark, table_version

TABLE = "quality.reconciliation"
MARTS = "kpi.kpi_values"
WITHOUT_TESTS = [
    "--exclude-resource-type", "unit_test", "--exclude-resource-type", "test",
]  # fmt: skip
# Column of the mart, less its ending `_amount` -> the reason in words, in the order of the way.
REASONS = {
    "duplicate": "duplicate",
    "quarantined": "quarantined",
    "ended": "ended",
    "released": "released from quarantine",
    "kept_broken": "broken now, kept as it was",
    "kept_unlisted": "no longer listed, kept",
    "later_delta": "later deltas",
    "ended_counted": "ended, but counted in the term",
    "outside_terms": "in no reporting term",
    "year_long": "in several terms",
    "outside_dates": "not begun or not in the term",
    "repeated": "twice in a section",
    "not_graded": "not graded",
    "without_assignment": "without an assignment",
}
UNEXPLAINED = {
    "unexplained_in_raw": "source to raw",
    "unexplained_in_core": "raw to core",
    "unexplained_in_kpi": "core to KPI",
}


def command(
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per total, those that agree too.")
    ] = False,
) -> None:
    """Compare the source's totals with raw, core and KPI; exit code 1 on the unexplained."""
    spark = get_spark()
    refresh(spark)
    totals = read_totals(spark)
    if as_json:
        for total in totals:
            print(json.dumps(total.asDict(), default=float, ensure_ascii=False))
    else:
        show(totals)
    if unexplained := sum(not total.is_explained for total in totals):
        raise DataTestsFailed(
            f"{unexplained} of {len(totals)} totals differ without a reason",
            "rows were changed by other means than a landing; if raw is right, make the star "
            "anew with: district build --full-refresh",
        )


def refresh(spark: SparkSession) -> None:
    """Make the comparison anew from what the tables hold; build the marts too when they are old."""
    require_raw()
    is_built = spark.catalog.tableExists(TABLE) and spark.catalog.tableExists(MARTS)
    if is_built and not _is_older_than_landing(spark):
        run_dbt(["build", *WITHOUT_TESTS, "--select", "reconciliation"], title="Comparing")
        return
    if is_built:
        err.print("The marts are older than the last landing; they are built first.")
    check_raw()
    run_dbt(["build", *WITHOUT_TESTS, "--select", "+reconciliation"], title="Building")


def _is_older_than_landing(spark: SparkSession) -> bool:
    _, built_at = table_version(spark, MARTS)
    return not spark.table("raw.batches").where(F.col("landed_at") > F.lit(built_at)).isEmpty()


def read_totals(spark: SparkSession) -> list[Row]:
    """Return the rows of the mart with the names of school and term; people have none in it."""
    return spark.sql(
        f"""
        select schools.school_name, terms.term_name, totals.*
        from {TABLE} as totals
        left join core.dim_school as schools
            on totals.school_id = schools.school_id and schools.is_current
        left join core.dim_term as terms on totals.term_id = terms.term_id
        order by
            totals.source_system,
            array_position(
                array('students', 'enrollments', 'assignments', 'results', 'points', 'percents'),
                totals.measure
            ),
            schools.school_name, totals.school_id, terms.start_date, totals.term_id
        """
    ).collect()


def show(totals: list[Row]) -> None:
    """Print the totals that differ with the reasons, and how many agree."""
    different = [total for total in totals if reasons(total) or not total.is_explained]
    if different:
        header = [
            "measure", "school", "term", "source", "raw", "core", "KPI", "reasons", "unexplained"
        ]  # fmt: skip
        rows = [
            [
                total.measure,
                total.school_name or total.school_id,
                total.term_name or total.term_id,
                *[_number(total[f"{table}_amount"]) for table in ("source", "raw", "core", "kpi")],
                "\n".join(reasons(total)),
                "\n".join(unexplained(total)),
            ]
            for total in different
        ]
        print_table("Totals that differ", header, rows)
    without = sum(not total.is_explained for total in totals)
    out.print(
        f"{len(totals) - len(different)} of {len(totals)} totals agree, "
        f"{len(different) - without} differ for the reasons shown, {without} without a reason."
    )


def reasons(total: Row) -> list[str]:
    """Return the reasons of a total that are not zero, with what each adds."""
    amounts = {text: total[f"{name}_amount"] for name, text in REASONS.items()}
    return [f"{text} {_number(amount):+,}" for text, amount in amounts.items() if amount]


def unexplained(total: Row) -> list[str]:
    """Return between which tables a difference has no reason, and how large it is."""
    amounts = {text: total[name] for name, text in UNEXPLAINED.items()}
    return [f"{text} {_number(amount):+,}" for text, amount in amounts.items() if amount]


def _number(amount: Decimal | None) -> int | float | None:
    if amount is None:
        return None
    return int(amount) if amount == int(amount) else float(amount)


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
