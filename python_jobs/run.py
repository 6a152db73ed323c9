"""Do everything, in order, in one process and one Spark session."""

from pathlib import Path
from typing import Annotated

import typer

from python_jobs.build import build
from python_jobs.charts import draw
from python_jobs.console import err, print_table
from python_jobs.docs import PAGE, docs
from python_jobs.errors import DistrictError
from python_jobs.land import (
    AsOf,
    Scale,
    Seed,
    SyntheticPreset,
    land_files,
    land_oneroster,
    land_synthetic,
    show,
)
from python_jobs.release import ReleaseRefused, release
from python_jobs.serve import publish_if_configured
from python_jobs.spark import get_spark


def command(
    oneroster: Annotated[
        Path | None, typer.Option(help="Land this OneRoster bundle (zip or folder).")
    ] = None,
    files: Annotated[
        Path | None, typer.Option(help="Land the district's own files too (file or folder).")
    ] = None,
    as_of: AsOf = None,
    preset: SyntheticPreset = "demo",
    scale: Scale = None,
    seed: Seed = 1,
) -> None:
    """Land, build, test, release, document, draw: a OneRoster bundle, or a synthetic district."""
    if oneroster:
        landed = land_oneroster(oneroster, as_of, snapshot=files is not None)
    else:
        landed = land_synthetic(preset, scale, seed, snapshot=files is not None)
    if files:
        landed += land_files(files, as_of, snapshot=False)
    build()
    refused = None
    try:
        release()
    except ReleaseRefused as problem:  # what is not published can still be looked at
        refused = problem
    docs(PAGE)
    unserved = None
    if not refused:  # what a refused build says of who teaches whom is not served either
        try:
            publish_if_configured()
        except DistrictError as problem:
            unserved = problem
        draw(get_spark())
    show(landed)
    show_published()
    failed = refused or unserved
    if failed:
        raise failed


def show_published() -> None:
    """Print how many rows of each table readers see."""
    log = get_spark().table("pub.releases").where("is_current and row_count is not null")
    rows = log.select("table_name", "row_count").orderBy("table_name").collect()
    print_table("Schema pub", ["table", "rows"], rows)
    err.print('Ask them: . ./activate; district sql "select * from pub.school_performance"')


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
