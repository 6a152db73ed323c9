"""The site and the call list of the smallest district, from its release."""

import json
import re
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from test_warehouse_releases import record_build

from python_jobs.charts import write_site
from python_jobs.errors import DistrictError
from python_jobs.landing.quarantine import create_tables
from python_jobs.release import release
from python_jobs.reports.data import Release, read_release
from python_jobs.reports.quality_page import quality_blocks
from python_jobs.reports.restricted import LOG, write_call_list
from python_jobs.reports.texts import Texts, number


@pytest.fixture(scope="module")
def warehouse(seed_warehouse: SparkSession) -> SparkSession:
    record_build(seed_warehouse)
    release("a test")
    return seed_warehouse


@pytest.fixture(scope="module")
def released(warehouse: SparkSession) -> Release:
    return read_release(warehouse)


@pytest.fixture(scope="module")
def site(
    warehouse: SparkSession, released: Release, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("reports")
    write_site(released, folder, quality_blocks(warehouse, released.as_of, Texts()))
    return folder / "site"


def test_a_page_shows_the_numbers_of_pub(warehouse: SparkSession, site: Path) -> None:
    kpi = "homework_submission_rate"
    cells = warehouse.sql(
        f"""
        select cast(value as double) as value, suppression from pub.kpi_values
        where kpi = '{kpi}' and grain in ('school', 'district')
        """
    ).collect()
    text = (site / f"kpi-{kpi}.html").read_text()
    data = json.loads(re.findall(r'id="data">(.*?)</script>', text, flags=re.DOTALL)[0])
    shown = sorted(row[5] for row in data["tables"][0]["rows"])
    assert shown == sorted(
        number(cell.value, "rate") if cell.value is not None else "fewer than 10" for cell in cells
    )
    assert any(cell.value is not None for cell in cells)


def test_nobody_is_named_on_the_site(warehouse: SparkSession, site: Path) -> None:
    people = warehouse.sql(
        """
        select student_id as id, full_name from core.dim_student where student_key <> -1
        union select teacher_id, full_name from core.dim_teacher where teacher_key <> -1
        """
    ).collect()
    assert len(people) > 30
    text = "\n".join(path.read_text() for path in [*site.rglob("*.html"), *site.rglob("*.csv")])
    words = set(re.findall(r"[\w-]+", text))
    assert not {person.id for person in people} & words
    assert not [person for person in people if person.full_name and person.full_name in text]


def test_the_clerks_page_says_what_landed(site: Path) -> None:
    text = (site / "quality.html").read_text()
    assert "No row waits in quarantine." in text
    assert "synthetic" in text and "enrollments" in text


def test_the_clerks_page_names_lines_and_no_values(
    warehouse: SparkSession, released: Release
) -> None:
    create_tables(warehouse)
    warehouse.sql(
        """
        insert into quality.quarantine
            (quarantine_id, source_system, file, entity, id, line, rule_id, column_name, severity,
            problem, how_to_mend, raw_row, status, last_batch_id, last_seen)
        select
            concat('q', batch, line), source, 'users', 'users', concat('id-', line), line,
            'missing_id', 'sourcedId', 'reject', 'no id', 'give one',
            concat('{"orgSourcedIds": "', school_id, '", "familyName": "Secret"}'), 'open',
            batch, timestamp '2026-01-01 08:00:00' + make_interval(0, 0, 0, batch)
        from values
            ('sis', 1, 9), ('sis', 2, 7), ('sis', 2, 3), ('sis', 2, 7), ('lms', 3, 5)
            as lines (source, batch, line)
        cross join (select min(school_id) as school_id from core.dim_school where is_current)
        """
    )
    blocks = quality_blocks(warehouse, released.as_of, Texts())
    tables = [block for block in blocks if block["kind"] == "table"]
    faults, lines = tables[:2]
    row = faults["rows"][0]
    assert row[:3] == ["sis", "users.csv", "missing_id"]
    assert row[3] in set(released.schools["name"])
    assert [row[5] for row in faults["rows"]] == ["3", "1"]
    assert lines["rows"] == [
        ["lms", "users.csv", "2026-01-04 08:00", "missing_id", "5"],
        ["sis", "users.csv", "2026-01-03 08:00", "missing_id", "3, 7"],
        ["sis", "users.csv", "2026-01-02 08:00", "missing_id", "9"],
    ]
    assert "Secret" not in str(blocks) and "id-7" not in str(blocks)
    warehouse.sql("delete from quality.quarantine where rule_id = 'missing_id'")


def test_a_call_list_needs_a_reason_and_is_logged(
    warehouse: SparkSession, released: Release, tmp_path: Path
) -> None:
    warned = warehouse.sql(
        """
        select school_id, collect_set(student_id) as students from pub.student_early_warning
        where overall_level in ('at_risk', 'early_warning')
            and school_year = (select max(school_year) from pub.student_early_warning)
        group by school_id order by school_id limit 1
        """
    ).collect()[0]
    with pytest.raises(DistrictError, match="for a reason only"):
        write_call_list(warehouse, warned.school_id, " ", tmp_path, released.release_id)
    with pytest.raises(DistrictError, match="there is no school"):
        write_call_list(warehouse, "nowhere", "calls", tmp_path, released.release_id)
    assert not list(tmp_path.iterdir())
    path = write_call_list(
        warehouse, warned.school_id, "calls <b>home</b>", tmp_path, released.release_id
    )
    text = path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    assert "RESTRICTED" in text and "calls &lt;b&gt;home&lt;/b&gt;" in text
    assert all(f"<td>{student}</td>" in text for student in warned.students)
    assert text.count("<dt>GPA of the year</dt>") == len(warned.students)
    failed = warehouse.sql(
        f"""
        select count(distinct course_id) as count from pub.course_failures
        where student_id = '{warned.students[0]}'
            and school_year = (select max(school_year) from pub.student_early_warning)
        """
    ).collect()[0]["count"]
    article = text.split(f"<dd>{warned.students[0]}</dd>")[1].split("</article>")[0]
    assert f"<dt>Courses failed this year</dt><dd>{failed}</dd>" in article
    entry = warehouse.table(LOG).collect()
    assert [row.reason for row in entry] == ["calls <b>home</b>"]
    assert set(entry[0].student_ids) == set(warned.students)
    assert entry[0].disclosed_by and entry[0].school_id == warned.school_id
