"""The current release as tables to serve, read from Spark."""

from typing import Any

import numpy as np
from pyspark.sql import Column as ColumnSQL
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import ArrayType

from python_jobs.errors import DistrictError
from python_jobs.release import CALL_LIST, CURRENT, EARLY_WARNING, LOG, current_release
from python_jobs.release_tables import published_tables
from python_jobs.seeds import read_seed
from python_jobs.serving.access import (
    DISTRICTS,
    GRANT_SCHEMA,
    GRANTS,
    STUDENT_SCOPES,
    grants_table,
)
from python_jobs.serving.publish import Release
from python_jobs.serving.tables import (
    STUDENT_COLUMNS,
    Column,
    Rows,
    ServedTable,
    columns_of,
    in_this_order,
    postgres_type,
)
from python_jobs.spark import fit_to_size

ROW_HASH = "row_hash"
LARGEST = ("student_kpi_values", "kpi_values")  # first, so that the others go beside them
SUPPRESSION = "Why a value of the row is empty."


def release_to_serve(spark: SparkSession) -> Release:
    """Return the release that readers of pub see, and set Spark up to read it.

    Raises DistrictError when there is none.
    """
    release_id = current_release(spark)
    if release_id is None:
        raise DistrictError("nothing is published yet", "run: district build; district release")
    row = spark.sql(
        f"select max(as_of_date) as as_of_date from {LOG} "
        f"where release_id = (select release_id from {CURRENT})"
    ).collect()[0]
    fit_to_size(spark, 0)  # a scan per table, and no more
    return Release(release_id, row.as_of_date)


def tables_to_serve(spark: SparkSession, release: Release) -> list[ServedTable]:
    """Return every table of the release, which is current, and those that the policies read."""
    views = {row.viewName for row in spark.sql("show views in pub").collect()}
    described = {table.name: table for table in published_tables()}
    described[CALL_LIST] = next(t for t in described.values() if t.node.name == EARLY_WARNING)
    names = sorted(views & described.keys(), key=lambda name: (name not in LARGEST, name))
    tables = [
        _table(
            # Where a release lies, and not its view, which asks first which one is current.
            spark.table(f"pub.{name}" if name == CALL_LIST else f"releases.{name}").where(
                F.col("release_id") == release.release_id
            ),
            name,
            described[name].node,
            described[name].students,
        )
        for name in names
    ]
    given = read_seed("access_grants")
    return [
        ServedTable(
            name="access_grants",
            columns=columns_of(GRANT_SCHEMA),
            read=lambda: in_this_order(grants_table(given, spark.sql(GRANTS).toArrow())),
            schema="access",
        ),
        _policy_table("student_scopes", spark.sql(STUDENT_SCOPES)),
        _policy_table("districts", spark.sql(DISTRICTS)),
        *tables,
    ]


def _policy_table(name: str, frame: DataFrame) -> ServedTable:
    order = [(column, "ascending") for column in frame.columns]
    return ServedTable(
        name=name,
        columns=columns_of(to_arrow_schema(frame.schema)),
        read=lambda: in_this_order(frame.toArrow().sort_by(order)),
        schema="access",
    )


def _table(rows: DataFrame, name: str, node: Any, students: bool) -> ServedTable:
    frame = _without_lists(rows.drop("release_id"))
    columns = []
    for field in to_arrow_schema(frame.schema, timezone="UTC"):
        said = node.columns.get(field.name.removesuffix("_before"))
        columns.append(
            Column(
                name=field.name,
                type=postgres_type(field.type),
                pii=said.config.meta.get("pii") if said else None,
                description=said.description.strip() if said else SUPPRESSION,
            )
        )

    def read() -> Rows:
        rows = frame.withColumn(ROW_HASH, _hash_of_row(frame)).toArrow()
        hashes = rows.column(ROW_HASH).to_numpy()
        rows = rows.drop_columns(ROW_HASH)
        if students:  # the rows of a student lie together
            rows = rows.sort_by(next(c for c in STUDENT_COLUMNS if c in frame.columns))
        # The sum of hashes does not depend on the order of rows; it may overflow.
        return Rows(rows, f"{rows.num_rows}-{np.add.reduce(hashes)}")

    return ServedTable(
        name=name,
        columns=columns,
        read=read,
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


def _hash_of_row(frame: DataFrame) -> ColumnSQL:
    """Return a hash: that of a null is that of the column before it; hence is_null beside each."""
    columns = [F.col(name) for name in frame.columns]
    return F.xxhash64(*(part for column in columns for part in (column, column.isNull())))
