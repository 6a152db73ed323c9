"""Segments and the tree, on students made up so that the answer is known."""

import numpy as np
import pandas as pd
import pytest

from python_jobs.errors import DistrictError
from python_jobs.ml import (
    FEATURES,
    cluster,
    evaluate,
    split_by_year,
    train_tree,
    with_known_features,
)


def students(count: int, school_year: int) -> pd.DataFrame:
    """Every second student fails now, and again in the next term."""
    failing = np.arange(count) % 2
    frame = pd.DataFrame({name: np.zeros(count) for name in FEATURES})
    return frame.assign(
        student_id=[f"s{n}" for n in range(count)],
        term_id="t",
        term_start_date=pd.Timestamp(school_year, 1, 1),
        num_failures=failing,
        avg_gpa=3.0 - 2 * failing,
        is_at_risk=failing.astype(float),
        label_school_year=float(school_year),
    )


def test_unknown_feature_takes_the_median_and_nothing_else_moves() -> None:
    frame = students(5, 2025)
    frame["attendance_rate"] = [0.5, 0.7, np.nan, 0.9, 0.9]
    frame["submission_rate"] = np.nan
    known = with_known_features(frame)
    assert known["attendance_rate"].tolist() == [0.5, 0.7, pytest.approx(0.8), 0.9, 0.9]
    assert known["submission_rate"].tolist() == [0.0] * 5
    assert list(known.columns) == FEATURES


def test_tree_learns_on_earlier_years_and_is_tested_on_the_last() -> None:
    both = pd.concat([students(40, 2024), students(40, 2025)], ignore_index=True)
    train, test = split_by_year(both)
    assert set(train["label_school_year"]) == {2024.0}
    assert set(test["label_school_year"]) == {2025.0}
    risk = pd.Series(train_tree(train).predict_proba(with_known_features(test))[:, 1], test.index)
    metrics = evaluate(test, risk)
    assert metrics["roc_auc"] == 1.0
    assert (metrics["precision"], metrics["recall"]) == (1.0, 1.0)
    assert metrics["at_risk_share"] == 0.5


def test_measures_count_the_misses() -> None:
    test = students(4, 2025)
    metrics = evaluate(test, pd.Series([0.9, 0.9, 0.1, 0.1]))  # one of two found, one in vain
    assert (metrics["precision"], metrics["recall"], metrics["roc_auc"]) == (0.5, 0.5, 0.5)
    assert metrics["rule_recall"] == 1.0


def test_one_school_year_is_refused() -> None:
    with pytest.raises(DistrictError, match="course marks of two school years"):
        split_by_year(students(40, 2025))


def test_segments_are_numbered_by_rising_grades_and_hold_each_student_once() -> None:
    frame = students(40, 2025).assign(avg_gpa=np.repeat([0.5, 1.5, 2.5, 3.5], 10), num_failures=0)
    segments = cluster(pd.concat([frame.assign(term_start_date=pd.Timestamp(2024, 1, 1)), frame]))
    assert segments["student_id"].is_unique
    found = segments.set_index("student_id")["cluster"]
    assert found[frame["student_id"]].tolist() == np.repeat([0, 1, 2, 3], 10).tolist()
    with pytest.raises(DistrictError, match="3 students have course marks"):
        cluster(frame.head(3))
