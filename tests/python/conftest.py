"""One Spark session and one warehouse for all tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

MARKER = "seed_warehouse.marker"
CANARY = "Qzanary"  # in the name of everybody in the shared warehouse
PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """Open the session that a user would get, on a warehouse whose path holds a space."""
    os.environ["WAREHOUSE_DIR"] = str(tmp_path_factory.mktemp("district") / "ware house")
    os.environ["DISTRICT_TARGET"] = "laptop"
    # A crash may cost this metastore; a user's is flushed at every commit.
    os.environ["DISTRICT_JAVA_OPTIONS"] = "-Dderby.system.durability=test"
    from python_jobs.spark import fit_to_size, get_spark

    session = get_spark()
    fit_to_size(session, 0)
    yield session
    session.stop()


@pytest.fixture(scope="module")
def empty_warehouse(spark: SparkSession) -> Iterator[SparkSession]:
    """Give a module a warehouse in which nothing has landed, and leave none behind."""
    clear(spark)
    yield spark
    clear(spark)


@pytest.fixture(scope="module")
def seed_warehouse(spark: SparkSession) -> SparkSession:
    """Land preset seed and build it with every test, once for modules that follow each other.

    The last of them, by name, may change it.
    """
    from python_jobs.dbt_runner import run_dbt
    from python_jobs.land import land_synthetic

    if not spark.catalog.tableExists(MARKER):
        clear(spark)
        land_synthetic("seed", None, 1, snapshot=False)
        spark.sql(
            f"""
            update raw.users set
                given_name = '{CANARY}Given', family_name = '{CANARY}Family',
                username = concat('{CANARY}', md5(id)), email = concat('{CANARY}@', md5(id))
            """
        )
        run_dbt(["build"], title="Building")
        spark.sql("create schema seed_warehouse")
        spark.sql(f"create table {MARKER} (is_built boolean) using delta")
    return spark


def clear(spark: SparkSession) -> None:
    for row in spark.sql("show schemas").collect():
        if row.namespace != "default":
            spark.sql(f"drop schema {row.namespace} cascade")


def outputs_with(text: str) -> list[str]:
    """Return the logs, artefacts of dbt and reports in which a text stands."""
    return [
        str(path.relative_to(PROJECT))
        for folder in ("logs", "target", "reports")
        for path in (PROJECT / folder).rglob("*")
        if path.is_file() and text.encode() in path.read_bytes()
    ]
