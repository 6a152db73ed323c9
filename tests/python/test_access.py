"""Who may see whom by the warehouse itself: the three queries, on a district of a few rows."""

from datetime import date

import pytest
from pyspark.sql import SparkSession

from python_jobs.serving.access import DISTRICTS, GRANTS, STUDENT_SCOPES

TODAY, BEGAN = date(2026, 3, 2), date(2025, 8, 18)
OVER, ENDS = date(2026, 1, 15), date(2026, 6, 12)
TABLES = {
    "staging.stg_users": (
        "user_id string, username string, is_active boolean",
        [
            ("teacher", "T.One", True),
            ("sub", "sub", True),
            ("left", "left", False),
            ("guardian", "g.one", True),
            ("twin1", "twin", True),
            ("twin2", "TWIN", True),
            ("nameless", None, True),
            ("reader", "reader", True),
            ("left_reader", "reader", False),  # who left shares no name with who is there
        ],
    ),
    "core.bridge_course_teacher": (
        "course_id string, teacher_id string",
        [
            ("now", "teacher"),
            ("ended", "teacher"),
            ("future", "teacher"),
            ("now", "left"),
            ("now", "twin1"),
            ("now", "nameless"),
            ("now", "reader"),
            ("ended", "sub"),
        ],
    ),
    "core.bridge_student_guardian": (
        "student_id string, guardian_id string",
        [("a", "guardian"), ("c", "guardian"), ("b", "twin2")],
    ),
    "core.fact_enrollment": (
        "student_id string, course_id string, begin_date date, end_date date, is_active boolean",
        [
            ("a", "now", BEGAN, ENDS, True),
            ("b", "now", BEGAN, TODAY, True),  # the first day no longer
            ("c", "now", BEGAN, ENDS, False),
            ("d", "now", TODAY, ENDS, True),
            ("b", "ended", BEGAN, OVER, True),
            ("c", "future", date(2026, 8, 17), date(2027, 6, 11), True),
        ],
    ),
    "core.reporting_date": ("as_of_date date", [(TODAY,)]),
    "core.dim_student": (
        "student_id string, school_id string, is_current boolean, is_active boolean",
        [
            ("a", "school1", True, True),
            ("a", "school2", False, True),
            ("b", "school1", True, True),
            ("c", "school2", True, False),
            ("d", "school3", True, True),
            ("unknown", "unknown", True, None),
        ],
    ),
    "core.dim_school": (
        "school_id string, district_id string, is_current boolean",
        [
            ("school1", "district1", True),
            ("school1", "district9", False),
            ("school2", "district1", True),
            ("school3", None, True),
            ("unknown", "unknown", True),
        ],
    ),
}


@pytest.fixture(scope="module")
def district(empty_warehouse: SparkSession) -> SparkSession:
    for name, (schema, rows) in TABLES.items():
        empty_warehouse.sql(f"create schema if not exists {name.split('.')[0]}")
        frame = empty_warehouse.createDataFrame(rows, schema).coalesce(1)
        frame.write.format("delta").saveAsTable(name)
    return empty_warehouse


def rows_of(spark: SparkSession, query: str) -> list[tuple[object, ...]]:
    return sorted(tuple(row) for row in spark.sql(query).collect())


def test_grants_of_teachers_and_guardians_whose_name_is_theirs_alone(
    district: SparkSession,
) -> None:
    assert rows_of(district, GRANTS) == [
        ("g.one", "student", "a"),
        ("g.one", "student", "c"),
        ("reader", "section", "now"),
        ("sub", "section", "ended"),
        ("t.one", "section", "ended"),
        ("t.one", "section", "future"),
        ("t.one", "section", "now"),
    ]


def scopes(spark: SparkSession, scope: str) -> set[tuple[object, object]]:
    rows = rows_of(spark, STUDENT_SCOPES)
    assert len(rows) == len(set(rows))
    return {(student, scope_id) for student, of, scope_id in rows if of == scope}


def test_a_section_holds_who_is_enrolled_today(district: SparkSession) -> None:
    assert scopes(district, "section") == {("a", "now"), ("d", "now")}


def test_schools_districts_and_students_are_those_of_today(district: SparkSession) -> None:
    assert scopes(district, "school") == {("a", "school1"), ("b", "school1"), ("d", "school3")}
    assert scopes(district, "student") >= {(one, one) for one in "abcd"}
    in_district = {(s, d) for s, d in scopes(district, "district") if d != "unknown"}
    assert in_district == {("a", "district1"), ("b", "district1"), ("c", "district1")}
    assert rows_of(district, DISTRICTS) == [("district1",)]


def test_a_teacher_sees_the_students_of_current_sections_only(district: SparkSession) -> None:
    members = rows_of(district, STUDENT_SCOPES)
    seen = {
        login: {student for student, *of in members if of in given}
        for login in ("t.one", "sub", "g.one", "twin", "left")
        for given in [[list(row[1:]) for row in rows_of(district, GRANTS) if row[0] == login]]
    }
    assert seen == {
        "t.one": {"a", "d"},
        "sub": set(),
        "g.one": {"a", "c"},
        "twin": set(),
        "left": set(),
    }


def test_in_holidays_the_sections_of_the_last_school_day_are_current(
    district: SparkSession,
) -> None:
    district.sql("update core.reporting_date set as_of_date = date '2026-07-04'")
    assert scopes(district, "section") == {("a", "now"), ("d", "now")}
