"""What the models learn from: the features, outcomes and groups that a release was tested with."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame, SparkSession

from python_jobs.errors import DistrictError
from python_jobs.release import LOG, current_release

FEATURES = [
    "grade_number", "num_courses", "num_homeworks", "avg_gpa", "num_changes", "num_drops",
    "attendance_rate", "recent_attendance_rate", "attendance_trend", "tardy_rate",
    "submission_rate", "submission_trend", "on_time_rate", "on_time_trend",
    "mean_percent", "mean_percent_trend", "lowest_course_percent", "num_failing_now",
    "math_percent", "math_trend", "english_percent", "english_trend",
    "science_percent", "science_trend", "social_science_percent", "social_science_trend",
    "prior_gpa", "num_failures", "num_school_moves", "num_incidents", "num_severe_incidents",
    "num_contacts", "num_views", "num_recent_views",
]  # fmt: skip
PROTECTED = [
    "sex", "race_ethnicity", "is_english_learner", "has_iep", "is_economically_disadvantaged",
]  # fmt: skip
GROUPS = [*PROTECTED, "school_id"]
KEY = ["student_id", "cut_id"]
LABEL = "is_at_risk"
SECOND_LABEL = "is_high_performer"
TODAY = "today"
MOST_ROWS = 200_000  # in memory, to learn from (Spark: all rows) and to test on
HASHES = 10_000
AUTO, SCIKIT_LEARN, SPARK = "auto", "scikit-learn", "spark"  # engines that learn
MINIMUM_POSITIVES = 20  # students with the outcome, in the years to learn from and in the last


@dataclass(frozen=True)
class Release:
    """A release, and the versions of the tables as they were when it was tested."""

    release_id: int
    tested_at: datetime
    as_of_date: date
    versions: dict[str, int]

    def table(self, spark: SparkSession, name: str) -> DataFrame:
        """Return the table (schema.name) as the release was made from it."""
        return spark.sql(f"select * from {name} version as of {self.versions[name]}")


SOURCES = ("ml.cut_dates", "ml.student_features", "ml.student_outcomes", "core.dim_student")


def read_release(spark: SparkSession) -> Release:
    """Return the current release. Raises DistrictError when there is none with features."""
    release_id = current_release(spark)
    if release_id is None:
        raise DistrictError(
            "nothing is released yet, and models learn from what is released",
            "run: district build, then: district release",
        )
    row = (
        spark.table(LOG)
        .where(f"release_id = {release_id} and tested_at is not null")
        .selectExpr("max(tested_at) as tested_at", "max(as_of_date) as as_of_date")
        .collect()[0]
    )
    with ThreadPoolExecutor(len(SOURCES)) as pool:
        at = pool.map(lambda name: _version_at(spark, name, row.tested_at), SOURCES)
    versions = dict(zip(SOURCES, at, strict=True))
    missing = [name for name, version in versions.items() if version is None]
    if missing:
        raise DistrictError(
            f"release {release_id} was made without {', '.join(missing)}",
            "run: district build, then: district release",
        )
    known = {name: version for name, version in versions.items() if version is not None}
    return Release(release_id, row.tested_at, row.as_of_date, known)


def _version_at(spark: SparkSession, table: str, moment: datetime) -> int | None:
    """Return the table's last version that was there at the moment."""
    if not spark.catalog.tableExists(table):
        return None
    history = spark.sql(f"describe history {table}")
    rows = history.where(history.timestamp <= moment).agg({"version": "max"}).collect()
    version: int | None = rows[0][0]
    return version


def count_rows(spark: SparkSession, release: Release) -> int:
    """Return how many rows of students and cuts there are beside those of today."""
    return release.table(spark, "ml.student_features").where(f"cut_type <> '{TODAY}'").count()


def engine_for(engine: str, rows: int) -> str:
    """Return the engine; auto is Spark when there is more to learn from than fits in memory."""
    if engine != AUTO:
        return engine
    return SPARK if rows > MOST_ROWS else SCIKIT_LEARN


def read_frame(spark: SparkSession, release: Release, most_rows: int = MOST_ROWS) -> pd.DataFrame:
    """Return one row per student and cut: features, outcomes, and the groups of the audit.

    All students of today; of the cuts before, all when they are at most most_rows, else those
    of a share of the students, chosen by a hash of their ids. Rows are in the order of the
    key, so that two runs see the same.
    """
    features = release.table(spark, "ml.student_features")
    count = count_rows(spark, release)
    if count > most_rows:
        chosen = f"pmod(xxhash64(student_id), {HASHES}) < {HASHES * most_rows // count}"
        features = features.where(f"cut_type = '{TODAY}' or {chosen}")
    outcomes = release.table(spark, "ml.student_outcomes")
    groups = release.table(spark, "core.dim_student").select("student_key", *PROTECTED)
    frame = features.join(outcomes, KEY).join(groups, "student_key", "left").toPandas()
    frame[FEATURES] = frame[FEATURES].astype(np.float32)
    for label in (LABEL, SECOND_LABEL):
        frame[label] = frame[label].astype("Float32").to_numpy(float, na_value=np.nan)
    return frame.sort_values(KEY, ignore_index=True)


@dataclass(frozen=True)
class Split:
    """Rows to learn from, and rows of the last school year with outcomes, which none learns from.

    An outcome of a row of `train` was known before the school year of `test` began.
    """

    train: pd.DataFrame
    test: pd.DataFrame
    test_year: int


def shortcomings(frame: pd.DataFrame, label: str = LABEL) -> list[str]:
    """Return what is missing to train and to test, in words; nothing when all is there."""
    known = learnable(frame, label)
    if known.empty:
        return ["no term whose outcome is known: a term, and a later one with its course marks"]
    years = sorted(known["label_school_year"].unique())
    missing = []
    if len(years) < 2:
        missing.append(
            f"outcomes of a second school year: only those of {years[0]:.0f} are known, "
            "and a year is needed to learn from and another to test on"
        )
    parts = {"the last school year": known[known["label_school_year"] == years[-1]]}
    if len(years) > 1:
        parts["the school years before"] = known[known["label_school_year"] < years[-1]]
    for name, part in parts.items():
        for value, word in ((1, "with"), (0, "without")):
            count = part.loc[part[label] == value, "student_id"].nunique()
            if count < MINIMUM_POSITIVES:
                missing.append(
                    f"students {word} the outcome in {name}: {count}, "
                    f"and at least {MINIMUM_POSITIVES} are needed"
                )
    return missing


def learnable(frame: pd.DataFrame, label: str = LABEL) -> pd.DataFrame:
    """Return the rows whose outcome is known; the cut of today repeats another or has none."""
    return frame[frame[label].notna() & (frame["cut_type"] != TODAY)]


def split_by_year(frame: pd.DataFrame, label: str = LABEL) -> Split:
    """Split by the school year in which the outcome shows: train on the past, test on the last.

    Raises DistrictError that names what is missing.
    """
    missing = shortcomings(frame, label)
    if missing:
        raise DistrictError(
            "too little data to train: " + "; ".join(missing), "land more school years, then build"
        )
    known = learnable(frame, label)
    last = int(known["label_school_year"].max())
    return Split(
        known[known["label_school_year"] < last].reset_index(drop=True),
        known[known["label_school_year"] == last].reset_index(drop=True),
        last,
    )


def latest_cut(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of today: one per student, who is enrolled."""
    today = frame[frame["cut_type"] == TODAY].sort_values(["cut_date", *KEY])
    return today.drop_duplicates("student_id", keep="last").reset_index(drop=True)


def matrix(frame: pd.DataFrame, columns: Sequence[str] = FEATURES) -> np.ndarray[Any, Any]:
    """Return the features as numbers, unknown ones as NaN."""
    return frame[list(columns)].to_numpy(np.float32)


def rows_of(frame: pd.DataFrame) -> list[Any]:
    """Return the rows as named tuples."""
    return list(frame.itertuples())
