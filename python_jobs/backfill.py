"""Land years of exports in the order of their dates, with the history of each recorded."""

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from pyspark.sql import SparkSession

from python_jobs.build import build_snapshots
from python_jobs.console import err
from python_jobs.errors import DistrictError
from python_jobs.land import land_files, land_oneroster, show
from python_jobs.landing.bundle import holds_oneroster
from python_jobs.landing.files import holds_files
from python_jobs.landing.raw import Landed
from python_jobs.spark import get_spark

HOLDS = {"oneroster": holds_oneroster, "files": holds_files}
DATE = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})(?!\d)")


def command(
    folder: Annotated[
        Path,
        typer.Argument(help="Its bundles and folders of files have their dates in their names."),
    ],
    source: Annotated[
        str | None, typer.Option(help="The source's name, when the bundles have none.")
    ] = None,
    accept_mass_delete: Annotated[
        bool, typer.Option(help="Even when a bulk file would end more than a fifth of an entity.")
    ] = False,
) -> None:
    """Land dated bundles in order, such as 2024-09-01.zip; run it again to go on where it was."""
    landed = backfill(folder, source=source, accept_mass_delete=accept_mass_delete)
    if landed:
        show(landed)


def backfill(
    folder: Path, *, source: str | None = None, accept_mass_delete: bool = False
) -> list[Landed]:
    """Land what a folder holds and has not landed yet; return what became of the rows.

    Raises DistrictError before anything is written when an entry has no date or nothing to land,
    and at the first one that cannot be landed.
    """
    steps = dated_steps(folder)
    spark = get_spark()
    done = _landed_before(spark)
    left = [step for step in steps if (step.kind, step.path.name) not in done]
    err.print(f"{len(steps)} landings, {len(steps) - len(left)} of them done before")
    if done and left:
        build_snapshots()  # it may have been stopped just before these
    landed: list[Landed] = []
    for step in left:
        if step.kind == "oneroster":
            landed += land_oneroster(
                step.path, step.as_of, source=source, accept_mass_delete=accept_mass_delete
            )
        else:
            landed += land_files(step.path, step.as_of, source=source)
    return landed


class Step(NamedTuple):
    """One landing: the moment it speaks for, a path, and oneroster or files."""

    as_of: datetime
    path: Path
    kind: str


def dated_steps(folder: Path) -> list[Step]:
    """Return the landings of a folder's zips and folders, in the order of the dates in their names.

    A folder with both a OneRoster bundle and own files is two. Raises DistrictError when there is
    none, or an entry has no date or nothing to land.
    """
    if not folder.is_dir():
        raise DistrictError(f"{folder} is no folder", "give the folder that holds the bundles")
    paths = [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith((".", "_")) and (path.is_dir() or path.suffix.lower() == ".zip")
    ]
    if not paths:
        raise DistrictError(f"{folder} holds no zip and no folder", "put the bundles into it")
    steps = []
    for path in paths:
        day = _date_of(path)
        kinds = [kind for kind, holds in HOLDS.items() if holds(path)]
        if day is None:
            raise DistrictError(
                f"{path.name} has no date in its name",
                "name each bundle by the day it speaks for, such as 2024-09-01.zip",
            )
        if not kinds:
            raise DistrictError(f"{path.name} holds nothing that can be landed", "take it out")
        steps += [Step(datetime(*day, tzinfo=UTC), path, kind) for kind in kinds]
    return sorted(steps, key=lambda step: (step.as_of, step.path.name))


def _date_of(path: Path) -> tuple[int, int, int] | None:
    found = DATE.search(path.name)
    try:
        day = date(*map(int, found.groups())) if found else None
    except ValueError:
        return None
    return (day.year, day.month, day.day) if day else None


def _landed_before(spark: SparkSession) -> set[tuple[str, str]]:
    """Return the kind and name of each bundle that has landed."""
    if not spark.catalog.tableExists("raw.batches"):
        return set()
    log = spark.table("raw.batches")
    names = log.selectExpr("kind", "get_json_object(parameters, '$.bundle') as name").distinct()
    return {(row.kind, row.name) for row in names.collect()}


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
