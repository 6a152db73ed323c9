"""The only writer of the raw tables: merges one batch, and logs what became of each row."""

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from python_jobs.errors import DistrictError
from python_jobs.schemas import ENTITIES, LANDING_COLUMNS, columns

BATCH_COLUMNS = {
    "batch_id": "bigint",
    "source_system": "string",
    "kind": "string",  # synthetic, oneroster
    "file": "string",
    "entity": "string",
    "is_complete": "boolean",
    "as_of": "timestamp",
    "landed_at": "timestamp",
    "rows_read": "bigint",
    "rows_landed": "bigint",
    "rows_unchanged": "bigint",
    "rows_rejected": "bigint",
    "rows_ended": "bigint",
    "rows_missing": "bigint",  # ended because a complete file no longer lists them
    "parameters": "string",  # JSON
}
PARALLEL_WRITES = 4
# The change feed is the history of the raw rows; it costs nothing on a first load.
TABLE_PROPERTIES = "'delta.enableChangeDataFeed' = 'true', 'delta.enableDeletionVectors' = 'true'"


@dataclass(frozen=True)
class Part:
    """Rows of one entity, as a source gives them.

    frame has `id` and any of the entity's columns; a missing one is null, each is cast to the raw
    type. Optional: is_active (true), created_at, updated_at, metadata, effective_at (the batch's
    as_of). is_complete: active rows of the same source that the frame lacks are ended.
    """

    entity: str
    frame: DataFrame
    file: str
    is_complete: bool = False


@dataclass(frozen=True)
class Landed:
    """What became of a part's rows: read = landed + unchanged + rejected + ended."""

    file: str
    entity: str
    is_complete: bool
    rows_read: int
    rows_landed: int
    rows_unchanged: int
    rows_rejected: int
    rows_ended: int
    rows_missing: int


def create_raw_tables(spark: SparkSession) -> None:
    """Create the schemas, and every raw table that is not there yet."""
    if not spark.catalog.databaseExists("raw"):
        spark.sql("create schema raw")
    have = {row.tableName for row in spark.sql("show tables in raw").collect()}
    wanted = {entity: columns(entity) for entity in ENTITIES} | {"batches": BATCH_COLUMNS}

    def create(name: str) -> None:
        body = ", ".join(f"`{column}` {kind}" for column, kind in wanted[name].items())
        properties = "" if name == "batches" else f" tblproperties ({TABLE_PROPERTIES})"
        spark.sql(f"create table if not exists raw.{name} ({body}) using delta{properties}")

    with ThreadPoolExecutor(PARALLEL_WRITES) as pool:
        list(pool.map(create, [name for name in wanted if name not in have]))


@dataclass(frozen=True)
class Batch:
    """One landing: everything that its rows have in common."""

    batch_id: int
    source_system: str
    kind: str
    as_of: datetime
    landed_at: datetime
    parameters: str


@dataclass
class _Merge:
    """A part and what it changes: the rows to write, and how many rows got which verdict."""

    part: Part
    pending: DataFrame
    is_first: bool = False
    count: dict[str, int] = field(default_factory=dict)


VERDICTS = ("landed", "unchanged", "ended", "missing", "foreign")


def land_batch(
    spark: SparkSession,
    parts: Sequence[Part],
    *,
    source_system: str,
    kind: str,
    as_of: datetime,
    parameters: Mapping[str, object] | None = None,
) -> list[Landed]:
    """Merge a batch into raw by id and log it in raw.batches; the same rows again change nothing.

    as_of: the moment the batch speaks for, UTC; must not lie before the source's last batch.
    Raises DistrictError when it does, or when ids already belong to another source.
    """
    create_raw_tables(spark)
    log = json.dumps(dict(parameters or {}), sort_keys=True)
    batch = _next_batch(spark, source_system, kind, as_of, log)
    with ThreadPoolExecutor(PARALLEL_WRITES) as pool:
        merges = list(pool.map(lambda part: _compare(spark, part, batch), parts))
        try:
            for merge in merges:
                if merge.count.get("foreign"):
                    raise DistrictError(
                        f"{merge.count['foreign']} ids of {merge.part.file} already belong to "
                        f"another source than {source_system}",
                        "land this district into a warehouse of its own (--warehouse FOLDER)",
                    )
            landed = list(pool.map(lambda merge: _write(spark, merge, batch), merges))
        finally:
            for merge in merges:
                merge.pending.unpersist()
    _log(spark, batch, landed)
    return landed


def _next_batch(
    spark: SparkSession, source_system: str, kind: str, as_of: datetime, parameters: str
) -> Batch:
    """Return a new batch; its id is readable as a UTC time and above all earlier ones."""
    as_of = as_of.astimezone(UTC).replace(tzinfo=None) if as_of.tzinfo else as_of
    is_ours = F.col("source_system") == source_system
    last = (
        spark.table("raw.batches")
        .agg(
            F.max("batch_id").alias("batch_id"),
            F.max(F.when(is_ours, F.col("as_of"))).alias("as_of"),
        )
        .collect()[0]
    )
    if last.as_of is not None and as_of < last.as_of:
        raise DistrictError(
            f"this batch of {source_system} speaks for {as_of:%Y-%m-%d %H:%M:%S}, but one for "
            f"{last.as_of:%Y-%m-%d %H:%M:%S} has landed",
            "land batches in their order, or set --as-of to a later time",
        )
    if as_of == last.as_of:  # each version of a row needs a moment of its own
        as_of += timedelta(microseconds=1)
    landed_at = datetime.now(UTC).replace(tzinfo=None)
    now = int(f"{landed_at:%Y%m%d%H%M%S}{landed_at.microsecond // 1000:03d}")
    batch_id = max(now, (last.batch_id or 0) + 1)
    return Batch(batch_id, source_system, kind, as_of, landed_at, parameters)


def _normalise(part: Part, batch: Batch) -> DataFrame:
    """Give a source's frame all raw columns, in order and typed."""
    given = set(part.frame.columns)
    types = columns(part.entity)
    as_of = F.lit(batch.as_of).cast("timestamp")
    defaults = {
        "is_active": F.lit(True),
        "created_at": as_of,
        "updated_at": as_of,
        "metadata": F.create_map().cast("map<string,string>"),
        "effective_at": as_of,
    }
    ours = {
        "batch_id": F.lit(batch.batch_id),
        "source_system": F.lit(batch.source_system),
        "landed_at": F.lit(batch.landed_at),
    }

    def column(name: str) -> Column:
        value = F.col(name) if name in given else F.lit(None)
        if name in defaults:
            value = F.coalesce(value, defaults[name]) if name in given else defaults[name]
        return ours.get(name, value).cast(types[name]).alias(name)

    frame = part.frame.select(*[column(name) for name in types if name != "row_hash"])
    times = {"created_at", "updated_at"} | LANDING_COLUMNS.keys()
    hashed = [_as_text(name, kind) for name, kind in types.items() if name not in times]
    return frame.withColumn("row_hash", F.xxhash64(*hashed)).select(*types)


def _as_text(name: str, kind: str) -> Column:
    """Return a text for hashing, in which null differs from empty and a map has one order."""
    value = F.array_sort(F.map_entries(name)) if kind.startswith("map") else F.col(name)
    return F.coalesce(value.cast("string"), F.lit("\0"))


def _compare(spark: SparkSession, part: Part, batch: Batch) -> _Merge:
    """Find the rows that are new, changed, or missing from a complete file; write nothing."""
    frame = _normalise(part, batch)
    raw = spark.table(f"raw.{part.entity}")
    if raw.isEmpty():
        return _Merge(part, frame, is_first=True)
    known = raw.select(
        F.col("id").alias("known_id"),
        F.col("row_hash").alias("known_hash"),
        F.col("source_system").alias("known_source"),
        F.col("is_active").alias("known_is_active"),
    )
    is_ours = F.col("known_source") == batch.source_system
    verdict = (
        F.when(F.col("id").isNull(), F.when(is_ours & F.col("known_is_active"), "missing"))
        .when(~is_ours, "foreign")
        .when(F.col("row_hash") == F.col("known_hash"), "unchanged")
        .when(F.col("is_active"), "landed")
        .otherwise("ended")
    )
    counted = Observation()
    joined = (
        frame.join(
            known,
            F.col("id") == F.col("known_id"),
            "full" if part.is_complete else "left",
        )
        .withColumn("verdict", verdict)
        .observe(
            counted,
            *[F.count_if(F.col("verdict") == one).alias(one) for one in VERDICTS],
        )
    )
    pending = joined.where(F.col("verdict").isin("landed", "ended", "missing")).persist()
    pending.count()
    return _Merge(part, pending, count={one: int(counted.get[one]) for one in VERDICTS})


def _write(spark: SparkSession, merge: _Merge, batch: Batch) -> Landed:
    """Write what a comparison found, in one atomic commit of the entity's table."""
    part, name = merge.part, f"raw.{merge.part.entity}"
    names = list(columns(part.entity))
    if merge.is_first:
        merge.pending.writeTo(name).append()
        first = spark.table(name).agg(
            F.count_if("is_active").alias("landed"),
            F.count_if(~F.col("is_active")).alias("ended"),
        )
        count = dict.fromkeys(VERDICTS, 0) | first.collect()[0].asDict()
    else:
        count = merge.count
        pending = merge.pending.where("verdict != 'missing'").select(*names)
        if count["missing"]:
            gone = merge.pending.where("verdict = 'missing'").select("known_id")
            lost = spark.table(name).join(gone, F.col("id") == F.col("known_id"), "left_semi")
            content = [one for one in names if one not in LANDING_COLUMNS and one != "updated_at"]
            ended = lost.select(*content).withColumn("is_active", F.lit(False))
            pending = pending.unionByName(_normalise(Part(part.entity, ended, part.file), batch))
        if count["landed"] or count["ended"] or count["missing"]:
            (
                DeltaTable.forName(spark, name)
                .alias("known")
                .merge(pending.alias("new"), "known.id = new.id")
                .whenMatchedUpdate(set={n: f"new.{n}" for n in names if n != "created_at"})
                .whenNotMatchedInsertAll()
                .execute()
            )
    return Landed(
        file=part.file,
        entity=part.entity,
        is_complete=part.is_complete,
        rows_read=count["landed"] + count["unchanged"] + count["ended"],
        rows_landed=count["landed"],
        rows_unchanged=count["unchanged"],
        rows_rejected=0,
        rows_ended=count["ended"],
        rows_missing=count["missing"],
    )


def _log(spark: SparkSession, batch: Batch, landed: Sequence[Landed]) -> None:
    rows = [{**vars(batch), **vars(one)} for one in landed]
    schema = ", ".join(f"{name} {kind}" for name, kind in BATCH_COLUMNS.items())
    values = [tuple(row[name] for name in BATCH_COLUMNS) for row in rows]
    spark.createDataFrame(values, schema).coalesce(1).writeTo("raw.batches").append()
