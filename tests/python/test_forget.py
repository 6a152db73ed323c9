"""Who is forgotten with whom, who may not be, and what a run that was killed leaves behind."""

from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from python_jobs import forget
from python_jobs.errors import DistrictError
from python_jobs.landing.forgotten import pseudonym

USERS = """
    ('first', 'student', 'first.user', '2018-09-01'),
    ('second', 'student', 'second.user', '2026-01-10'),
    ('never_enrolled', 'student', 'never.user', '2015-08-01'),
    ('parent', 'parent', 'parent.user', '2018-09-01'),
    ('clerk', 'clerk', 'clerk.user', '2018-09-01'),
    ('aide', 'parent', 'aide.user', '2018-09-01'),
    ('graduate', 'teacher', 'graduate.user', '2026-01-10'),
    ('teacher', 'teacher', 'teacher.user', '2026-01-10')
"""
LATE = """{"givenName": "Some", "familyName": "Body", "username": "late.user"}"""


@pytest.fixture
def people(empty_warehouse: SparkSession) -> Iterator[SparkSession]:
    """A family of two students, and what else raw, history and quarantine know of people."""
    tables = {
        "raw.users": f"""
            select
                col1 as id, col2 as role, col3 as username, cast(col4 as timestamp) as effective_at,
                cast(null as string) as email, cast(null as string) as phone,
                cast(null as string) as given_name, cast(null as string) as family_name
            from values {USERS}
        """,
        "raw.guardianships": """
            select col1 as student_id, col2 as guardian_id
            from values
                ('first', 'parent'), ('second', 'parent'), ('first', 'clerk'), ('second', 'clerk'),
                ('first', 'aide'), ('second', 'aide')
        """,
        "raw.affiliations": "select 'aide' as user_id, 'aide' as role",
        "snapshots.snap_users": """
            select
                'graduate' as user_id, 'student' as user_role, 'pupil.user' as username,
                cast(null as string) as email, cast(null as string) as phone,
                cast(null as string) as given_name, cast(null as string) as family_name
        """,
        "quality.quarantine": f"""
            select 'users' as entity, 'late' as id, '{LATE}' as raw_row
            union all
            select 'grades', 'r1', '{{"studentSourcedId": "waiting"}}'
        """,
        "core.fact_enrollment": """
            select col1 as student_id, col2 as school_year
            from values ('first', 2015), ('first', 2016), ('second', 2016), ('second', 2026)
        """,
        "core.dim_term": "select 2026 as school_year, date '2025-08-20' as start_date",
        "core.reporting_date": "select date '2026-03-01' as as_of_date",
    }
    for name, query in tables.items():
        empty_warehouse.sql(f"create schema if not exists {name.split('.')[0]}")
        empty_warehouse.sql(f"create or replace table {name} using delta as {query}")
    forget.Begun.path().unlink(missing_ok=True)
    yield empty_warehouse
    forget.Begun.path().unlink(missing_ok=True)


def hide(spark: SparkSession, person: str) -> None:
    """Put the pseudonym where the id was, as a first run does."""
    forget._remember(spark, [person], "a test")
    name = spark.range(1).select(pseudonym(F.lit(person))).collect()[0][0]
    spark.sql(f"update raw.users set id = '{name}', username = 'forgotten' where id = '{person}'")
    spark.sql(f"update raw.guardianships set student_id = '{name}' where student_id = '{person}'")


def test_guardians_go_with_the_last_of_their_students_and_staff_stays(people: SparkSession) -> None:
    assert forget._with_guardians(people, ["first"]) == ["first"]
    assert forget._with_guardians(people, ["first", "second"]) == ["first", "second", "parent"]
    hide(people, "first")
    assert forget._with_guardians(people, ["second"]) == ["second", "parent"]


@pytest.mark.parametrize("student", ["first", "graduate", "late", "waiting"])
def test_a_student_of_raw_history_or_quarantine_can_be_forgotten(
    people: SparkSession, student: str
) -> None:
    assert forget._with_guardians(people, [student]) == [student]


@pytest.mark.parametrize("person", ["nobody", "teacher", "parent"])
def test_who_never_was_a_student_is_refused(people: SparkSession, person: str) -> None:
    with pytest.raises(forget.StudentUnknown):
        forget._with_guardians(people, [person])


def test_names_of_history_and_quarantine_are_searched_too(people: SparkSession) -> None:
    assert forget._traces(people, ["graduate"]) == {"graduate", "graduate.user", "pupil.user"}
    assert forget._traces(people, ["late"]) == {"late", "late.user", "Some Body"}


def test_a_second_run_goes_on_from_what_the_first_has_written_down(people: SparkSession) -> None:
    family = forget._with_guardians(people, ["first", "second"])
    first = forget.Begun.of(people, family)
    assert {"first.user", "second.user", "parent.user"} <= set(first.traces)
    assert forget.Begun.path().stat().st_mode & 0o077 == 0
    for person in family:  # killed here
        hide(people, person)
    again = forget._with_guardians(people, ["first", "second"])
    second = forget.Begun.of(people, again)
    assert set(second.persons) == set(family)
    assert set(second.traces) == set(first.traces)


def test_reports_are_searched_too(
    people: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "list.html").write_text("<td>pupil.user</td>")
    monkeypatch.setattr(forget, "REPORT_FOLDERS", (tmp_path,))
    proof = forget.Proof("a test", [])
    forget._search({"pupil.user"}, proof)
    assert any(file.endswith("list.html") for file in proof.files_found)


def test_tables_in_remote_storage_are_refused(people: SparkSession) -> None:
    with (
        mock.patch.object(forget, "tables_dir", lambda spark: "s3a://district/tables"),
        pytest.raises(DistrictError, match="the tables are at s3a://district/tables"),
    ):
        forget.forget(["first"], "a test")


def test_students_long_gone_are_forgotten_by_retain_and_others_kept(
    people: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    last = {row.student_id: row.last_year for row in forget._last_years(people).collect()}
    assert last == {"first": 2016, "second": 2026, "never_enrolled": 2016}
    with (
        mock.patch.object(forget, "require_raw"),
        mock.patch.object(forget, "forget") as forgetting,
    ):
        forget.retain_command(7, dry_run=True)
        forgetting.assert_not_called()
        forget.retain_command(10, dry_run=False)
        forgetting.assert_not_called()
        forget.retain_command(7, dry_run=False)
    students, reason = forgetting.call_args.args
    assert sorted(students) == ["first", "never_enrolled"]
    assert reason == "retention: 7 school years after the last one"
    assert "2016" in capsys.readouterr().out
