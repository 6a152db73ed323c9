"""What changed between two weeks of a source is what the warehouse says has changed."""

import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bundles import Rows, contents, restore, versions
from pyspark.sql import SparkSession
from test_oneroster import SAMPLES, needs_samples

from python_jobs.dbt_runner import run_dbt
from python_jobs.land import land_oneroster
from python_jobs.schemas import ENTITIES

FIRST, SECOND = datetime(2026, 11, 9), datetime(2026, 11, 16)


@pytest.fixture(scope="module")
def weeks(empty_warehouse: SparkSession) -> Iterator[tuple[Rows, Rows]]:
    """Land week 1 and both forms of week 2, which comes as a delta the second time."""
    spark = empty_warehouse
    land_oneroster(SAMPLES / "small_1_1_week1", FIRST)
    known = versions(spark)
    land_oneroster(SAMPLES / "small_1_1_week2_delta", SECOND, snapshot=False)
    delta = contents(spark)
    restore(spark, known)
    land_oneroster(SAMPLES / "small_1_1_week2", SECOND, snapshot=False)
    bulk = contents(spark)
    models = ["dim_student", "dim_teacher", "dim_school", "fact_course_load_change", "fact_grade"]
    selected = [f"+{model}" for model in models]
    types = ["--exclude-resource-type", "test", "unit_test"]
    run_dbt(["build", *types, "--select", *selected], title="Building")
    yield bulk, delta


@needs_samples
def test_a_bulk_and_a_delta_of_the_same_week_land_the_same(weeks: tuple[Rows, Rows]) -> None:
    bulk, delta = weeks
    for entity in ENTITIES:
        assert bulk[entity] == delta[entity], entity
    assert bulk["grades"] and bulk["enrollments"]


@needs_samples
def test_the_warehouse_says_what_changed(spark: SparkSession, weeks: tuple[Rows, Rows]) -> None:
    said = json.loads(Path(SAMPLES, "small_1_1_week2.changes.json").read_text())["changes"]

    def ask(query: str) -> list[tuple[Any, ...]]:
        return sorted(tuple(row) for row in spark.sql(query).collect())

    def new_versions(table: str, key: str, what: str) -> list[tuple[Any, ...]]:
        return ask(
            f"""
            with versions as (
                select {key} as id, {what} as what, effective_from, effective_to, is_current
                from core.{table}
            )

            select new.id, old.what, new.what
            from versions as new
            inner join versions as old on new.id = old.id and new.effective_from = old.effective_to
            where new.is_current and new.what != old.what
            """
        )

    assert new_versions("dim_student", "student_id", "school_id") == (
        sorted((one["user"], one["from_org"], one["to_org"]) for one in said["moved"])
    )
    assert new_versions("dim_teacher", "teacher_id", "split_part(full_name, ' ', -1)") == (
        sorted((one["user"], one["was"], one["now"]) for one in said["renamed_teachers"])
    )
    school = said["renamed_school"]
    assert new_versions("dim_school", "school_id", "school_name") == [
        (school["org"], school["was"], school["now"])
    ]
    assert ask(f"select id from raw.courses where created_at = timestamp '{SECOND}'") == [
        (said["new_class"],)
    ]
    assert ask("select id from raw.users where not is_active") == [
        (name,) for name in sorted(said["tobedeleted_users"])
    ]

    enrollments = ask(
        f"""
        select
            id,
            created_at = timestamp '{SECOND}' as is_added,
            not is_active and effective_at = timestamp '{SECOND}' as is_ended
        from raw.enrollments
        """
    )
    added = {name for name, is_added, _ in enrollments if is_added}
    ended = {name for name, _, is_ended in enrollments if is_ended}
    of_moves = sum(one["enrollments_added"] for one in said["moved"])
    assert set(said["added"]) <= added
    assert len(added) == len(said["added"]) + of_moves
    assert {*said["dropped"], *said["tobedeleted_enrollments"]} <= ended
    removed = sum(one["enrollments_removed"] for one in said["moved"])
    assert len(ended) == (len(said["dropped"]) + len(said["tobedeleted_enrollments"]) + removed)
    of_students = {
        name for name, row in weeks[0]["enrollments"].items() if row["role"] == "student"
    }
    actions = dict(ask("select action, count(*) from core.fact_course_load_change group by action"))
    assert actions["add"] + actions.get("switch", 0) == len(added & of_students)
    assert actions["drop"] + actions.get("switch", 0) == len(ended & of_students)

    results = {
        row.id: row
        for row in spark.sql(
            """
            select old.id, old.points_earned as was, new.points_earned as now, old.status, facts.*
            from table_changes('raw.grades', 1) as old
            inner join table_changes('raw.grades', 1) as new
                on old.id = new.id and old._commit_version = new._commit_version
            inner join core.fact_grade as facts on new.id = facts.grade_id
            where
                old._change_type = 'update_preimage' and new._change_type = 'update_postimage'
                and new._commit_version = (
                    select max(_commit_version) from table_changes('raw.grades', 1)
                )
            """
        ).collect()
    }
    assert {*said["graded_now"], *said["exempted"]} | {
        one["result"] for one in said["corrected"]
    } == results.keys()
    for one in said["corrected"]:
        result = results[one["result"]]
        assert (result.was, result.now) == (Decimal(one["was"]), Decimal(one["now"]))
        assert result.points_earned == Decimal(one["now"])
    for name in said["graded_now"]:
        assert results[name].is_counted
    for name in said["exempted"]:
        assert results[name].points_earned is None
    is_new = f"created_at = timestamp '{SECOND}'"
    assert ask(f"select count(*) from raw.grades where {is_new}") == [(said["new_results"],)]
