"""The district's own files land by the same rules as a OneRoster bundle."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bundles import BUNDLE_1_1, BUNDLE_1_2, write_bundle
from pyarrow import csv
from pyspark.sql import SparkSession

from python_jobs.errors import DistrictError
from python_jobs.land import land_files, land_oneroster
from python_jobs.landing.oneroster_files import OWN_FILES
from python_jobs.landing.raw import Landed

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


@pytest.fixture(scope="module")
def district(empty_warehouse: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Land the students that the files speak of; return the bundle."""
    resources = {file: BUNDLE_1_2[file] for file in ("resources", "classResources")}
    folder = write_bundle(tmp_path_factory.mktemp("bundle"), BUNDLE_1_1 | resources)
    land_oneroster(folder, datetime(2026, 10, 1), snapshot=False)
    return folder


@pytest.fixture(scope="module")
def examples(district: Path) -> Iterator[dict[str, Landed]]:
    """Land the examples of the documentation."""
    landed = land_files(EXAMPLES, datetime(2026, 10, 2), snapshot=False)
    yield {one.file: one for one in landed}


def test_every_example_lands_whole(spark: SparkSession, examples: dict[str, Landed]) -> None:
    assert {f"{file}.csv" for file in OWN_FILES} <= examples.keys()
    for file in OWN_FILES:
        one = examples[f"{file}.csv"]
        lines = len(Path(EXAMPLES, one.file).read_text().splitlines()) - 1
        assert (one.rows_read, one.rows_landed, one.rows_rejected) == (lines, lines, 0), file
    absent = spark.table("raw.attendance").where("id = 'stu1 | 2026-09-02'").collect()[0]
    assert (absent.absent_fraction, absent.is_excused, absent.student_id) == (1, True, "stu1")
    student = spark.table("raw.users").where("id = 'stu1'").collect()[0]
    assert student.is_english_learner and student.has_iep is False
    assert student.family_name == "Été"


def test_flags_outlive_the_next_bundle(
    spark: SparkSession, examples: dict[str, Landed], district: Path
) -> None:
    again = land_oneroster(district, datetime(2026, 10, 3), snapshot=False)
    assert sum(one.rows_landed for one in again if one.entity == "users") == 0
    assert spark.table("raw.users").where("has_iep is not null").count() == 1


def test_broken_rows_wait_in_quarantine(
    spark: SparkSession, examples: dict[str, Landed], tmp_path: Path
) -> None:
    faults = {
        "b1,nobody,,2026-09-01,absent,1,": "orphan:student_id",
        "b2,stu1,,2026-09-01,ill,1,": "invalid_value:status",
        "b3,stu1,,01.09.2026,absent,1,": "invalid_date:date",
        "b4,stu1,,2026-09-01,absent,1.5,": "invalid_share:absent_fraction",
        "b5,stu1,,2001-09-01,absent,1,": "out_of_school_dates:date",
        "b6,stu1,,2026-09-01,absent,1": "short_row",
        ",stu1,,2026-09-01,absent,1,": "missing_id",
    }
    header = "id,student_id,school_id,date,status,absent_fraction,is_excused"
    sound = ["b8,stu1,00001,2026-09-09T00:00:00,Tardy,0,", "b9,stu1,77,2026-09-10,absent,1,yes"]
    path = tmp_path / "Attendance.CSV"
    path.write_text("\n".join([header, *faults, *sound]))
    (one,) = land_files(path, datetime(2026, 10, 4), snapshot=False)
    assert (one.rows_read, one.rows_landed, one.rows_rejected) == (9, 2, 7)
    assert one.rows_warned == 1  # a school that has not landed
    rows = spark.table("quality.quarantine").where("file = 'attendance' and status = 'open'")
    found = {
        row.line: ":".join(filter(None, (row.rule_id, row.column_name))) for row in rows.collect()
    }
    assert list(faults.values()) == [found[line] for line in range(2, 9)]

    path = tmp_path / "incidents.csv"
    header = "id,student_id,occurred_at,severity,days_suspended,is_active"
    lines = ["i8,stu1,2026-09-01,awful,0,", "i9,stu1,2026-09-01,minor,1000,", "i1,,,,,false"]
    path.write_text("\n".join([header, *lines]))
    landed = land_files(path, datetime(2026, 10, 5), snapshot=False)
    (one,) = (one for one in landed if one.file == "incidents.csv")
    assert (one.rows_rejected, one.rows_ended) == (2, 1)
    ended = spark.table("raw.incidents").where("id = 'i1'").collect()[0]
    assert (ended.is_active, ended.category) == (False, "fighting")


def test_parquet_lands_as_its_csv_does(
    spark: SparkSession, examples: dict[str, Landed], tmp_path: Path
) -> None:
    for file in ("attendance", "communications", "demographic_flags"):
        ids_are_text = csv.ConvertOptions(column_types={"school_id": pa.string()})
        table = csv.read_csv(Path(EXAMPLES, f"{file}.csv"), convert_options=ids_are_text)
        pq.write_table(table, tmp_path / f"{file}.parquet")
    more = pa.table({"id": ["p1"], "student_id": ["stu1"], "amount": [Decimal("1.50")],
                     "occurred_at": [datetime(2026, 9, 30, 8)], "course_id": [101],
                     "action": ["ADD"]})  # fmt: skip
    pq.write_table(more, tmp_path / "adjustments.parquet")
    landed = {one.file: one for one in land_files(tmp_path, datetime(2026, 10, 6), snapshot=False)}
    assert landed["attendance.parquet"].rows_unchanged == 3
    assert landed["communications.parquet"].rows_unchanged == 2
    row = spark.table("raw.adjustments").where("id = 'p1'").collect()[0]
    assert (row.course_id, row.occurred_at) == ("101", datetime(2026, 9, 30, 8))
    assert row.metadata == {"amount": "1.50"}


def test_unknown_files_are_refused(spark: SparkSession, tmp_path: Path) -> None:
    Path(tmp_path, "lunch.csv").write_text("id\n1\n")
    with pytest.raises(DistrictError, match="holds no file that can be landed"):
        land_files(tmp_path, None)
    Path(tmp_path, "incidents.csv").write_text("id,severity\n1,minor\n")
    with pytest.raises(DistrictError, match=r"incidents\.csv has no column student_id, occurred"):
        land_files(tmp_path, None, source="SIS")
    Path(tmp_path, "incidents.parquet").write_text("no Parquet")
    with pytest.raises(DistrictError, match="cannot be read as Parquet"):
        land_files(tmp_path / "incidents.parquet", None)
