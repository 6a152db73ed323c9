"""Releases of the smallest district: what is published, refused, compared, rolled back and read."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Event
from unittest import mock
from zlib import crc32

import pytest
from pyspark.sql import SparkSession

import python_jobs.release
from python_jobs.dbt_runner import run_dbt
from python_jobs.errors import DistrictError
from python_jobs.release import (
    ReleaseRefused,
    _alone,
    current_release,
    release,
    require_release,
    roll_back,
)
from python_jobs.release_changes import changed_values, show_changes
from python_jobs.release_tables import published_tables
from python_jobs.spark import table_version

READS = int(os.environ.get("DISTRICT_TEST_READS", "40"))
WHOLE_YEAR = "grain = 'district' and term_id = 'year' and subgroup_type = 'all'"
COUNT = f"kpi = 'student_count' and {WHOLE_YEAR}"


FEW = {"dim_school", "kpi_values", "school_performance", "student_early_warning"}
CHANGED = (
    "core.fact_grade",
    "kpi.attendance_rate",
    "kpi.kpi_values",
    "kpi.student_early_warning",
)


@pytest.fixture(scope="module")
def warehouse(seed_warehouse: SparkSession) -> Iterator[SparkSession]:
    """The district with one release; what the tests change is put back."""
    versions = {table: table_version(seed_warehouse, table)[0] for table in CHANGED}
    assert release() == 1
    yield seed_warehouse
    for table, version in versions.items():
        seed_warehouse.sql(f"restore table {table} to version as of {version}")


@pytest.fixture
def few_tables() -> Iterator[list[str]]:
    """Publish only some tables, for time; returns their names."""
    some = [table for table in published_tables() if table.name in FEW]
    with mock.patch.object(python_jobs.release, "published_tables", lambda: some):
        yield [table.name for table in some]


def record_build(spark: SparkSession, *, failed: int = 0) -> None:
    """Say that everything was built and tested again just now."""
    spark.sql(
        f"""
        insert into quality.builds
        select 'test', current_timestamp(), true, {failed}, 'default', 'plus_minus'
        """
    )


def test_every_view_shows_the_release_and_no_student_in_an_aggregate(
    warehouse: SparkSession,
) -> None:
    for table in published_tables():
        view = warehouse.table(f"pub.{table.name}")
        assert {row.release_id for row in view.select("release_id").distinct().collect()} <= {1}
        if not table.students:
            assert "student_id" not in view.columns
            assert "grain" not in view.columns or view.where("grain = 'student'").isEmpty()
        assert (
            view.count()
            == warehouse.sql(f"select count(*) as n from {table.source} where {table.rows}")
            .collect()[0]
            .n
        )


def test_small_cells_are_hidden_and_say_so(warehouse: SparkSession) -> None:
    cells = warehouse.sql(
        """
        select
            published.*,
            kpi_values.student_count as true_count,
            kpi_values.numerator_student_count as true_numerator_count
        from pub.kpi_values as published
        inner join kpi.kpi_values using (
            kpi, grain, entity_id, subgroup_type, subgroup, school_year, term_id
        )
        """
    )
    small = cells.where("true_count between 1 and 9 or true_numerator_count between 1 and 9")
    assert small.count() > 100
    assert small.where(
        "value is not null or numerator is not null or suppression is null"
    ).isEmpty()
    assert small.where("true_count < 10 and student_count is not null").isEmpty()
    assert {row.suppression for row in small.select("suppression").distinct().collect()} == {
        "fewer than 10 students, or a cell that protects such a one"
    }
    # 30 students: the district's own means are shown, those of each school of 6 are not.
    shown = cells.where("kpi = 'avg_grade_percent' and subgroup_type = 'all' and value is not null")
    assert {row.grain for row in shown.select("grain").distinct().collect()} >= {"district"}
    assert shown.where("grain = 'school'").isEmpty()


def test_a_mart_hides_what_kpi_values_hides(warehouse: SparkSession) -> None:
    differ = warehouse.sql(
        """
        select * from pub.school_performance as mart
        inner join pub.kpi_values as cell
            on cell.kpi = 'avg_grade_percent' and cell.grain = 'school'
            and cell.subgroup_type = 'all' and mart.school_id = cell.entity_id
            and mart.school_year = cell.school_year and mart.term_id = cell.term_id
        where not mart.avg_grade_percent <=> cell.value
            or not mart.graded_count <=> cell.denominator
        """
    )
    assert differ.isEmpty()
    assert not warehouse.table("pub.school_performance").where("graded_count is null").isEmpty()


def test_a_failed_or_older_build_is_refused(warehouse: SparkSession) -> None:
    record_build(warehouse, failed=2)
    with pytest.raises(ReleaseRefused, match="2 models or tests of the last build failed"):
        release()
    record_build(warehouse)
    warehouse.sql("delete from kpi.attendance_rate where false")
    warehouse.sql("update kpi.attendance_rate set student_count = student_count")
    with pytest.raises(ReleaseRefused, match="changed since the last complete build"):
        release()
    record_build(warehouse)
    assert current_release(warehouse) == 1


@pytest.mark.usefixtures("few_tables")
def test_numbers_that_move_are_found_with_the_reason(
    warehouse: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse.sql(
        f"update kpi.kpi_values set numerator = numerator + 1, value = value + 1 where {COUNT}"
    )
    first = warehouse.sql("select min(grade_id) as id from core.fact_grade").collect()[0].id
    warehouse.sql(
        f"update core.fact_grade set points_earned = points_earned + 1 where grade_id = '{first}'"
    )
    warehouse.sql(
        f"""
        update kpi.kpi_values set numerator = numerator + 5
        where kpi = 'avg_grade_percent' and {WHOLE_YEAR}
        """
    )
    record_build(warehouse)
    assert release("The registrar counted again") == 2
    moved = {row.kpi: row for row in changed_values(warehouse, 1, 2).collect()}
    assert set(moved) == {"student_count", "avg_grade_percent"}
    assert moved["student_count"].change == Decimal(1)
    assert moved["student_count"].reason == "other"  # it is not made of grades
    assert moved["avg_grade_percent"].reason == "corrected rows"
    assert moved["avg_grade_percent"].corrected_rows == 1
    show_changes(warehouse, 1, 2)
    assert "corrected rows" in capsys.readouterr().out
    show_changes(warehouse, 2, 2)
    assert "No published number differs" in capsys.readouterr().out


@pytest.mark.usefixtures("few_tables")
def test_a_closed_year_moves_only_with_a_reason(warehouse: SparkSession) -> None:
    warehouse.sql(f"update kpi.kpi_values set numerator = 40, value = 40 where {COUNT}")
    record_build(warehouse)
    before = warehouse.table("pub.kpi_values").where(COUNT).collect()
    with pytest.raises(ReleaseRefused, match="1 published numbers of closed school years"):
        release()
    assert warehouse.table("pub.kpi_values").where(COUNT).collect() == before
    third = release("The registrar corrected ten enrollments")
    assert warehouse.table("pub.kpi_values").where(COUNT).collect()[0].value == 40
    log = warehouse.table("pub.releases").where(f"release_id = {third}").collect()
    assert {row.restatement for row in log} == {"The registrar corrected ten enrollments"}
    assert {row.reason for row in changed_values(warehouse, 2, third).collect()} == {"other"}


@pytest.mark.usefixtures("few_tables")
def test_who_got_worse_since_the_last_release_is_on_the_call_list(warehouse: SparkSession) -> None:
    table = "kpi.student_early_warning"
    well = warehouse.sql(
        f"select min(student_id) as id from {table} where course_level <> 'at_risk'"
    )
    student = well.collect()[0].id
    # Delta's log keeps the condition, and the last module looks for the id: hence the checksum.
    warehouse.sql(
        f"update {table} set course_level = 'at_risk' "
        f"where crc32(student_id) = {crc32(student.encode())}"
    )
    record_build(warehouse)
    release()
    calls = warehouse.table("pub.call_list").collect()
    assert [(row.student_id, row.course_level) for row in calls] == [(student, "at_risk")]
    assert calls[0].course_level_before != "at_risk"
    record_build(warehouse)
    release()
    assert warehouse.table("pub.call_list").isEmpty()


@pytest.mark.usefixtures("few_tables")
def test_rollback_shows_the_earlier_numbers_and_old_releases_go(warehouse: SparkSession) -> None:
    last = current_release(warehouse)
    roll_back(warehouse, 1)
    assert warehouse.table("pub.kpi_values").where(COUNT).collect()[0].value == 30
    with pytest.raises(DistrictError, match="there is no release 99"):
        roll_back(warehouse, 99)
    assert last is not None
    roll_back(warehouse, last)
    newest = release(keep=1)
    assert require_release(warehouse, 1) == 1
    with pytest.raises(DistrictError, match="only kpi_values is kept"):
        roll_back(warehouse, 1)
    assert warehouse.table("releases.school_performance").where("release_id = 1").isEmpty()
    assert not warehouse.table("releases.kpi_values").where("release_id = 1").isEmpty()
    assert current_release(warehouse) == newest


def test_two_releases_at_once_are_refused(warehouse: SparkSession) -> None:
    before = current_release(warehouse)
    with _alone():
        with pytest.raises(ReleaseRefused, match="another release or rollback is running"):
            release()
        with pytest.raises(ReleaseRefused, match="another release or rollback is running"):
            roll_back(warehouse, 1)
    assert current_release(warehouse) == before


@pytest.mark.usefixtures("few_tables")
def test_readers_never_see_two_releases_at_once_nor_a_table_missing(
    warehouse: SparkSession,
) -> None:
    """Readers loop over all tables of pub during builds and releases: no read fails or mixes."""
    views = warehouse.sql("show views in pub").where("not isTemporary").collect()
    names = [view.viewName for view in views if view.viewName in FEW]
    assert len(names) == len(FEW)
    rows = {name: warehouse.table(f"pub.{name}").count() for name in names}
    open_reads = [warehouse.table(f"pub.{name}").select("release_id").distinct() for name in names]
    first = current_release(warehouse)
    done = Event()

    def read(name: str) -> set[int]:
        found = warehouse.sql(f"select release_id, count(*) as n from pub.{name} group by 1")
        counts = {row.release_id: row.n for row in found.collect()}
        assert list(counts.values()) == [rows[name]] or not rows[name]
        return set(counts)

    def build_and_release() -> int | None:
        try:
            while not done.is_set():
                run_dbt(["run", "--select", "course_failures"], title="Building")
                record_build(warehouse)
                release()
            return current_release(warehouse)
        finally:
            done.set()

    ids: set[int] = set()
    reads = 0
    with ThreadPoolExecutor(1) as pool:
        releasing = pool.submit(build_and_release)
        try:
            while reads < READS and not done.is_set():
                for name in names:
                    ids |= read(name)
                    reads += 1
        finally:  # else the builds would go on for ever
            done.set()
        last = releasing.result()
    assert reads >= READS
    assert first is not None and last is not None and last > first
    assert ids <= set(range(first, last + 1))
    # Resolved before those releases, run after them.
    assert {row.release_id for one in open_reads for row in one.collect()} == {last}
