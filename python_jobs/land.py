"""Land a source into the raw tables."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from python_jobs.build import build_snapshots
from python_jobs.console import print_table, progress
from python_jobs.errors import DistrictError
from python_jobs.landing.oneroster import open_bundle, read_parts
from python_jobs.landing.raw import Landed, create_raw_tables, land_batch
from python_jobs.landing.synthetic import PRESETS, District, batches, scaled
from python_jobs.landing.synthetic import night as next_night
from python_jobs.spark import get_spark

SYNTHETIC = "synthetic"

app = typer.Typer(no_args_is_help=True, help="Land a source into the raw tables.")

SyntheticPreset = Annotated[
    str, typer.Option(help="seed: the smallest district; demo: 600 students, three school years.")
]
Scale = Annotated[
    int | None,
    typer.Option(help="So many students, instead of a preset.", min=30, max=3_000_000),
]
Seed = Annotated[int, typer.Option(help="The same seed gives the same district.")]
AsOf = Annotated[
    datetime | None, typer.Option(help="The moment the data speaks for, UTC (default: now).")
]


@app.command("synthetic")
def synthetic_command(
    preset: SyntheticPreset = "demo",
    scale: Scale = None,
    seed: Seed = 1,
    night: Annotated[
        bool, typer.Option(help="Land what changes in the night after the last landing.")
    ] = False,
    changed: Annotated[
        float, typer.Option(help="Share of the students with changes in a night.", min=0, max=1)
    ] = 0.01,
) -> None:
    """Make a district of invented people, in Spark, and land it."""
    show(land_night(changed) if night else land_synthetic(preset, scale, seed))


@app.command("oneroster")
def oneroster_command(
    path: Annotated[Path, typer.Argument(help="OneRoster 1.1 or 1.2 bundle, zip or folder.")],
    as_of: AsOf = None,
) -> None:
    """Land a OneRoster bundle; landing the same one twice changes nothing."""
    show(land_oneroster(path, as_of))


def land_oneroster(path: Path, as_of: datetime | None, *, snapshot: bool = True) -> list[Landed]:
    """Land a bundle; return what became of its rows.

    snapshot: record the history of what it changed, now; False when a build follows at once.
    """
    with open_bundle(path) as bundle:
        spark = get_spark()
        with progress(f"Landing {path.name}"):
            landed = land_batch(
                spark,
                read_parts(spark, bundle),
                source_system=bundle.source_system,
                kind="oneroster",
                as_of=as_of or datetime.now(UTC),
                parameters={"bundle": path.name, "version": bundle.version},
            )
    if snapshot:
        build_snapshots()
    return landed


def land_synthetic(
    preset: str, scale: int | None, seed: int, *, snapshot: bool = True
) -> list[Landed]:
    """Land a synthetic district, school year by school year; return what became of the rows.

    snapshot: as for land_oneroster; between two school years history is always recorded.
    """
    if preset not in PRESETS:
        raise DistrictError(f"no preset {preset!r}", f"choose one of: {', '.join(PRESETS)}")
    district = scaled(scale, seed=seed) if scale else PRESETS[preset](seed=seed)
    spark = get_spark()
    landed: list[Landed] = []
    for position, (as_of, parts) in enumerate(batches(spark, district)):
        if position:
            build_snapshots()
        with progress(f"Landing a synthetic district, school year {district.years[position]}"):
            landed += land_batch(
                spark,
                parts,
                source_system=SYNTHETIC,
                kind="synthetic",
                as_of=as_of,
                parameters={"district": asdict(district), "night": 0},
            )
    if snapshot:
        build_snapshots()
    return landed


def land_night(changed: float, *, snapshot: bool = True) -> list[Landed]:
    """Land what changes in the night after the last synthetic landing, for a share of students."""
    spark = get_spark()
    district, last_night = _last_landing(spark)
    as_of, parts = next_night(spark, district, last_night + 1, changed)
    with progress(f"Landing night {last_night + 1}"):
        landed = land_batch(
            spark,
            parts,
            source_system=SYNTHETIC,
            kind="synthetic",
            as_of=as_of,
            parameters={"district": asdict(district), "night": last_night + 1},
        )
    if snapshot:
        build_snapshots()
    return landed


def _last_landing(spark: SparkSession) -> tuple[District, int]:
    create_raw_tables(spark)
    last = (
        spark.table("raw.batches")
        .where(F.col("source_system") == SYNTHETIC)
        .orderBy(F.desc("batch_id"))
        .select("parameters")
        .first()
    )
    if last is None:
        raise DistrictError(
            "no synthetic district has landed in this warehouse", "run: district land synthetic"
        )
    parameters = json.loads(last.parameters)
    return District(**parameters["district"]), parameters["night"]


def show(landed: Sequence[Landed]) -> None:
    """Print what became of every row, per file and entity; school years are added up."""
    header = ["file", "entity", "read", "landed", "unchanged", "rejected", "ended", "missing"]
    totals: dict[tuple[str, str], list[int]] = {}
    for one in landed:
        counts = [
            one.rows_read, one.rows_landed, one.rows_unchanged,
            one.rows_rejected, one.rows_ended, one.rows_missing,
        ]  # fmt: skip
        known = totals.setdefault((one.file, one.entity), [0] * len(counts))
        totals[one.file, one.entity] = [a + b for a, b in zip(known, counts, strict=True)]
    print_table("Rows by file and entity", header, [[*key, *n] for key, n in totals.items()])


if __name__ == "__main__":
    from python_jobs.cli import guarded

    guarded(app)
