"""Do everything, in order, in one process and one Spark session."""

from pathlib import Path
from typing import Annotated

import typer

from python_jobs.build import build
from python_jobs.console import err, print_table
from python_jobs.docs import PAGE, docs
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
    """Land, build, test and document: a OneRoster bundle, or else a synthetic district."""
    if oneroster:
        landed = land_oneroster(oneroster, as_of, snapshot=files is not None)
    else:
        landed = land_synthetic(preset, scale, seed, snapshot=files is not None)
    if files:
        landed += land_files(files, as_of, snapshot=False)
    build()
    docs(PAGE)
    show(landed)
    show_marts()


def show_marts() -> None:
    """Print how many rows each mart holds."""
    spark = get_spark()
    tables = [row.tableName for row in spark.sql("show tables in kpi").collect()]
    counts = " union all ".join(f"select '{t}' as mart, count(*) as n from kpi.{t}" for t in tables)
    rows = spark.sql(f"{counts} order by mart").collect()
    print_table("KPI marts", ["mart", "rows"], rows)
    err.print('Ask them: . ./activate; district sql "select * from kpi.school_performance"')


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
