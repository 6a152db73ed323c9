"""The current release as tables to serve, read from Spark."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType

from python_jobs.build import fit_to_raw
from python_jobs.errors import DistrictError
from python_jobs.release import CALL_LIST, CURRENT, EARLY_WARNING, LOG, current_release
from python_jobs.release_tables import published_tables
from python_jobs.seeds import read_seed
from python_jobs.serving.access import DISTRICTS, GRANTS, STUDENT_SCOPES, grants_table
from python_jobs.serving.publish import Release
from python_jobs.serving.tables import (
    STUDENT_COLUMNS,
    Column,
    ServedTable,
    from_arrow,
    postgres_type,
)

BATCH_ROWS = 50_000
PARALLEL_TABLES = 4
SUPPRESSION = "Why a value of the row is empty."


def release_to_serve(spark: SparkSession) -> Release:
    """Return the release that readers of pub see, and fit Spark to what has landed.

    Raises DistrictError when there is none.
    """
    release_id = current_release(spark)
    if release_id is None:
        raise DistrictError("nothing is published yet", "run: district build; district release")
    row = spark.sql(
        f"select max(as_of_date) as as_of_date from {LOG} "
        f"where release_id = (select release_id from {CURRENT})"
    ).collect()[0]
    fit_to_raw(spark)
    return Release(release_id, row.as_of_date)


def tables_to_serve(spark: SparkSession) -> list[ServedTable]:
    """Return every table of the current release, and those that the policies read."""
    views = {row.viewName for row in spark.sql("show views in pub").collect()}
    described = {table.name: table for table in published_tables()}
    described[CALL_LIST] = next(t for t in described.values() if t.node.name == EARLY_WARNING)
    names = sorted(views & described.keys())
    prints = _fingerprints(spark, names)
    tables = [
        _table(spark, name, described[name].node, described[name].students, prints[name])
        for name in names
    ]
    grants = grants_table(read_seed("access_grants"), spark.sql(GRANTS).toArrow())
    return [
        *tables,
        from_arrow("access_grants", grants, schema="access"),
        from_arrow("student_scopes", _sorted(spark, STUDENT_SCOPES), schema="access"),
        from_arrow("districts", _sorted(spark, DISTRICTS), schema="access"),
    ]


def _sorted(spark: SparkSession, query: str) -> pa.Table:
    table = spark.sql(query).toArrow()
    return table.sort_by([(name, "ascending") for name in table.column_names])


def _table(
    spark: SparkSession, name: str, node: Any, students: bool, fingerprint: str
) -> ServedTable:
    frame = _without_lists(spark.table(f"pub.{name}").drop("release_id"))
    schema = frame.limit(0).toArrow().schema
    columns = []
    for field in schema:
        said = node.columns.get(field.name.removesuffix("_before"))
        columns.append(
            Column(
                name=field.name,
                type=postgres_type(field.type),
                pii=said.config.meta.get("pii") if said else None,
                description=said.description.strip() if said else SUPPRESSION,
            )
        )

    def batches() -> Iterator[pa.RecordBatch]:
        rows = frame
        if students:  # the rows of a student lie together
            rows = frame.orderBy(next(c for c in STUDENT_COLUMNS if c in frame.columns))
        yield from rows.toArrow().to_batches(BATCH_ROWS)

    return ServedTable(
        name=name,
        columns=columns,
        fingerprint=fingerprint,
        batches=batches,
        students=students,
        description=node.description.strip(),
    )


def _without_lists(frame: DataFrame) -> DataFrame:
    """Write lists as text: BI tools have no lists."""
    columns = [
        F.concat_ws("; ", field.name).alias(field.name)
        if isinstance(field.dataType, ArrayType)
        else F.col(field.name)
        for field in frame.schema
    ]
    return frame.select(columns)


def _fingerprints(spark: SparkSession, names: list[str]) -> dict[str, str]:
    """Return of each table what changes when a row does.

    The hash of a null is that of the column before it; hence is_null beside each column.
    """

    def fingerprint(name: str) -> str:
        columns = [c for c in spark.table(f"pub.{name}").columns if c != "release_id"]
        hashed = ", ".join(f"{column}, isnull({column})" for column in columns)
        hash_of_rows = f"sum(cast(xxhash64({hashed}) as decimal(38, 0)))"
        row = spark.sql(
            f"select count(*) as row_count, {hash_of_rows} as hash from pub.{name}"
        ).collect()[0]
        return f"{row.row_count}-{row.hash}"

    with ThreadPoolExecutor(PARALLEL_TABLES) as pool:
        return dict(zip(names, pool.map(fingerprint, names), strict=True))
