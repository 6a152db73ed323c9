"""Land a source into the raw tables."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from python_jobs.build import build_snapshots, fit_to_raw, require_raw
from python_jobs.console import print_table, progress
from python_jobs.errors import DistrictError
from python_jobs.landing.bundle import Bundle, open_bundle
from python_jobs.landing.files import open_files, read_files
from python_jobs.landing.oneroster import other_files, read_parts
from python_jobs.landing.oneroster_checks import Checks
from python_jobs.landing.quarantine import record
from python_jobs.landing.raw import Batch, Landed, Part, land_batch, landed_source
from python_jobs.landing.source_totals import count_source
from python_jobs.landing.synthetic import District, batches
from python_jobs.landing.synthetic import night as next_night
from python_jobs.landing.synthetic_plan import SCENARIOS
from python_jobs.quarantine import show_rules
from python_jobs.spark import get_spark

SYNTHETIC = "synthetic"
# Rough sizes, enough to choose how Spark works.
ROW_BYTES = 100
ROWS_PER_STUDENT = 100

app: typer.Typer = typer.Typer(no_args_is_help=True, help="Land a source into the raw tables.")

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
    scenario: Annotated[
        str, typer.Option(help=f"Plant something to find: {', '.join(SCENARIOS)}.")
    ] = "",
) -> None:
    """Make a district of invented people, in Spark, and land it."""
    show(land_night(changed) if night else land_synthetic(preset, scale, seed, scenario=scenario))


@app.command("oneroster")
def oneroster_command(
    path: Annotated[Path, typer.Argument(help="OneRoster 1.1 or 1.2 bundle, zip or folder.")],
    as_of: AsOf = None,
    source: Annotated[
        str | None,
        typer.Option(help="The source's name, the same every time, when the bundle has none."),
    ] = None,
    implicit_deletes: Annotated[
        bool, typer.Option(help="End what a bulk file no longer lists.")
    ] = True,
    accept_mass_delete: Annotated[
        bool, typer.Option(help="Even when that is more than a fifth of an entity.")
    ] = False,
) -> None:
    """Land a OneRoster bundle; landing the same one twice changes nothing.

    Broken rows are kept in quality.quarantine and land by themselves once they are right.
    """
    landed = land_oneroster(
        path,
        as_of,
        source=source,
        implicit_deletes=implicit_deletes,
        accept_mass_delete=accept_mass_delete,
    )
    show(landed)


@app.command("files")
def files_command(
    path: Annotated[
        Path, typer.Argument(help="A CSV or Parquet file, or a folder of them: docs/files.md.")
    ],
    as_of: AsOf = None,
    source: Annotated[
        str | None,
        typer.Option(help="Whose students they speak of (default: the only source there is)."),
    ] = None,
) -> None:
    """Land attendance, communications, incidents, content views and other files of the district.

    Broken rows are kept in quality.quarantine and land by themselves once they are right.
    """
    show(land_files(path, as_of, source=source))


def land_oneroster(
    path: Path,
    as_of: datetime | None,
    *,
    source: str | None = None,
    implicit_deletes: bool = True,
    accept_mass_delete: bool = False,
    snapshot: bool = True,
) -> list[Landed]:
    """Land a bundle; return what became of its rows. What is broken goes to quarantine.

    implicit_deletes: end what a bulk file no longer lists. snapshot: record the history of what it
    changed, now; False when a build follows at once.
    """
    with open_bundle(path, source) as bundle:
        landed = _land_bundle(
            bundle,
            read_parts,
            "oneroster",
            as_of,
            implicit_deletes=implicit_deletes,
            accept_mass_delete=accept_mass_delete,
        )
    if snapshot:
        build_snapshots()
    return landed


def land_files(
    path: Path, as_of: datetime | None, *, source: str | None = None, snapshot: bool = True
) -> list[Landed]:
    """Land the district's own files, a file or a folder; return what became of their rows.

    source: whose students they speak of; by default the only source that has landed. snapshot: as
    for land_oneroster.
    """
    with open_files(path) as bundle:
        if source is None:
            require_raw()
            source = landed_source(get_spark())
        landed = _land_bundle(replace(bundle, source_system=source), read_files, "files", as_of)
    if snapshot:
        build_snapshots()
    return landed


def _land_bundle(
    bundle: Bundle,
    read: Callable[[Checks], list[Part]],
    kind: str,
    as_of: datetime | None,
    *,
    implicit_deletes: bool = True,
    accept_mass_delete: bool = False,
) -> list[Landed]:
    spark = get_spark()
    fit_to_raw(spark, sum(file.size for file in bundle.files.values()) // ROW_BYTES)
    with progress(f"Landing {bundle.name}"):
        checks = Checks(spark, bundle)
        parts = read(checks)
        totals = count_source(checks, implicit_deletes=implicit_deletes)

        def keep(batch: Batch) -> None:
            record(spark, batch, checks)
            totals.write(spark, batch)

        return land_batch(
            spark,
            parts if implicit_deletes else [replace(one, is_complete=False) for one in parts],
            source_system=bundle.source_system,
            kind=kind,
            as_of=as_of or datetime.now(UTC),
            parameters={"bundle": bundle.name, "version": bundle.version},
            others=other_files(checks),
            accept_mass_delete=accept_mass_delete,
            on_landed=keep,
        )


def land_synthetic(
    preset: str, scale: int | None, seed: int, *, scenario: str = "", snapshot: bool = True
) -> list[Landed]:
    """Land a synthetic district, school year by school year; return what became of the rows.

    scenario: what is planted in it, of SCENARIOS. snapshot: as for land_oneroster; between two
    school years history is always recorded.
    """
    parameters = {
        "preset": preset, "scale": scale, "seed": seed, "night": 0, "scenario": scenario,
    }  # fmt: skip
    district = _district(parameters)
    spark = get_spark()
    fit_to_raw(spark, district.students * ROWS_PER_STUDENT)
    landed: list[Landed] = []
    for position, (as_of, parts) in enumerate(batches(spark, district)):
        if position:
            build_snapshots()
        with progress(f"Landing a synthetic district as of {as_of:%Y-%m-%d}"):
            landed += _land_synthetic(spark, parts, as_of, parameters)
    if snapshot:
        build_snapshots()
    return landed


def land_night(changed: float, *, snapshot: bool = True) -> list[Landed]:
    """Land what changes in the night after the last synthetic landing, for a share of students."""
    spark = get_spark()
    fit_to_raw(spark)
    parameters = _last_parameters(spark)
    parameters["night"] += 1
    district = _district(parameters)
    as_of, parts = next_night(spark, district, parameters["night"], changed)
    with progress(f"Landing night {parameters['night']} as of {as_of:%Y-%m-%d}"):
        landed = _land_synthetic(spark, parts, as_of, parameters)
    if snapshot:
        build_snapshots()
    return landed


def _district(parameters: Mapping[str, Any]) -> District:
    scenario = parameters.get("scenario", "")
    if scenario not in ("", *SCENARIOS):
        raise DistrictError(f"no scenario {scenario!r}", f"choose one of: {', '.join(SCENARIOS)}")
    return replace(_plain_district(parameters), scenario=scenario)


def _plain_district(parameters: Mapping[str, Any]) -> District:
    if parameters["scale"]:
        return District.scale(parameters["scale"], parameters["seed"])
    presets = District.presets(parameters["seed"])
    if parameters["preset"] not in presets:
        raise DistrictError(
            f"no preset {parameters['preset']!r}", f"choose one of: {', '.join(presets)}"
        )
    return presets[parameters["preset"]]


def _land_synthetic(
    spark: SparkSession, parts: Sequence[Part], as_of: datetime, parameters: Mapping[str, Any]
) -> list[Landed]:
    return land_batch(
        spark,
        parts,
        source_system=SYNTHETIC,
        kind="synthetic",
        as_of=as_of,
        parameters=parameters,
    )


def _last_parameters(spark: SparkSession) -> dict[str, Any]:
    """Return how the last synthetic batch was made, from the log of batches."""
    last = spark.catalog.tableExists("raw.batches") and (
        spark.table("raw.batches")
        .where(F.col("source_system") == SYNTHETIC)
        .orderBy(F.desc("batch_id"))
        .select("parameters")
        .first()
    )
    if not last:
        raise DistrictError(
            "no synthetic district has landed in this warehouse", "run: district land synthetic"
        )
    parameters: dict[str, Any] = json.loads(last.parameters)
    return parameters


def show(landed: Sequence[Landed]) -> None:
    """Print what became of every row, per file and entity; school years are added up."""
    header = [
        "file", "entity", "read", "released", "landed", "unchanged", "ended", "rejected", "warned",
        "missing",
    ]  # fmt: skip
    totals: dict[tuple[str, str], list[int]] = {}
    for one in landed:
        counts = [
            one.rows_read, one.rows_released, one.rows_landed, one.rows_unchanged,
            one.rows_ended, one.rows_rejected, one.rows_warned, one.rows_missing,
        ]  # fmt: skip
        known = totals.setdefault((one.file, one.entity), [0] * len(counts))
        totals[one.file, one.entity] = [a + b for a, b in zip(known, counts, strict=True)]
    print_table("Rows by file and entity", header, [[*key, *n] for key, n in totals.items()])
    if sum(one.rows_rejected for one in landed):
        show_rules(get_spark())


if __name__ == "__main__":
    from python_jobs.cli import guarded

    guarded(app)
