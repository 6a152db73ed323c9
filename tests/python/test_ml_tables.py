"""Tables of early warning: runs, models and reviews, written and read back."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pyspark.sql import SparkSession

from python_jobs.early_warning import data, job, review, tables
from python_jobs.errors import DistrictError

RELEASE = data.Release(2, datetime(2026, 7, 1, tzinfo=UTC), date(2026, 6, 30), {"ml.cut_dates": 3})


@pytest.fixture(scope="module")
def ml(empty_warehouse: SparkSession) -> Iterator[SparkSession]:
    empty_warehouse.sql("create schema ml")
    yield empty_warehouse


@pytest.fixture
def current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review, "current_release", lambda spark: RELEASE.release_id)


def run_of(spark: SparkSession, kind: str = "train") -> tables.Run:
    return tables.start_run(spark, kind, RELEASE, data.SCIKIT_LEARN)


def test_nobody_scored_is_said_before_a_file_is_written(
    ml: SparkSession, current: None, tmp_path: Path
) -> None:
    with pytest.raises(DistrictError, match="nobody is scored yet"):
        review.write_queue(ml, tmp_path / "queue.csv")
    assert not list(tmp_path.iterdir())


def test_runs_are_numbered_and_one_without_a_model_is_kept(ml: SparkSession) -> None:
    job.write_no_model(ml, run_of(ml), ["a second school year"])
    second = run_of(ml, "score")
    assert second.run_id == 2
    row = ml.table(tables.RUNS).collect()[0]
    assert (row.kind, row.release_id, row.model_name) == ("train", 2, None)
    assert row.warning == "too little data: a second school year"
    assert '"ml.cut_dates": 3' in row.table_versions


def test_model_comes_back_and_one_of_other_features_is_refused(
    ml: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DistrictError, match="no model is trained yet"):
        tables.load_model(ml)
    tables.save_model(ml, run_of(ml), {"model": "a model", "capacity": 0.1})
    loaded = tables.load_model(ml)
    assert (loaded["model"], loaded["capacity"], loaded["run_id"]) == ("a model", 0.1, 2)
    with monkeypatch.context() as patch:
        patch.setattr(tables, "hash_of", lambda *folders: "other SQL")
        with pytest.raises(DistrictError, match="made in another way"):
            tables.load_model(ml)
    monkeypatch.setattr(tables, "FEATURES", data.FEATURES[1:])
    with pytest.raises(DistrictError, match="made in another way"):
        tables.load_model(ml)


def scores(release_id: int, students: list[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    frame = pd.DataFrame({"student_id": students, "cut_id": "S1:today", "school_id": "=1+1"})
    flagged = frame.assign(
        risk=0.5, risk_rank=range(1, len(students) + 1), is_flagged=True, release_id=release_id
    )
    reasons = frame[["student_id", "cut_id"]].assign(
        reason_rank=1, reason="Attendance this year: 80 % (usual 95 %)", release_id=release_id
    )
    return flagged, reasons


def written(spark: SparkSession, release_id: int, students: list[str]) -> None:
    for name, rows in zip(("scores", "reasons"), scores(release_id, students), strict=True):
        tables.write_tables(spark, [tables.Written(f"early_warning_{name}", rows, release_id)])


def decided(path: Path, student_id: str, **values: str) -> Path:
    """Fill in the line of a student, and leave the others as they are."""
    queue = pd.read_csv(path, dtype=str, keep_default_na=False)
    own = queue["student_id"] == student_id
    for name, value in values.items():
        queue.loc[own, name] = value
    filled = path.with_name(f"{student_id}.csv")
    queue.to_csv(filled, index=False)
    return filled


def reviews(spark: SparkSession) -> dict[Any, str]:
    return {row.student_id: row.decision for row in spark.table(f"ml.{review.TABLE}").collect()}


def test_queue_is_of_the_current_release_and_two_files_keep_both_decisions(
    ml: SparkSession, current: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Release 3 was rolled back to release 2; counsellors A and B fill a copy each."""
    monkeypatch.setattr(review, "show_outcomes", lambda spark: None)
    path = tmp_path / "queue.csv"
    written(ml, 3, ["newer"])
    with pytest.raises(DistrictError, match=r"current release \(2\) is scored"):
        review.write_queue(ml, path)
    written(ml, 2, ["a", "b", "+c"])
    assert review.write_queue(ml, path) == 3
    assert path.stat().st_mode & 0o777 == 0o600
    assert "newer" not in path.read_text()
    assert "'=1+1" in path.read_text()

    review.record(ml, decided(path, "a", decision=" support ", decided_on="2026-07-02"))
    review.record(ml, decided(path, "b", decision="watch"))
    assert reviews(ml) == {"a": "support", "b": "watch"}
    review.record(ml, decided(path, "a", decision="no_action"))
    review.record(ml, decided(path, "'+c", decision="watch"))
    assert reviews(ml) == {"a": "no_action", "b": "watch", "+c": "watch"}


def test_student_decided_twice_is_refused_by_line(tmp_path: Path) -> None:
    row = dict.fromkeys(review.COLUMNS, "") | {"release_id": "2", "student_id": "a"}
    queue = pd.DataFrame([row | {"decision": "watch"}, row, row | {"decision": "support"}])
    queue.to_csv(tmp_path / "queue.csv", index=False)
    with pytest.raises(DistrictError, match="lines 2, 4 decide on a student more than once"):
        review.read_decisions(tmp_path / "queue.csv")


def test_columns_about_students_say_so(ml: SparkSession) -> None:
    comments = {
        row.name: row.description for row in ml.catalog.listColumns("ml.early_warning_scores")
    }
    assert comments["student_id"] == "personal: identifier"
    assert comments["risk"] == "personal: sensitive"
    assert not comments["school_id"]
