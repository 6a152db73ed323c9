"""The only writer of the raw tables: merges one batch, and logs what became of each row."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain

from delta.tables import DeltaTable
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from python_jobs.errors import DistrictError
from python_jobs.landing.forgotten import forgotten, without_forgotten
from python_jobs.landing.source_totals import create_source_totals
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
    "rows_released": "bigint",  # had waited in quarantine, and are right now
    "rows_landed": "bigint",
    "rows_unchanged": "bigint",
    "rows_rejected": "bigint",  # in quality.quarantine
    "rows_ended": "bigint",
    "rows_missing": "bigint",  # ended because a complete file no longer lists them
    "rows_warned": "bigint",  # of those that landed or were unchanged
    "parameters": "string",  # JSON
}
PARALLEL_WRITES = 4
VERDICTS = ("landed", "unchanged", "ended", "missing", "foreign")
# The change feed is the history of the raw rows; it costs nothing on a first load.
CHANGE_FEED = "delta.enableChangeDataFeed"
MASS_DELETE_SHARE = 0.2


@dataclass(frozen=True)
class Part:
    """Rows of one entity, as a source gives them.

    frame has `id` and any of the entity's columns; a missing one is null, each is cast to the raw
    type. Optional: is_active (true), created_at, updated_at, metadata, effective_at (the batch's
    as_of). is_complete: active rows of the same source that the frame lacks are ended, but for
    those that `held` names, column -> frame of ids: what was rejected is not gone.
    rows_read: as the reader counted; None when the rows are made, not read one by one.
    """

    entity: str
    frame: DataFrame
    file: str
    is_complete: bool = False
    rows_read: int | None = None
    rows_rejected: int = 0
    rows_released: int = 0
    rows_warned: int = 0
    held: Mapping[str, DataFrame] = field(default_factory=dict)


@dataclass(frozen=True)
class Landed:
    """What became of a part's rows: read + released = landed + unchanged + rejected + ended.

    Raises AssertionError when it is not so: a row would be lost.
    """

    file: str
    entity: str
    is_complete: bool
    rows_read: int
    rows_landed: int
    rows_unchanged: int
    rows_rejected: int
    rows_ended: int
    rows_missing: int = 0
    rows_released: int = 0
    rows_warned: int = 0

    def __post_init__(self) -> None:
        """Hold the law."""
        came = self.rows_read + self.rows_released
        became = self.rows_landed + self.rows_unchanged + self.rows_rejected + self.rows_ended
        if came != became:
            raise AssertionError(f"{self.file}: {came} rows came, {became} are accounted for")


def _create_raw_tables(spark: SparkSession, later: Collection[str]) -> set[str]:
    """Create the schema and every entity's table that is not there yet.

    later: tables that are made with their first rows. Returns those of them that do not exist.
    """
    if not spark.catalog.databaseExists("raw"):
        spark.sql("create schema raw")
    have = {row.tableName for row in spark.sql("show tables in raw").collect()}

    def create(entity: str) -> None:
        body = ", ".join(f"`{column}` {kind}" for column, kind in columns(entity).items())
        properties = f"tblproperties ('{CHANGE_FEED}' = 'true')"
        spark.sql(f"create table if not exists raw.{entity} ({body}) using delta {properties}")

    with ThreadPoolExecutor(PARALLEL_WRITES) as pool:
        list(pool.map(create, set(ENTITIES) - have - set(later)))
    return set(later) - have


@dataclass(frozen=True)
class Batch:
    """One landing: everything that its rows have in common."""

    batch_id: int
    source_system: str
    kind: str
    as_of: datetime
    landed_at: datetime
    parameters: str
    forgotten: frozenset[str]  # pseudonyms; their rows land under these


@dataclass
class _Merge:
    """A part and what it changes: the rows to write, and how many rows got which verdict."""

    part: Part
    pending: DataFrame
    is_first: bool = False
    count: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VERDICTS, 0))


def land_batch(
    spark: SparkSession,
    parts: Sequence[Part],
    *,
    source_system: str,
    kind: str,
    as_of: datetime,
    parameters: Mapping[str, object] | None = None,
    others: Sequence[Landed] = (),
    accept_mass_delete: bool = False,
    on_landed: Callable[[Batch], None] | None = None,
) -> list[Landed]:
    """Merge a batch into raw by id and log it in raw.batches; the same rows again change nothing.

    as_of: the moment the batch speaks for, UTC; must not lie before the source's last batch.
    others: files that only add to the rows of the parts, for the log. on_landed: called with the
    batch once its rows are in raw. Raises DistrictError when as_of is too early, ids belong to
    another source, or complete files lack more than MASS_DELETE_SHARE of an entity's rows
    (accept_mass_delete lets them); nothing is written then.
    """
    new = _create_raw_tables(spark, later=["batches", *(part.entity for part in parts)])
    create_source_totals(spark)
    log = json.dumps(dict(parameters or {}), sort_keys=True)
    last = (None, None) if "batches" in new else _last_batch(spark, source_system)
    batch = _next_batch(*last, source_system, kind, as_of, log, forgotten(spark))
    with ThreadPoolExecutor(PARALLEL_WRITES) as pool:
        merges = list(
            pool.map(lambda part: _compare(spark, part, batch, part.entity in new), parts)
        )
        try:
            for merge in merges:
                if merge.count.get("foreign"):
                    raise DistrictError(
                        f"{merge.count['foreign']} ids of {merge.part.file} already belong to "
                        f"another source than {source_system}",
                        "land this district into a warehouse of its own (--warehouse FOLDER)",
                    )
            if not accept_mass_delete:
                _brake(spark, merges, source_system)
            # One writer per table: parts of the same entity one after the other.
            by_entity: defaultdict[str, list[_Merge]] = defaultdict(list)
            for merge in merges:
                by_entity[merge.part.entity].append(merge)
            written = pool.map(
                lambda group: [_write(spark, merge, batch) for merge in group], by_entity.values()
            )
            landed = list(chain.from_iterable(written))
        finally:
            for merge in merges:
                merge.pending.unpersist()
    if on_landed:
        on_landed(batch)
    landed += others
    _log(spark, batch, landed, "batches" in new)
    return landed


def _brake(spark: SparkSession, merges: Sequence[_Merge], source_system: str) -> None:
    """Refuse a batch whose complete files lack so many rows that the export is likely broken."""
    for merge in merges:
        if not (missing := merge.count["missing"]):
            continue
        entity = merge.part.entity
        is_ours = F.col("source_system") == source_system
        active = spark.table(f"raw.{entity}").where(is_ours & F.col("is_active")).count()
        if missing > MASS_DELETE_SHARE * active:
            raise DistrictError(
                f"{merge.part.file} would end {missing:,} of {active:,} {entity}",
                "check that the export is whole; if it is, land it with --accept-mass-delete",
            )


def landed_source(spark: SparkSession, named: str | None = None) -> str:
    """Return the source that is meant: the one named, else the only one that has landed.

    Raises DistrictError when it is open which one, or the one named has not landed.
    """
    rows = spark.table("raw.batches").select("source_system").distinct().collect()
    landed = sorted(row.source_system for row in rows)
    if named is None and len(landed) > 1:
        raise DistrictError(
            f"{len(landed)} sources have landed in this warehouse",
            f"say which one with --source: {', '.join(landed)}",
        )
    if named is not None and named not in landed:
        raise DistrictError(
            f"no source {named!r} has landed in this warehouse",
            f"choose one of: {', '.join(landed)}",
        )
    return named or landed[0]


def _last_batch(spark: SparkSession, source_system: str) -> tuple[int | None, datetime | None]:
    """Return the highest batch id of all, and the latest moment that this source spoke for."""
    is_ours = F.col("source_system") == source_system
    latest = F.max(F.when(is_ours, F.col("as_of")))
    last_id, last_as_of = spark.table("raw.batches").agg(F.max("batch_id"), latest).collect()[0]
    return last_id, last_as_of


def _next_batch(
    last_id: int | None,
    last_as_of: datetime | None,
    source_system: str,
    kind: str,
    as_of: datetime,
    parameters: str,
    known: frozenset[str],
) -> Batch:
    """Return a new batch; its id is readable as a UTC time and above all earlier ones."""
    as_of = as_of.astimezone(UTC).replace(tzinfo=None) if as_of.tzinfo else as_of
    if last_as_of is not None and as_of < last_as_of:
        raise DistrictError(
            f"this batch of {source_system} speaks for {as_of:%Y-%m-%d %H:%M:%S}, but one for "
            f"{last_as_of:%Y-%m-%d %H:%M:%S} has landed",
            "land batches in their order, or set --as-of to a later time",
        )
    if as_of == last_as_of:  # each version of a row needs a moment of its own
        as_of += timedelta(microseconds=1)
    landed_at = datetime.now(UTC).replace(tzinfo=None)
    now = int(f"{landed_at:%Y%m%d%H%M%S}{landed_at.microsecond // 1000:03d}")
    batch_id = max(now, (last_id or 0) + 1)
    return Batch(batch_id, source_system, kind, as_of, landed_at, parameters, known)


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
    frame = without_forgotten(frame, part.entity, batch.forgotten)
    return frame.withColumn("row_hash", row_hash(part.entity)).select(*types)


def row_hash(entity: str) -> Column:
    """Return SQL for the hash of a raw row's content, by which a change is seen."""
    times = {"created_at", "updated_at"} | LANDING_COLUMNS.keys()
    hashed = [_as_text(name, kind) for name, kind in columns(entity).items() if name not in times]
    return F.xxhash64(*hashed)


def _as_text(name: str, kind: str) -> Column:
    """Return a text for hashing, in which null differs from empty and a map has one order."""
    value = F.array_sort(F.map_entries(name)) if kind.startswith("map") else F.col(name)
    return F.coalesce(value.cast("string"), F.lit("\0"))


def _compare(spark: SparkSession, part: Part, batch: Batch, is_first: bool) -> _Merge:
    """Find the rows that are new, changed, or missing from a complete file; write nothing."""
    frame = _normalise(part, batch)
    if is_first:
        return _Merge(part, frame, is_first=True)
    raw = spark.table(f"raw.{part.entity}")
    known = raw.select(
        F.col("id").alias("known_id"),
        F.col("row_hash").alias("known_hash"),
        F.col("source_system").alias("known_source"),
        F.col("is_active").alias("known_is_active"),
        *[F.col(name).alias(f"known_{name}") for name in part.held if name != "id"],
    )
    is_held = F.lit(False)
    for name, ids in part.held.items():
        held = ids.toDF(f"held_{name}")
        known = known.join(held, F.col(f"known_{name}") == F.col(f"held_{name}"), "left")
        is_held |= F.col(f"held_{name}").isNotNull()
    is_ours = F.col("known_source") == batch.source_system
    is_gone = is_ours & F.col("known_is_active") & ~is_held
    verdict = (
        F.when(F.col("id").isNull(), F.when(is_gone, "missing"))
        .when(~is_ours, "foreign")
        .when(F.col("row_hash") == F.col("known_hash"), "unchanged")
        # What has ended stays as it was known, whatever the source still says of it.
        .when(~F.col("is_active") & ~F.col("known_is_active"), "unchanged")
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
    if merge.is_first:
        _create(spark, merge)
    elif any(merge.count[one] for one in ("landed", "ended", "missing")):
        _merge(spark, merge, batch)
    part, count = merge.part, merge.count
    became = count["landed"] + count["unchanged"] + count["ended"]
    return Landed(
        file=part.file,
        entity=part.entity,
        is_complete=part.is_complete,
        rows_read=became if part.rows_read is None else part.rows_read,
        rows_landed=count["landed"],
        rows_unchanged=count["unchanged"],
        rows_rejected=part.rows_rejected,
        rows_ended=count["ended"],
        rows_missing=count["missing"],
        rows_released=part.rows_released,
        rows_warned=part.rows_warned,
    )


def _create(spark: SparkSession, merge: _Merge) -> None:
    """Make the entity's table with its first rows, and count them.

    Replace, because a landing that was killed may have left files that the catalog does not know.
    """
    name = f"raw.{merge.part.entity}"
    merge.pending.writeTo(name).using("delta").tableProperty(CHANGE_FEED, "true").createOrReplace()
    first = spark.table(name).agg(
        F.count_if("is_active").alias("landed"), F.count_if(~F.col("is_active")).alias("ended")
    )
    merge.count.update(first.collect()[0].asDict())


def _merge(spark: SparkSession, merge: _Merge, batch: Batch) -> None:
    part, name = merge.part, f"raw.{merge.part.entity}"
    names = list(columns(part.entity))
    is_known = "known_id is not null"
    pending = merge.pending.where(f"verdict = 'landed' or not ({is_known})").select(*names)
    if merge.count["missing"] or merge.count["ended"]:
        gone = merge.pending.where(f"verdict != 'landed' and {is_known}")
        lost = spark.table(name).drop("updated_at")
        lost = lost.join(gone.select("known_id", "updated_at"), F.col("id") == F.col("known_id"))
        content = [one for one in names if one not in LANDING_COLUMNS]
        ended = lost.select(*content).withColumn("is_active", F.lit(False))
        pending = pending.unionByName(_normalise(Part(part.entity, ended, part.file), batch))
    (
        DeltaTable.forName(spark, name)
        .alias("known")
        .merge(pending.alias("new"), "known.id = new.id")
        .whenMatchedUpdate(set={n: f"new.{n}" for n in names if n != "created_at"})
        .whenNotMatchedInsertAll()
        .execute()
    )


def _log(spark: SparkSession, batch: Batch, landed: Sequence[Landed], is_first: bool) -> None:
    rows = [{**vars(batch), **vars(one)} for one in landed]
    schema = ", ".join(f"{name} {kind}" for name, kind in BATCH_COLUMNS.items())
    values = [tuple(row[name] for name in BATCH_COLUMNS) for row in rows]
    log = spark.createDataFrame(values, schema).coalesce(1).writeTo("raw.batches")
    if is_first:
        log.using("delta").createOrReplace()
    else:
        log.option("mergeSchema", "true").append()
