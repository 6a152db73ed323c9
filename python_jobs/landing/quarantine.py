"""The rows that did not land, kept until the source sends them right: quality.quarantine.

The table holds whole rows, names included: it is for the people who mend the source system.
"""

from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from python_jobs.landing.oneroster_files import ENTITY_OF
from python_jobs.landing.records import EXTRA, LINE
from python_jobs.landing.rules import RULES, explain, rule_of, severity_of

if TYPE_CHECKING:
    from python_jobs.landing.oneroster_checks import CheckedFile, Checks
    from python_jobs.landing.raw import Batch

QUARANTINE = "quality.quarantine"
RULE_COUNTS = "quality.rule_counts"
COLUMNS = {
    "quarantine_id": "string",  # of the source, file, rule and the whole row
    "source_system": "string",
    "file": "string",
    "entity": "string",
    "id": "string",
    "line": "bigint",  # in the file of the last batch that sent it
    "rule_id": "string",
    "column_name": "string",
    "severity": "string",
    "problem": "string",
    "how_to_mend": "string",
    "raw_row": "string",  # JSON, column to value as text; restricted
    "status": "string",  # open; released: it landed; superseded: sent otherwise, or no longer sent
    "first_batch_id": "bigint",
    "last_batch_id": "bigint",
    "first_seen": "timestamp",
    "last_seen": "timestamp",
    "closed_batch_id": "bigint",
    "closed_at": "timestamp",
}
RULE_COUNT_COLUMNS = {
    "batch_id": "bigint",
    "source_system": "string",
    "file": "string",
    "rule_id": "string",
    "column_name": "string",
    "severity": "string",
    "row_count": "bigint",
    "first_line": "bigint",
}


def create_tables(spark: SparkSession) -> None:
    spark.sql("create schema if not exists quality")
    for table, columns in ((QUARANTINE, COLUMNS), (RULE_COUNTS, RULE_COUNT_COLUMNS)):
        body = ", ".join(f"{name} {kind}" for name, kind in columns.items())
        spark.sql(f"create table if not exists {table} ({body}) using delta")


def waiting_rows(spark: SparkSession, source_system: str) -> dict[str, DataFrame]:
    """Return the open rows that only wait for another one: file -> frame of line and fields (map).

    Raises nothing when there is no quarantine yet.
    """
    if not spark.catalog.tableExists(QUARANTINE):
        return {}
    waits = [rule_id for rule_id, rule in RULES.items() if rule.waits]
    rows = (
        spark.table(QUARANTINE)
        .where((F.col("source_system") == source_system) & (F.col("status") == "open"))
        .groupBy("file", "raw_row")
        .agg(F.max("line").alias("line"), F.bool_and(F.col("rule_id").isin(waits)).alias("waits"))
        .where("waits")
        .selectExpr("file", "line", "from_json(raw_row, 'map<string,string>') as fields")
    )
    files = [row.file for row in rows.select("file").distinct().collect()]
    return {file: rows.where(F.col("file") == file) for file in files}


def record(spark: SparkSession, batch: "Batch", checks: "Checks") -> None:
    """Write what a batch rejected, and close what it mended; again it changes nothing."""
    create_tables(spark)
    rejects = [
        _rejects(spark, batch, file, checked)
        for file, checked in checks.files.items()
        if checked.rows_rejected
    ]
    if rejects:
        _merge(spark, reduce(DataFrame.unionByName, rejects))
    _count_rules(spark, batch, checks.files)
    left = spark.table(QUARANTINE).where(
        (F.col("source_system") == batch.source_system)
        & (F.col("status") == "open")
        & (F.col("last_batch_id") < batch.batch_id)
    )
    for (file,) in left.select("file").distinct().collect():
        if file in checks.files:
            of_file = left.where(F.col("file") == file)
            is_bulk = checks.bundle.is_bulk(file)
            _close(spark, batch, of_file, checks.files[file], is_bulk=is_bulk)


def _rejects(spark: SparkSession, batch: "Batch", file: str, checked: "CheckedFile") -> DataFrame:
    """Return a file's rejected rows with the columns of the table, one per row and fault."""
    names = [name for name in checked.texts.columns if not name.startswith("_")]
    entries = ", ".join(f"'{name}', `{name}`" for name in names)
    whole = f"map_concat(map_filter(map({entries}), (name, value) -> value is not null), {EXTRA})"
    rejected = checked.frame.where("size(_faults) > 0 and not _is_retry")
    texts = checked.texts.where("not _is_retry").selectExpr(
        LINE, f"to_json(map_from_entries(array_sort(map_entries({whole})))) as raw_row"
    )
    rows = rejected.select(LINE, "id", F.explode("_faults").alias("fault")).join(texts, LINE)
    known = _faults_explained(spark, checked)
    # Equal rows of one file are told apart by their order.
    key = (
        "md5(to_json(struct(source_system, file, fault, raw_row, row_number() over "
        f"(partition by fault, raw_row order by {LINE}) as nth)))"
    )
    return (
        rows.join(known, "fault")
        .withColumns({"source_system": F.lit(batch.source_system), "file": F.lit(file)})
        .selectExpr(
            f"{key} as quarantine_id",
            "source_system",
            "file",
            f"'{ENTITY_OF.get(file, file)}' as entity",
            "id",
            f"{LINE} as line",
            "rule_id",
            "column_name",
            "severity",
            "problem",
            "how_to_mend",
            "raw_row",
            "'open' as status",
            f"{batch.batch_id} as first_batch_id",
            f"{batch.batch_id} as last_batch_id",
            f"timestamp '{batch.landed_at}' as first_seen",
            f"timestamp '{batch.landed_at}' as last_seen",
            "cast(null as bigint) as closed_batch_id",
            "cast(null as timestamp) as closed_at",
        )
    )


def _merge(spark: SparkSession, new: DataFrame) -> None:
    again = ("line", "status", "last_batch_id", "last_seen", "closed_batch_id", "closed_at")
    (
        DeltaTable.forName(spark, QUARANTINE)
        .alias("known")
        .merge(new.alias("new"), "known.quarantine_id = new.quarantine_id")
        .whenMatchedUpdate(set={name: f"new.{name}" for name in again})
        .whenNotMatchedInsertAll()
        .execute()
    )


def _faults_explained(spark: SparkSession, checked: "CheckedFile") -> DataFrame:
    rows = [
        (fault, *rule_of(fault), severity_of(fault), *explain(fault)) for fault in checked.faults
    ]
    names = "fault", "rule_id", "column_name", "severity", "problem", "how_to_mend"
    return spark.createDataFrame(rows, ", ".join(f"{name} string" for name in names))


def _count_rules(spark: SparkSession, batch: "Batch", files: Mapping[str, "CheckedFile"]) -> None:
    rows = [
        (batch.batch_id, batch.source_system, file, *rule_of(fault), severity_of(fault), *counts)
        for file, checked in files.items()
        for fault, counts in checked.faults.items()
    ]
    if rows:
        schema = ", ".join(f"{name} {kind}" for name, kind in RULE_COUNT_COLUMNS.items())
        spark.createDataFrame(rows, schema).coalesce(1).writeTo(RULE_COUNTS).append()


def _close(
    spark: SparkSession, batch: "Batch", left: DataFrame, checked: "CheckedFile", *, is_bulk: bool
) -> None:
    """Close those entries of a file, still open, that this batch did not send again.

    Released: the row with that id has landed. Superseded: it is now wrong in another way, or a
    bulk file no longer has it.
    """
    sent = (
        checked.frame.where("id is not null and (not _is_retry or size(_faults) = 0)")
        .groupBy("id")
        .agg(F.max(F.expr("size(_faults) = 0")).alias("has_landed"))
        .withColumnRenamed("id", "sent_id")
    )
    closed = (
        left.select("quarantine_id", "id")
        .join(sent, F.col("id") == F.col("sent_id"), "left")
        .selectExpr(
            "quarantine_id",
            "case when has_landed then 'released' "
            f"when sent_id is not null or {str(is_bulk).lower()} then 'superseded' end as status",
        )
    )
    (
        DeltaTable.forName(spark, QUARANTINE)
        .alias("known")
        .merge(
            closed.where("status is not null").alias("new"),
            "known.quarantine_id = new.quarantine_id",
        )
        .whenMatchedUpdate(
            set={
                "status": "new.status",
                "closed_batch_id": f"{batch.batch_id}",
                "closed_at": f"timestamp '{batch.landed_at}'",
            }
        )
        .execute()
    )
