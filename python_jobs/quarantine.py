"""Show which rows wait in quarantine, and how to mend them in the source system."""

from typing import Annotated

import typer
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F

from python_jobs.console import err, print_table
from python_jobs.landing.quarantine import QUARANTINE, RULE_COUNTS
from python_jobs.landing.rules import explain
from python_jobs.spark import get_spark


def command(
    file: Annotated[
        str | None, typer.Option(help="List each open row of this file, without its values.")
    ] = None,
) -> None:
    """Show the rows that did not land: how many, why, and how to mend them."""
    spark = get_spark()
    if file:
        show_rows(spark, file.removesuffix(".csv"))
    else:
        show_rules(spark)


def show_rules(spark: SparkSession) -> None:
    """Print one line per file and rule: open rows, and the warnings of each source's last batch."""
    rows = []
    for row in open_faults(spark):
        fault = ":".join(filter(None, (row.rule_id, row.column_name)))
        place = [f"{row.file}.csv", row.rule_id, row.severity, row.row_count, row.first_line]
        rows.append([*place, *explain(fault)])
    if rows:
        header = ["file", "rule", "severity", "rows", "first line", "what is wrong", "how to mend"]
        print_table("Rows to mend in the source system", header, rows)
    else:
        err.print("No row waits in quarantine.")


def open_faults(spark: SparkSession) -> list[Row]:
    """Return file, rule_id, column_name, severity, row_count and first_line, most rows first."""
    if not spark.catalog.tableExists(QUARANTINE):
        return []
    return spark.sql(
        f"""
        with last_batches as (
            select source_system, file, max(batch_id) as batch_id
            from {RULE_COUNTS}
            group by source_system, file
        ),

        faults as (
            select file, rule_id, column_name, severity, 1 as row_count, line
            from {QUARANTINE}
            where status = 'open'
            union all
            select file, rule_id, column_name, severity, row_count, first_line
            from {RULE_COUNTS}
            inner join last_batches using (source_system, file, batch_id)
            where severity = 'warn'
        )

        select
            file, rule_id, column_name, severity,
            sum(row_count) as row_count,
            min(line) as first_line
        from faults
        group by file, rule_id, column_name, severity
        order by severity, row_count desc, file, rule_id, column_name
        """
    ).collect()


def show_rows(spark: SparkSession, file: str) -> None:
    """Print the open rows of a file: where they stand and what is wrong, none of their values."""
    rows = (
        spark.table(QUARANTINE)
        .where((F.col("status") == "open") & (F.col("file") == file))
        .orderBy("line", "rule_id")
        .select("line", "id", "rule_id", "problem", "how_to_mend", "first_seen")
        .collect()
        if spark.catalog.tableExists(QUARANTINE)
        else []
    )
    header = ["line", "id", "rule", "what is wrong", "how to mend", "first seen"]
    print_table(f"{file}.csv", header, [[*row[:-1], f"{row.first_seen:%Y-%m-%d}"] for row in rows])


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
