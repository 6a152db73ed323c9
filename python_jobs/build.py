"""Build the warehouse: seeds, staging, snapshots, marts, and the tests that hold them."""

from typing import Annotated

import typer
from pyspark.sql import SparkSession

from python_jobs.dbt_runner import run_dbt
from python_jobs.errors import DistrictError
from python_jobs.gate import check_raw
from python_jobs.rules import check_rules
from python_jobs.spark import fit_to_size, get_spark

NO_UNIT_TESTS = ["--exclude-resource-type", "unit_test"]


def command(
    select: Annotated[str, typer.Option(help="Only these nodes, in dbt's selection syntax.")] = "",
    full_refresh: Annotated[
        bool, typer.Option(help="Make the incremental facts and the seeds anew.")
    ] = False,
) -> None:
    """Build and test everything that reports read (dbt build)."""
    build(select=select, full_refresh=full_refresh)


def build(*, select: str = "", full_refresh: bool = False) -> None:
    """Run dbt build without the unit tests, which hold the code and not the data.

    Raises DistrictError before that when seeds or variables break a rule of tests/dbt/seeds, and
    GateStopped when rows of raw break a rule that stops.
    """
    check_rules()
    require_raw()
    check_raw()
    arguments = ["build", *NO_UNIT_TESTS]
    if select:
        arguments += ["--select", *select.split()]
    if full_refresh:
        arguments.append("--full-refresh")
    run_dbt(arguments, title="Building")


def build_snapshots() -> None:
    """Record the versions that the last landing brought, before another landing hides them."""
    require_raw()
    types = ["--exclude-resource-type", "unit_test", "--exclude-resource-type", "test"]
    run_dbt(["build", *types, "--select", "+resource_type:snapshot"], title="Recording history")


def require_raw() -> None:
    """Raise DistrictError when nothing has landed; else set Spark up for what has."""
    if not fit_to_raw(get_spark()):
        raise DistrictError(
            "nothing has landed in this warehouse yet",
            "run: district land synthetic, or: district land oneroster PATH",
        )


def fit_to_raw(spark: SparkSession, incoming: int = 0) -> bool:
    """Set Spark up for the rows that have landed and `incoming` ones; return whether any have."""
    has_landed = spark.catalog.tableExists("raw.batches")
    landed = has_landed and spark.table("raw.batches").agg({"rows_landed": "sum"}).collect()[0][0]
    fit_to_size(spark, (landed or 0) + incoming)
    return has_landed


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
