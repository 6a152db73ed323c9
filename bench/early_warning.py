"""Measure training and scoring of early warning for a large district: seconds and memory.

    python bench/early_warning.py --students 300000

Students are drawn at random in the shape of ml.student_features, as many rows as `district ml`
would read: all students of today, and at most MOST_ROWS rows of the cuts before.
"""

import argparse
import resource
from time import perf_counter

import numpy as np
import pandas as pd

from python_jobs.early_warning import clusters, training
from python_jobs.early_warning.data import (
    FEATURES,
    LABEL,
    MOST_ROWS,
    PROTECTED,
    SECOND_LABEL,
    latest_cut,
)

YEARS = (2024, 2025, 2026)
CUTS = ("mid_term", "term_end")


def frame_of(students: int) -> pd.DataFrame:
    """Return random students with cuts of three years, and the cut of today."""
    generator = np.random.default_rng(1)
    learned = min(students, MOST_ROWS // (len(YEARS) * len(CUTS)))
    parts = [(year, cut, learned) for year in YEARS for cut in CUTS]
    frames = []
    for year, cut, count in [*parts, (YEARS[-1], "today", students)]:
        frame = pd.DataFrame(
            generator.normal(size=(count, len(FEATURES))).astype(np.float32), columns=FEATURES
        )
        risk = 1 / (1 + np.exp(1.5 + frame["mean_percent"] + 0.5 * frame["attendance_rate"]))
        happened = (generator.random(count) < risk).astype(float)
        frame = frame.assign(
            student_id=[f"stu-{number:07d}" for number in range(count)],
            cut_id=f"{year}:{cut}",
            cut_type=cut,
            cut_date=pd.Timestamp(year, 3, 1).date(),
            school_year=year,
            label_school_year=float(year),
            school_days=90,
            term_school_days=90,
            school_id=[f"sch-{number:03d}" for number in generator.integers(500, size=count)],
            rule_level=(frame["mean_percent"] < -1).astype(int),
            rule_points=(frame["mean_percent"] < -1).astype(int),
        )
        frame[LABEL] = np.nan if cut == "today" else happened
        frame[SECOND_LABEL] = np.nan if cut == "today" else 1 - happened
        for name in PROTECTED:
            frame[name] = generator.integers(3, size=count).astype(str)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=300_000)
    students = parser.parse_args().students
    frame = frame_of(students)
    started = perf_counter()

    def say(step: str) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"{step}: {perf_counter() - started:.0f} s, {peak:.2f} GiB at most", flush=True)

    say(f"{len(frame):,} rows")
    segments = clusters.find_clusters(latest_cut(frame))
    say(f"{len(segments.students):,} students in segments")
    results = training.train(frame, 0.1, 10)
    say("trained, tested, audited")
    scores, reasons = training.score(results.best, frame, 0.1)
    say(f"{len(scores):,} students scored, {len(reasons):,} reasons")


if __name__ == "__main__":
    main()
