"""Segment the students, warn early of those who may get into trouble, and say why.

Reads what the current release was made from: ml.student_features and ml.student_outcomes (dbt, in
models/ml). Writes the other tables of schema ml, and ml_reports/. See docs/ml.md.
"""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from python_jobs.build import require_raw
from python_jobs.console import progress
from python_jobs.errors import DistrictError
from python_jobs.spark import PROJECT, get_spark

REPORTS = "ml_reports"
PSI_LIMIT = 0.25  # below 0.1 is read as no change, above 0.25 as a large one


class Engine(StrEnum):
    """Who learns; see docs/ml.md."""

    AUTO = "auto"
    SCIKIT_LEARN = "scikit-learn"
    SPARK = "spark"


def command(
    capacity: Annotated[
        str, typer.Option(help="Share of the students whom the staff can see, as 10%.")
    ] = "10%",
    engine: Annotated[
        Engine,
        typer.Option(help="Who learns: Spark from all rows, or scikit-learn from what fits."),
    ] = Engine.AUTO,
    score_only: Annotated[
        bool, typer.Option("--score-only", help="Score today with the last model; train nothing.")
    ] = False,
    psi_limit: Annotated[
        float, typer.Option(help="Drift (PSI) of a feature from which scoring is refused.")
    ] = PSI_LIMIT,
    output: Annotated[Path | None, typer.Option(help="Folder of the reports.")] = None,
    review_queue: Annotated[
        Path | None, typer.Option(help="Write flagged students with reasons here (CSV), for staff.")
    ] = None,
    record_reviews: Annotated[
        Path | None, typer.Option(help="Read back such a file with decisions filled in.")
    ] = None,
) -> None:
    """Segment the students, and warn early of those who may get into trouble."""
    share = parse_share(capacity)
    from python_jobs.early_warning import data, job, review  # scikit-learn takes seconds to import

    require_raw()
    spark = get_spark()
    if record_reviews:
        review.record(spark, record_reviews)
        return
    with progress("Reading features"):
        release = data.read_release(spark)
        frame = data.read_frame(spark, release)
    if score_only:
        job.score_today(spark, release, frame, share, psi_limit)
    else:
        chosen = data.engine_for(engine.value, data.count_rows(spark, release))
        job.train(spark, release, frame, share, output or PROJECT / REPORTS, chosen)
    if review_queue:
        review.write_queue(spark, review_queue)


def parse_share(text: str) -> float:
    """Return 0.1 for 10% and for 0.1. Raises DistrictError when it is not above 0 and below 1."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", text)
    share = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    if not 0 < share < 1:
        raise DistrictError(f"{text!r} is no share of the students", "write: --capacity 10%")
    return share


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
