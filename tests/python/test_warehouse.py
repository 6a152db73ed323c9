"""The smallest district, end to end: landed, built with every test of the project, and asked."""

import json
import sys
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from python_jobs import cli
from python_jobs.docs import docs
from python_jobs.schemas import ENTITIES
from python_jobs.seeds import read_seed


@pytest.fixture(scope="module")
def warehouse(seed_warehouse: SparkSession) -> SparkSession:
    """The district as `dbt build` made it: models, data tests and unit tests all passed."""
    return seed_warehouse


def test_every_landed_row_is_in_the_log(warehouse: SparkSession) -> None:
    log = {
        row.entity: row.rows_landed + row.rows_ended
        for row in warehouse.table("raw.batches").collect()
    }
    assert log == {entity: warehouse.table(f"raw.{entity}").count() for entity in ENTITIES}


def test_marts_answer_for_the_whole_district(warehouse: SparkSession) -> None:
    """The numbers of the marts equal what plain SQL says of the raw rows."""
    schools = warehouse.sql(
        """
        select school_id, cast(sum(graded_count) as int) as graded
        from kpi.school_performance where term_id <> 'year' group by school_id
        """
    )
    raw = warehouse.sql(
        """
        select courses.school_id, cast(count(*) as int) as graded
        from raw.grades inner join raw.courses on grades.course_id = courses.id
        where assignment_id is not null and status = 'fully graded' and grades.points_possible > 0
        group by courses.school_id
        """
    )
    assert len(raw.collect()) == 5
    assert {tuple(row) for row in schools.collect()} == {tuple(row) for row in raw.collect()}


def test_every_kpi_that_is_defined_is_counted(warehouse: SparkSession) -> None:
    counted = {
        row.kpi for row in warehouse.sql("select distinct kpi from kpi.kpi_values").collect()
    }
    defined = {row["kpi"] for row in read_seed("kpi_definitions")}
    assert counted <= defined
    assert all(kpi.startswith("letter_rate_") for kpi in defined - counted)


def test_raw_core_and_marts_reconcile_without_files(warehouse: SparkSession) -> None:
    totals = warehouse.table("quality.reconciliation").collect()
    assert {total.measure for total in totals} == {
        "students", "enrollments", "assignments", "results", "points", "percents",
    }  # fmt: skip
    assert all(total.is_explained and total.source_amount is None for total in totals)


def test_sql_answers_people_and_scripts(
    warehouse: SparkSession, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    query = "select role, count(*) as people from raw.users group by role order by role"
    for extra, expected in {
        "--json": '{"role": "clerk", "people": 5}',
        "--limit=9": "clerk",
    }.items():
        monkeypatch.setattr(sys, "argv", ["district", "sql", extra, query])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr().out
        assert ended.value.code == 0
        assert expected in shown
    monkeypatch.setattr(sys, "argv", ["district", "sql", "--json", query])
    with pytest.raises(SystemExit):
        cli.main()
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["role"]: row["people"] for row in rows} == {
        "clerk": 5, "parent": 15, "student": 30, "teacher": 15,
    }  # fmt: skip


def test_documentation_is_one_page_with_the_lineage(
    warehouse: SparkSession, tmp_path: Path
) -> None:
    page = tmp_path / "docs.html"
    docs(page)
    text = page.read_text()
    assert "model.school_district_warehouse.school_performance" in text
    assert '"parent_map"' in text
