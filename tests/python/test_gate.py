"""The gate: what breaks a rule of landing stops the build, and is named by its id alone."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from bundles import BUNDLE_1_1, write_bundle
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from python_jobs import build, gate
from python_jobs.land import land_oneroster
from python_jobs.landing.rules import RULES
from python_jobs.quality.expectations import Checkpoints
from python_jobs.quality.suites import Checked, suite
from python_jobs.schemas import ENTITIES, columns

HOSTILE_ID = "<script>alert('x')</script>"
SECRET = "Canary Carlson"
# Rows of enrollments that are no use: id, course, user, role, begin, end.
BROKEN = [
    (HOSTILE_ID, SECRET, "stu1", SECRET, "2026-12-01", "2026-08-20"),
    ("e8", "101", "tea1", "student", "1999-08-20", None),
    ("e1", None, "tea1", "teacher", None, None),
    (None, "101", "tea1", "teacher", None, None),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reports") / "gate.html"


@pytest.fixture(autouse=True)
def page_of_the_test(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate, "PAGE", page)


@pytest.fixture(scope="module")
def warehouse(
    empty_warehouse: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> SparkSession:
    folder = write_bundle(tmp_path_factory.mktemp("bundle"), BUNDLE_1_1)
    land_oneroster(folder, datetime(2026, 10, 1), snapshot=False)
    return empty_warehouse


def faults(checked: list[Checked], severity: Any) -> set[str]:
    return {
        f"{one.entity}.{result.expected.fault}"
        for one in checked
        for result in one.failures(severity)
    }


def land_by_hand(spark: SparkSession) -> int:
    """Put BROKEN into raw.enrollments as a batch of its own; return its id."""
    batches = spark.table("raw.batches")
    batch_id = batches.agg(F.max("batch_id")).collect()[0][0] + 1
    log = batches.where("entity = 'enrollments'").limit(1)
    log.withColumn("batch_id", F.lit(batch_id)).writeTo("raw.batches").append()
    names = "id", "course_id", "user_id", "role", "begin_date", "end_date"
    schema = ", ".join(f"{name} string" for name in names)
    given = {"is_active": F.lit(True), "batch_id": F.lit(batch_id)}
    rows = spark.createDataFrame(BROKEN, schema).withColumns(given)
    missing = columns("enrollments").keys() - set(rows.columns)
    rows = rows.withColumns(dict.fromkeys(missing, F.lit(None)))
    typed = [F.col(name).cast(kind).alias(name) for name, kind in columns("enrollments").items()]
    rows.select(*typed).writeTo("raw.enrollments").append()
    return int(batch_id)


def test_what_landed_passes_and_is_not_checked_again(warehouse: SparkSession, page: Path) -> None:
    checked = gate.check_raw()
    assert faults(checked, "stop") == set()
    assert faults(checked, "warn") == {
        "grades.score_above_maximum:points_earned",
        "grades.not_submitted_with_zero:points_earned",
    }
    assert {one.entity: one.row_count for one in checked}["grades"] == 3
    text = page.read_text()
    assert "The gate is open" in text
    assert "the score is above the maximum" in text
    assert "<bdi>r1</bdi>" in text
    assert gate.check_raw() == []


def test_broken_row_stops_the_build_and_no_value_is_told(
    warehouse: SparkSession,
    page: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def never(*_: object, **__: object) -> None:
        pytest.fail("dbt was started")

    results: list[object] = []
    run = Checkpoints._run

    def recorded(self: Checkpoints, *arguments: Any) -> Any:
        results.append(run(self, *arguments))
        return results[-1]

    monkeypatch.setattr(build, "run_dbt", never)
    monkeypatch.setattr(Checkpoints, "_run", recorded)
    mark = warehouse.table(gate.GATE).agg(F.max("up_to_batch_id")).collect()[0][0]
    batch_id = land_by_hand(warehouse)
    for _ in range(2):  # a run that stopped moves no mark
        with pytest.raises(gate.GateStopped) as stopped:
            build.build()
    last = warehouse.table(gate.GATE).where(f"up_to_batch_id = {batch_id}").collect()
    assert mark < batch_id
    assert {(row.entity, row.row_count) for row in last} == {("enrollments", len(BROKEN))}
    assert {f"{row.rule_id}:{row.column_name}" for row in last if not row.is_passed} == {
        "missing_id:id",
        "duplicate_id:id",
        "missing_value:course_id",
        "orphan:course_id",
        "invalid_value:role",
        "end_before_begin:end_date",
        "out_of_school_dates:begin_date",
        "role_mismatch:role",
    }
    text = page.read_text()
    said = f"{stopped.value.message} {stopped.value.hint}"
    assert "course_id names a row that has not landed (orphan; ids " in said
    assert str(page) in said
    assert "The gate stopped the build" in text
    assert "<bdi>e8</bdi>" in text
    assert "(no id)" in text
    assert "&lt;script&gt;" in text
    assert not re.search(r"<script|<link|<img|https?:|@import|url\(", text)
    shown = capfd.readouterr()
    assert "unexpected_count" in str(results)
    for place in (text, said, caplog.text, shown.out, shown.err, str(results), str(last)):
        assert SECRET not in place

    warehouse.sql(f"delete from raw.enrollments where batch_id = {batch_id}")
    gate.check_raw()
    assert gate.check_raw() == []


def test_own_files_keep_the_rules_that_they_landed_by() -> None:
    assert {one.fault for one in suite("incidents", None)} == {
        "missing_id:id",
        "duplicate_id:id",
        "missing_value:student_id",
        "missing_value:occurred_at",
        "orphan:student_id",
        "unknown_reference:school_id",
        "invalid_value:severity",
    }


def test_every_expectation_is_a_rule_with_a_condition_over_raw(warehouse: SparkSession) -> None:
    for entity in ENTITIES:
        expected = suite(entity, ("2026-01-01", "2027-01-01"))
        assert len({one.fault for one in expected}) == len(expected)
        for one in expected:
            assert one.column in columns(entity)
            assert one.broken
            assert RULES[one.rule].condition
