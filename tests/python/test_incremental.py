"""After any landings, the incremental warehouse is the one that a full refresh would make."""

from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from pyspark.sql import SparkSession

from python_jobs.dbt_runner import run_dbt
from python_jobs.landing.raw import Part, land_batch
from python_jobs.schemas import ENTITIES

Row = dict[str, Any]
District = dict[str, dict[str, Row]]

FACTS = (
    "fact_attendance", "fact_communication", "fact_content_access", "fact_enrollment",
    "fact_grade", "fact_homework", "fact_incident",
)  # fmt: skip


# Seeds and views are as the first build made them.
LANDED = ("--exclude-resource-type", "seed", "--exclude", "models/staging")
PARALLEL_READS = 4


def day(text: str) -> date:
    return date.fromisoformat(text)


def time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def first_district() -> District:
    """A year of two schools: six students, three teachers, four sections, all 16 entities."""
    students = {
        f"s{n}": {"role": "student", "school_id": "h1" if n < 5 else "h2", "grade_level": "09"}
        for n in range(1, 7)
    }
    staff = {f"t{n}": {"role": "teacher", "school_id": "h1"} for n in range(1, 4)}
    parents = {f"p{n}": {"role": "parent", "school_id": "h1", "phone": "1"} for n in range(1, 4)}
    people = {
        name: row | {"given_name": name, "family_name": "Test"}
        for name, row in (students | staff | parents).items()
    }
    courses = {
        "c1": {"name": "Algebra", "school_id": "h1", "teacher_id": "t1", "term_ids": ["f"]},
        "c2": {"name": "Biology", "school_id": "h1", "teacher_id": "t2", "term_ids": ["f"]},
        "c3": {"name": "History", "school_id": "h2", "teacher_id": "t3", "term_ids": ["f", "w"]},
        "c4": {"name": "Geometry", "school_id": "h1", "teacher_id": "t1", "term_ids": ["w"]},
    }
    taught = {"c1": "1234", "c2": "123", "c3": "56", "c4": "4"}
    pairs = [(course, f"s{n}") for course, numbers in taught.items() for n in numbers]
    enrollments: dict[str, Row] = {
        f"e_{course}_{student}": {"course_id": course, "user_id": student, "role": "student"}
        for course, student in pairs
    }
    enrollments["e_c1_t2"] = {"course_id": "c1", "user_id": "t2", "role": "teacher"}
    assignments = {
        f"a_{course}_{month}": {
            "course_id": course,
            "category": "Homework",
            "due_date": day(f"2024-{month}-10"),
            "points_possible": Decimal(10),
            "is_homework": True,
        }
        for course in ("c1", "c2", "c3")
        for month in ("09", "10", "11")
    }
    done = [(a, s) for a, row in assignments.items() for c, s in pairs if row["course_id"] == c]
    homeworks = {
        f"h_{a}_{s}": {"assignment_id": a, "student_id": s, "status": "submitted"}
        for a, s in done
        if a.endswith("09")
    }
    grades = {
        f"g_{a}_{s}": {
            "assignment_id": a,
            "student_id": s,
            "course_id": assignments[a]["course_id"],
            "graded_at": time("2024-09-12T10:00"),
            "points_earned": Decimal(9),
            "status": "fully graded",
        }
        for a, s in done
        if a.endswith("09")
    }
    attendance = {
        f"d_{s}_{d}": {
            "student_id": s,
            "school_id": row["school_id"],
            "date": day(f"2024-09-{d:02}"),
            "status": "absent" if d == 3 else "present",
        }
        for s, row in students.items()
        for d in (2, 3, 4)
    }
    return {
        "schools": {
            "d": {"name": "District", "school_type": "district"},
            "h1": {"name": "North", "school_type": "school", "parent_id": "d"},
            "h2": {"name": "South", "school_type": "school", "parent_id": "d"},
        },
        "terms": {
            "y": {
                "term_type": "schoolYear", "school_year": 2025,
                "start_date": day("2024-08-01"), "end_date": day("2025-06-30"),
            },
            "f": {
                "term_type": "semester", "school_year": 2025, "parent_id": "y",
                "start_date": day("2024-08-15"), "end_date": day("2024-12-20"),
            },
            "w": {
                "term_type": "semester", "school_year": 2025, "parent_id": "y",
                "start_date": day("2025-01-06"), "end_date": day("2025-06-10"),
            },
        },
        "users": people,
        "affiliations": {"l1": {"user_id": "s1", "school_id": "h1", "role": "student"}},
        "guardianships": {
            f"k{n}": {"student_id": f"s{n}", "guardian_id": f"p{n}"} for n in (1, 2, 3)
        },
        "courses": courses,
        "enrollments": enrollments,
        "contents": {
            "m1": {"course_id": "c1", "teacher_id": "t1", "content_type": "video"},
            "m2": {"course_id": "c3", "teacher_id": "t3", "content_type": "lesson"},
        },
        "assignments": assignments,
        "homeworks": homeworks,
        "grades": grades,
        "adjustments": {},
        "attendance": attendance,
        "content_views": {
            f"v{n}": {
                "student_id": f"s{n % 3 + 1}", "content_id": "m1", "access_type": "view",
                "viewed_at": time("2024-09-05T08:00"), "access_count": 1,
            }
            for n in range(1, 5)
        },
        "communications": {
            f"n{n}": {
                "student_id": f"s{n}", "guardian_id": f"p{n}", "staff_id": "t1",
                "channel": "phone", "occurred_at": time("2024-09-20T15:00"),
            }
            for n in (1, 2)
        },
        "incidents": {
            "i1": {
                "student_id": "s1", "school_id": "h1", "severity": "minor",
                "occurred_at": time("2024-09-21T12:00"), "days_suspended": Decimal(0),
            },
        },
    }  # fmt: skip


def second_district(district: District) -> District:
    """Late and corrected rows, a move, a leaver, a drop, an enrollment in another section."""
    after = deepcopy(district)
    after["users"]["s1"]["school_id"] = "h2"  # moves
    after["users"]["t1"]["family_name"] = "Married"
    del after["users"]["s3"]  # leaves
    for entity in ("enrollments", "guardianships"):
        after[entity] = {
            name: row
            for name, row in after[entity].items()
            if "s3" not in (row.get("user_id"), row.get("student_id"))
        }
    del after["enrollments"]["e_c2_s2"]  # a drop
    after["enrollments"]["e_c1_s2"]["course_id"] = "c4"  # the id names another section
    after["enrollments"]["e_c1_t2"]["course_id"] = "c2"
    after["enrollments"]["e_c2_s4"] = {
        "course_id": "c2", "user_id": "s4", "role": "student", "begin_date": day("2024-10-10"),
    }  # fmt: skip
    after["grades"]["late"] = {
        "student_id": "s9", "course_id": "c1", "graded_at": time("2024-09-01T00:00"),
        "points_earned": Decimal(8), "points_possible": Decimal(10), "status": "fully graded",
    }  # fmt: skip  # the student arrives later
    after["grades"]["g_a_c1_09_s1"]["points_earned"] = Decimal(3)  # corrected
    del after["grades"]["g_a_c2_09_s1"]  # withdrawn
    after["homeworks"]["h_late"] = {
        "assignment_id": "a_c1_10", "student_id": "s4", "status": "submitted", "is_late": True,
    }  # fmt: skip
    after["assignments"]["a_c3_11"]["due_date"] = day("2025-07-20")  # after the section
    after["attendance"]["d_s2_3"]["status"] = "present"
    del after["attendance"]["d_s5_2"]
    del after["content_views"]["v4"]
    after["communications"]["n2"]["guardian_id"] = "p9"
    after["incidents"]["i2"] = after["incidents"]["i1"] | {"student_id": "s6", "school_id": "h2"}
    return after


def third_district(district: District) -> District:
    """The leaver returns, ids name other people and sections, a school has a new name."""
    first, after = first_district(), deepcopy(district)
    after["users"]["s3"] = first["users"]["s3"] | {"school_id": "h2"}
    after["enrollments"]["e_c2_s3"] = first["enrollments"]["e_c2_s3"]
    after["users"]["s9"] = first["users"]["s4"] | {"given_name": "s9"}
    after["users"]["p9"] = first["users"]["p1"] | {"given_name": "p9"}
    after["enrollments"]["e_c1_s4"]["user_id"] = "s9"  # the id names another student
    after["homeworks"]["h_a_c1_09_s1"]["student_id"] = "s9"
    after["grades"]["g_a_c3_09_s5"]["student_id"] = "s6"
    after["assignments"]["a_c2_10"]["course_id"] = "c1"
    after["assignments"]["a_c1_11"]["is_homework"] = False
    after["courses"]["c2"] |= {"teacher_id": "t3", "term_ids": ["w"]}
    after["contents"]["m1"]["course_id"] = "c3"
    after["schools"]["h1"]["name"] = "North High"
    del after["guardianships"]["k1"]
    return after


def land(spark: SparkSession, district: District, as_of: str) -> None:
    """Land a district as complete files, and record its versions as every landing does."""
    parts = []
    for entity, rows in district.items():
        names = ENTITIES[entity]
        values = [
            tuple({"id": key, **row}.get(name) for name in names) for key, row in rows.items()
        ]
        schema = ", ".join(f"`{name}` {kind}" for name, kind in names.items())
        parts.append(Part(entity, spark.createDataFrame(values, schema), f"{entity}.csv", True))
    moment = datetime.fromisoformat(as_of).replace(tzinfo=UTC)
    land_batch(
        spark, parts, source_system="law", kind="test", as_of=moment, accept_mass_delete=True
    )


def build(*arguments: str) -> None:
    """Build what is selected, without tests."""
    run_dbt(["build", "--exclude-resource-type", "test", "unit_test", *arguments], title="Building")


def contents(spark: SparkSession, *schemas: str) -> dict[str, set[tuple[str, ...]]]:
    """Return every row of every table of some schemas."""
    tables = [
        f"{schema}.{row.tableName}"
        for schema in schemas
        for row in spark.sql(f"show tables in {schema}").where("not isTemporary").collect()
    ]

    def rows(name: str) -> set[tuple[str, ...]]:
        return {tuple(map(str, row)) for row in spark.table(name).collect()}

    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        return dict(zip(tables, pool.map(rows, tables), strict=True))


def differences(
    have: dict[str, set[tuple[str, ...]]], want: dict[str, set[tuple[str, ...]]]
) -> dict[str, Any]:
    assert have.keys() == want.keys()
    return {
        name: {"too many": have[name] - rows, "missing": rows - have[name]}
        for name, rows in want.items()
        if have[name] != rows
    }


def versions(spark: SparkSession) -> dict[str, int]:
    return {
        name: spark.sql(f"describe history core.{name} limit 1").collect()[0].version
        for name in FACTS
    }


def test_incremental_builds_equal_a_full_refresh(empty_warehouse: SparkSession) -> None:
    spark = empty_warehouse
    first = first_district()
    second = second_district(first)
    third = third_district(second)

    land(spark, first, "2024-09-30")
    build("--select", "+models/marts/core")
    land(spark, second, "2024-10-31")
    build(*LANDED, "--select", "+models/marts/core")
    land(spark, third, "2024-11-30")
    build()
    incremental, before = contents(spark, "core", "kpi"), versions(spark)
    core = {name: rows for name, rows in incremental.items() if name.startswith("core.")}

    build(*LANDED, "--select", "+models/marts/core")
    assert versions(spark) == before, "a run without new data wrote to a fact"
    assert not differences(contents(spark, "core"), core), "a run without new data changed rows"

    build("--select", "models/marts", "--full-refresh")
    assert not differences(incremental, contents(spark, "core", "kpi"))

    school = spark.sql(
        """
        select students.school_id
        from core.fact_grade as grades
        inner join core.dim_student as students on grades.student_key = students.student_key
        where grades.grade_id = 'g_a_c1_09_s1'
        """
    ).collect()
    assert [row.school_id for row in school] == ["h1"], "the move reached back in time"
