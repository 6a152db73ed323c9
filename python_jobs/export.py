"""Write what has landed as a OneRoster 1.2 bundle that lands again to the same tables.

One query per file turns the rows of raw into the file's columns; Spark writes them as text, so that
no table has to fit into memory. Files that only add to others (courses, categories, demographics,
...) are made of what landing has kept of them.

OneRoster has no place for attendance, adjustments, content_views, communications and incidents,
for marks without a line item, nor for schools.region and grades, the program flags of users,
courses.credits, homeworks.submitted_at and file_type, contents.content_type and file_type. Contents
and homeworks that a source gave ids of their own have new ones when they land.
"""

import csv
import io
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from python_jobs.build import require_raw
from python_jobs.console import err, print_table, progress
from python_jobs.errors import DistrictError
from python_jobs.export_queries import QUERIES
from python_jobs.landing.bundle import FILES
from python_jobs.landing.oneroster import ADDS_TO, METADATA_KEYS
from python_jobs.landing.oneroster_files import ENTITY_OF, columns_of
from python_jobs.landing.raw import landed_source
from python_jobs.landing.records import EXPORTED
from python_jobs.schemas import ENTITIES
from python_jobs.spark import get_spark

PARALLEL_WRITES = 4
# Where the header of 1.2 differs from the columns that landing reads.
ONLY_1_1 = {"users": {"orgSourcedIds", "role"}, "lineItems": {"gradingPeriodSourcedId"}}
PASSWORD_AFTER = {"users": "grades", "userProfiles": "username"}
NOT_IN_ONEROSTER = ("adjustments", "attendance", "content_views", "communications", "incidents")

app: typer.Typer = typer.Typer(no_args_is_help=True)


@app.callback()
def export() -> None:
    """Write what has landed for other systems."""


@app.command("oneroster")
def oneroster_command(
    path: Annotated[Path, typer.Argument(help="A zip when it ends in .zip, else a folder.")],
    source: Annotated[
        str | None, typer.Option(help="Whose rows, when several sources have landed.")
    ] = None,
) -> None:
    """Write a OneRoster 1.2 bundle that lands again to the same tables."""
    with progress(f"Writing {path.name}"):
        rows, left_out = export_oneroster(path, source)
    print_table("Rows by file", ["file", "rows"], [[f"{file}.csv", n] for file, n in rows.items()])
    if left_out:
        shown = ", ".join(f"{entity} {count:,}" for entity, count in left_out.items())
        err.print(f"Left out, for OneRoster has no place for these rows: {shown}.", soft_wrap=True)


def export_oneroster(
    path: Path, source: str | None = None
) -> tuple[dict[str, int], dict[str, int]]:
    """Write the bundle of a source; return the rows of each file, and those left out per entity.

    The path is there only once the bundle is whole. Raises DistrictError when it is taken, when
    nothing has landed, or when it is open which source is meant.
    """
    _refuse_taken(path)
    require_raw()
    spark = get_spark()
    source = landed_source(spark, source)
    raw = {
        entity: spark.table(f"raw.{entity}").where(F.col("source_system") == source)
        for entity in ENTITIES
    }
    with _unfinished(path.absolute()) as folder, ThreadPoolExecutor(PARALLEL_WRITES) as pool:
        counts = pool.map(lambda file: _write_file(spark, file, raw, folder), QUERIES)
        rows = dict(zip(QUERIES, counts, strict=True))
        _write_manifest(folder, source)
    left_out = {entity: raw[entity].count() for entity in NOT_IN_ONEROSTER}
    marks = raw["grades"].where("assignment_id is null and is_active")
    left_out["grades without an assignment"] = marks.count()
    return rows, {entity: count for entity, count in left_out.items() if count}


def _refuse_taken(path: Path) -> None:
    is_free_folder = path.is_dir() and not _is_zip(path) and not any(path.iterdir())
    if path.exists() and not is_free_folder:
        raise DistrictError(
            f"{path} exists already", "give another path, or remove what is there first"
        )


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


@contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """Give a folder beside the path; at the end make it the path, as a zip or as it is."""
    folder = path.with_name(f".{path.name}.unfinished")
    shutil.rmtree(folder, ignore_errors=True)  # what a killed export has left
    folder.mkdir(parents=True)
    try:
        yield folder
        if _is_zip(path):
            files = sorted(folder.iterdir())
            packed = folder / path.name
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in files:
                    archive.write(file, file.name)
            packed.rename(path)
        else:
            folder.rename(path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write_manifest(folder: Path, source: str) -> None:
    rows = [("propertyName", "value"), ("manifest.version", "1.0"), ("oneroster.version", "1.2")]
    rows += [(f"file.{file}", "bulk" if file in QUERIES else "absent") for file in sorted(FILES)]
    rows += [("source.systemName", source), ("source.systemCode", source)]
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as text:
        csv.writer(text).writerows(rows)


def _write_file(spark: SparkSession, file: str, raw: Mapping[str, DataFrame], folder: Path) -> int:
    """Write one file of the bundle, header first; return how many rows it has."""
    frame = spark.sql(QUERIES[file], None, **raw)
    columns = _columns(file, frame)
    counted = Observation()
    line = F.concat_ws(",", *[_quoted(text) for text in columns.values()])
    lines = frame.select(line).observe(counted, F.count(F.lit(1)).alias("rows"))
    parts = folder / f"{file}.parts"
    lines.write.option("lineSep", "\r\n").text(f"file://{parts}")
    header = io.StringIO(newline="")
    csv.writer(header).writerow(columns)
    with (folder / f"{file}.csv").open("wb") as whole:
        whole.write(header.getvalue().encode())
        for part in sorted(parts.glob("part-*")):
            with part.open("rb") as piece:
                shutil.copyfileobj(piece, whole, 1 << 20)
    shutil.rmtree(parts)
    return int(counted.get["rows"])


def _columns(file: str, frame: DataFrame) -> dict[str, Column]:
    """Return the columns of a file, in the order of OneRoster 1.2, as texts: name to column.

    A column that the query does not give comes from metadata or is empty. What else metadata
    holds, and other columns do not say, follows under names that landing reads back.
    """
    kinds = dict(frame.dtypes)
    texts = {
        "sourcedId": F.col("sourcedId"),
        "status": F.lit(""),
        "dateLastModified": F.lit(""),
    }
    if "updated_at" in kinds:
        texts["status"] = F.when(F.col("is_active"), "active").otherwise("tobedeleted")
        texts["dateLastModified"] = _instant(F.col("updated_at"))
    for name, column in columns_of(file).items():
        if name in texts or name in ONLY_1_1.get(file, ()):
            continue
        if name in kinds:
            texts[name] = _text(name, kinds[name])
        else:
            is_kept = column.is_kept_as_metadata and "metadata" in kinds
            texts[name] = F.col("metadata")[name] if is_kept else F.lit("")
        if name == PASSWORD_AFTER.get(file):
            texts["password"] = F.lit("")
    extra = {name: F.col(name) for name in kinds if name in ONLY_1_1.get(file, ())}
    if "metadata" in kinds and file in [*ENTITY_OF, "resources"]:
        keys = frame.select(F.explode(F.map_keys("metadata")).alias("key")).distinct().collect()
        others = sorted({row.key for row in keys} - _said_elsewhere(file))
        extra |= {name: F.col("metadata")[name] for name in others}
    for name, text in extra.items():
        texts[name if name.startswith("metadata.") else EXPORTED + name] = text
    return texts


def _said_elsewhere(file: str) -> set[str]:
    """Return the metadata keys that columns of this file or of those that add to it say."""
    entity = ENTITY_OF.get(file, "contents")
    files = {file, *[name for name, adds_to in ADDS_TO.items() if adds_to == entity]}
    kept = {
        name
        for one in files
        for name, column in columns_of(one).items()
        if column.is_kept_as_metadata
    }
    return kept.union({"role", "resourceSourcedId"}, *[METADATA_KEYS.get(one, ()) for one in files])


def _text(name: str, kind: str) -> Column:
    """Return a column as OneRoster writes values of its type."""
    value = F.col(name)
    if kind.startswith("array"):
        return F.array_join(value, ",")
    if kind.startswith("decimal"):
        return F.regexp_replace(value.cast("string"), r"\.?0+$", "")
    if kind == "timestamp":
        is_day = value == F.date_trunc("day", value)
        return F.when(is_day, value.cast("date").cast("string")).otherwise(_instant(value))
    return value.cast("string")


def _instant(value: Column) -> Column:
    """Return ISO 8601 in UTC, with microseconds where there are any."""
    iso = F.date_format(value, "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'")
    return F.regexp_replace(iso, "000Z$", "Z")


def _quoted(text: Column) -> Column:
    """Return a CSV field (RFC 4180); null is an empty one."""
    text = F.coalesce(text, F.lit(""))
    doubled = F.concat(F.lit('"'), F.replace(text, F.lit('"'), F.lit('""')), F.lit('"'))
    return F.when(text.rlike('[",\r\n]'), doubled).otherwise(text)


if __name__ == "__main__":
    from python_jobs.cli import guarded

    guarded(app)
