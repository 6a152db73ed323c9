"""People in the smallest district carry names that stand out: where they may not be, and be gone.

The last module on the shared warehouse: it forgets a student.
"""

import json
from itertools import product

import pytest
from conftest import CANARY, outputs_with
from pyspark.sql import SparkSession
from test_warehouse_releases import record_build

from python_jobs.dbt_runner import run_dbt
from python_jobs.errors import DistrictError
from python_jobs.forget import Proof, StudentUnknown, _search, forget
from python_jobs.land import land_night
from python_jobs.landing.forgotten import KEY
from python_jobs.release import current_release, release
from python_jobs.spark import warehouse_dir


@pytest.fixture(scope="module")
def family(seed_warehouse: SparkSession) -> list[str]:
    """Return the students of one guardian."""
    rows = seed_warehouse.sql(
        """
        select student_id from raw.guardianships
        where guardian_id = (select min(guardian_id) from raw.guardianships)
        """
    ).collect()
    return [row.student_id for row in rows]


def test_names_are_in_the_data(seed_warehouse: SparkSession) -> None:
    people = seed_warehouse.table("core.dim_student").where("student_key <> -1")
    assert people.where(f"not contains(full_name, '{CANARY}')").isEmpty()
    proof = Proof("", [])
    _search({f"{CANARY}Given {CANARY}Family"}, proof)
    assert any("dim_student" in file for file in proof.files_found)


def test_a_value_that_fails_is_not_told(
    seed_warehouse: SparkSession, capfd: pytest.CaptureFixture[str]
) -> None:
    seed_warehouse.conf.set("spark.sql.ansi.enabled", True)  # as it is but for dbt
    with pytest.raises(Exception, match="CAST_INVALID_INPUT") as failed:
        seed_warehouse.sql("select cast(given_name as int) as number from raw.users").collect()
    assert CANARY not in str(failed.value)
    with pytest.raises(DistrictError) as stopped:
        run_dbt(["show", "--inline", "select raise_error(given_name) from raw.users"], title="Fail")
    assert CANARY not in str(stopped.value)
    captured = capfd.readouterr()
    assert CANARY not in captured.out + captured.err


def test_no_name_is_in_logs_artefacts_or_reports(seed_warehouse: SparkSession) -> None:
    assert outputs_with(CANARY) == []


def test_who_is_unknown_or_without_a_reason_is_not_forgotten(seed_warehouse: SparkSession) -> None:
    with pytest.raises(StudentUnknown, match="1 of 1 students have not landed"):
        forget(["nobody"], "a test")
    with pytest.raises(DistrictError, match="no reason"):
        forget(["nobody"], " ")


def test_a_forgotten_student_is_nowhere_and_every_number_stays(
    seed_warehouse: SparkSession,
    family: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("DISTRICT_POSTGRES_DSN", "a server that is not asked")
    spark = seed_warehouse
    record_build(spark)
    release("a test")
    released = spark.table("pub.student_gpa").count()
    before = {
        name: spark.table(name).count() for name in ("raw.users", "raw.grades", "core.fact_grade")
    }
    report = json.loads(forget(family, "request of the family").read_text())
    assert "district serve postgres --purge" in capsys.readouterr().err.replace("\n", " ")
    assert report["reason"] == "request of the family"
    assert len(report["pseudonyms"]) > len(family)  # a guardian of nobody else goes too
    assert report["rows_changed"]["raw.users"] == len(report["pseudonyms"])
    assert report["rows_changed"]["raw.grades"] > 0
    assert report["numbers_compared"] > 100
    assert report["numbers_moved"] == 0
    assert report["files_searched"] > 100
    assert report["files_found"] == []
    assert not [student for student in family if student in json.dumps(report)]
    assert {name: spark.table(name).count() for name in before} == before
    assert 0 < spark.table("pub.student_gpa").count() < released
    person = report["pseudonyms"][0]
    names = spark.table("core.dim_student").where(f"student_id = '{person}'").select("full_name")
    assert {row.full_name for row in names.collect()} == {"forgotten forgotten"}
    assert (warehouse_dir() / KEY).stat().st_mode & 0o077 == 0


def test_a_forgotten_student_lands_again_without_a_name(
    seed_warehouse: SparkSession, family: list[str]
) -> None:
    """The next night names the student again: the rows meet the pseudonym."""
    count = seed_warehouse.table("raw.users").count()
    land_night(1.0, snapshot=False)
    assert seed_warehouse.table("raw.users").count() == count
    columns = (("users", "id"), ("grades", "student_id"), ("attendance", "student_id"))
    for student, (entity, column) in product(family, columns):
        assert seed_warehouse.table(f"raw.{entity}").where(f"{column} = '{student}'").isEmpty()
        assert seed_warehouse.table(f"raw.{entity}").where(f"id like '%{student}%'").isEmpty()
    assert current_release(seed_warehouse)
