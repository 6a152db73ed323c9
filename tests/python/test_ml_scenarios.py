"""What the synthetic district plants for the audit, and nothing besides."""

from dataclasses import replace

import pytest
from pyspark.sql import SparkSession

from python_jobs.landing.synthetic_events import attendance
from python_jobs.landing.synthetic_gradebook import BIAS_POINTS, grades
from python_jobs.landing.synthetic_plan import District, Export
from python_jobs.landing.synthetic_roster import student_users, students

PLAIN = District.presets()["seed"]


def export(scenario: str = "", luck: int = 0) -> Export:
    return Export(replace(PLAIN, scenario=scenario, luck=luck), PLAIN.last_school_year)


def test_marks_of_learners_lie_lower_and_their_work_does_not(spark: SparkSession) -> None:
    plain, biased = grades(spark, export()), grades(spark, export("biased_marks"))
    both = plain.join(biased.selectExpr("id", "points_earned as biased"), "id")
    people = student_users(students(spark, export()), export(), True, "current_timestamp()")
    learners = people.where("is_english_learner").selectExpr("id as student_id")
    changed = both.where("points_earned <> biased")
    assert both.count() == plain.count()
    assert changed.where("assignment_id is not null").count() == 0
    assert changed.join(learners, "student_id", "left_anti").count() == 0
    assert changed.where(f"points_earned - biased <= {BIAS_POINTS}").count() == changed.count() > 0


def test_third_school_reports_no_absence_and_the_others_do(spark: SparkSession) -> None:
    lost = attendance(spark, export("lost_absences")).where("absent_fraction = 1")
    plain = attendance(spark, export()).where("absent_fraction = 1")
    assert plain.where("school_id = 'sch-03'").count() > 0
    assert lost.where("school_id = 'sch-03'").count() == 0
    assert lost.count() == plain.where("school_id <> 'sch-03'").count()


def test_other_luck_moves_marks_and_leaves_who_the_students_are(spark: SparkSession) -> None:
    columns = ["student_id", "school_id", "ability", "effort", "attends", "grade"]
    same, other = (students(spark, one).select(*columns) for one in (export(), export(luck=1)))
    assert same.exceptAll(other).count() == 0
    marks, others = (
        grades(spark, one).select("id", "letter") for one in (export(), export(luck=1))
    )
    assert marks.exceptAll(others).count() > 0


def test_scenario_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="is no scenario"):
        replace(PLAIN, scenario="fair")
