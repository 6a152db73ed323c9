"""The synthetic district: exact sizes, determinism, closed references, and a school's patterns."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import cache, reduce
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from python_jobs.landing.raw import Part
from python_jobs.landing.synthetic import CHANGED_NIGHTLY, District, batches, night
from python_jobs.landing.synthetic_plan import Export
from python_jobs.landing.synthetic_words import COMMENTS
from python_jobs.schemas import ENTITIES

# entity, column, entity that the column points at
REFERENCES = [
    ("schools", "parent_id", "schools"),
    ("terms", "parent_id", "terms"),
    ("users", "school_id", "schools"),
    ("affiliations", "user_id", "users"),
    ("affiliations", "school_id", "schools"),
    ("guardianships", "student_id", "users"),
    ("guardianships", "guardian_id", "users"),
    ("courses", "school_id", "schools"),
    ("courses", "teacher_id", "users"),
    ("enrollments", "course_id", "courses"),
    ("enrollments", "user_id", "users"),
    ("enrollments", "school_id", "schools"),
    ("contents", "course_id", "courses"),
    ("contents", "teacher_id", "users"),
    ("assignments", "course_id", "courses"),
    ("assignments", "term_id", "terms"),
    ("homeworks", "assignment_id", "assignments"),
    ("homeworks", "student_id", "users"),
    ("homeworks", "course_id", "courses"),
    ("grades", "assignment_id", "assignments"),
    ("grades", "student_id", "users"),
    ("grades", "course_id", "courses"),
    ("grades", "term_id", "terms"),
    ("adjustments", "student_id", "users"),
    ("adjustments", "course_id", "courses"),
    ("adjustments", "other_course_id", "courses"),
    ("attendance", "student_id", "users"),
    ("attendance", "school_id", "schools"),
    ("content_views", "student_id", "users"),
    ("content_views", "content_id", "contents"),
    ("communications", "student_id", "users"),
    ("communications", "guardian_id", "users"),
    ("communications", "staff_id", "users"),
    ("incidents", "student_id", "users"),
    ("incidents", "school_id", "schools"),
]
SHARE = 0.1
DISTRICTS = {
    "seed": District.presets()["seed"],
    "demo": replace(District.presets()["demo"], students=300),  # half the size, as the time is
}
Frames = dict[str, DataFrame]
Cached = Callable[[str], Frames]


def _write(spark: SparkSession, parts: Sequence[Part], folder: Path, batch: int) -> None:
    def write(part: Part) -> None:
        part.frame.write.parquet(str(folder / part.entity / f"batch={batch}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, parts))


@pytest.fixture(scope="module")
def frames(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Cached:
    """Give a district's rows, written once: its batches 0, 1, ..., and batch 9, its first night."""
    folder = tmp_path_factory.mktemp("synthetic")

    @cache
    def rows_of(name: str) -> Frames:
        for number, (_, parts) in enumerate(batches(spark, DISTRICTS[name])):
            _write(spark, parts, folder / name, number)
        _, parts = night(spark, DISTRICTS[name], 1, SHARE)
        _write(spark, parts, folder / name, 9)
        return {entity: spark.read.parquet(str(folder / name / entity)) for entity in ENTITIES}

    return rows_of


def _by_day(frames: Frames) -> Frames:
    return {entity: frame.where("batch < 9") for entity, frame in frames.items()}


def _union(frames: Iterable[DataFrame]) -> DataFrame:
    return reduce(DataFrame.union, frames)


def _dangling(frames: Frames) -> list[str]:
    """Return the references that point at nothing, or at a row of a later batch."""
    targets = _union(
        frames[entity].selectExpr(f"'{entity}' as target", "id as value", "batch as known")
        for entity in {target for _, _, target in REFERENCES}
    )
    pointers = _union(
        frames[entity].selectExpr(
            f"'{entity}.{column}' as pointer",
            f"'{target}' as target",
            f"{column} as value",
            "batch",
        )
        for entity, column, target in REFERENCES
    )
    first_known = targets.groupBy("target", "value").agg(F.min("known").alias("known"))
    lost = (
        pointers.where("value is not null")
        .groupBy("pointer", "target", "value")
        .agg(F.min("batch").alias("batch"))
        .join(first_known, ["target", "value"], "left")
        .where("known is null or known > batch")
    )
    return sorted({row.pointer for row in lost.select("pointer").distinct().collect()})


def _doubled(frames: Frames) -> list[str]:
    ids = _union(
        frame.selectExpr(f"'{entity}' as entity", "id", "batch") for entity, frame in frames.items()
    )
    twice = ids.groupBy("entity", "batch", "id").count().where("count > 1")
    return sorted({row.entity for row in twice.select("entity").distinct().collect()})


def _digest(frame: DataFrame) -> DataFrame:
    hashed = frame.select(F.xxhash64(*sorted(frame.columns)).cast("decimal(20)").alias("one"))
    return hashed.agg(F.count("one"), F.sum("one"))


def test_seed_has_exactly_the_promised_people(frames: Cached) -> None:
    seed = _by_day(frames("seed"))
    people = {
        (row.school_id, row.role): row["count"]
        for row in seed["users"].groupBy("school_id", "role").count().collect()
    }
    wanted = {"teacher": 3, "student": 6, "parent": 3, "clerk": 1}

    assert seed["schools"].where("school_type = 'school'").count() == 5
    assert people == {
        (f"sch-0{number}", role): count for number in range(1, 6) for role, count in wanted.items()
    }


def test_seed_has_exactly_the_promised_courses(frames: Cached) -> None:
    seed = _by_day(frames("seed"))
    by_teacher = [row["count"] for row in seed["courses"].groupBy("teacher_id").count().collect()]
    by_course = [row["count"] for row in seed["contents"].groupBy("course_id").count().collect()]
    taken = seed["enrollments"].where("role = 'student'")
    by_student = [row["count"] for row in taken.groupBy("user_id").count().collect()]
    levels = {row.level for row in seed["courses"].select("level").distinct().collect()}

    assert by_teacher == [3] * 15
    assert by_course == [4] * 45
    assert len(by_student) == 30
    assert set(by_student) <= {3, 4, 5}
    assert taken.select("course_id").distinct().count() == 45
    assert levels == {"regular", "honors", "ap"}


def test_seed_fills_every_entity_and_every_action(frames: Cached) -> None:
    seed = _by_day(frames("seed"))
    actions = {row.action for row in seed["adjustments"].select("action").distinct().collect()}
    worked = seed["homeworks"].select("student_id", "course_id").distinct()
    expected = seed["enrollments"].where("role = 'student' and end_date is null")

    assert not [entity for entity in ENTITIES if seed[entity].isEmpty()]
    assert actions == {"add", "drop", "switch", "audit"}
    assert expected.join(
        worked,
        (worked.student_id == expected.user_id) & (worked.course_id == expected.course_id),
        "left_anti",
    ).isEmpty()


def test_every_seed_shows_every_action(spark: SparkSession) -> None:
    found = []
    for seed in (2, 3, 4):
        (_, parts), *_ = batches(spark, District.presets(seed)["seed"])
        frame = next(part.frame for part in parts if part.entity == "adjustments")
        found.append(frame.selectExpr(f"{seed} as seed", "action"))

    assert _union(found).distinct().count() == 3 * 4


def test_same_seed_gives_the_same_rows(spark: SparkSession, frames: Cached) -> None:
    first = _by_day(frames("seed"))
    (_, same), *_ = batches(spark, District.presets()["seed"])
    (_, other), *_ = batches(spark, District.presets(seed=2)["seed"])

    for again, different in zip(same, other, strict=True):
        if again.entity in ("users", "enrollments", "grades", "attendance"):
            known = first[again.entity].drop("batch")
            digests = [_digest(frame) for frame in (known, again.frame, different.frame)]
            before, now, elsewhere = (tuple(row) for row in _union(digests).collect())
            assert now == before, again.entity
            assert elsewhere != before, again.entity


def test_columns_belong_to_their_entity(spark: SparkSession) -> None:
    for _, parts in batches(spark, District.presets()["seed"]):
        for part in parts:
            allowed = {*ENTITIES[part.entity], "is_active", "effective_at"}
            assert set(part.frame.columns) <= allowed, part.entity
            assert part.file == f"synthetic/{part.entity}"
            assert not part.is_complete


@pytest.mark.parametrize("name", DISTRICTS)
def test_ids_are_unique_and_references_resolve(frames: Cached, name: str) -> None:
    rows = frames(name)  # the night is in it

    assert _doubled(rows) == []
    assert _dangling(rows) == []


def test_comments_fit_letters(frames: Cached) -> None:
    band_of = {words: band for band, texts in COMMENTS.items() for words in texts}
    seed = _by_day(frames("seed"))["grades"]
    pairs = seed.where("letter is not null").select("letter", "comment").distinct().collect()

    assert {row.letter[0] for row in pairs} == set("ABCDF")
    assert [row for row in pairs if band_of[row.comment] != row.letter[0]] == []


def test_only_work_in_a_students_time_is_graded(frames: Cached) -> None:
    demo = _by_day(frames("demo"))
    span = demo["enrollments"].where("role = 'student'").alias("span")
    set_work = demo["assignments"].selectExpr("id as assignment_id", "due_date")
    work = demo["grades"].join(set_work, "assignment_id").alias("work")
    inside = work.join(
        span,
        F.expr(
            "span.user_id = work.student_id and span.course_id = work.course_id"
            " and work.due_date >= coalesce(span.begin_date, date '1900-01-01')"
            " and work.due_date < coalesce(span.end_date, date '2999-01-01')"
        ),
        "left_anti",
    )

    assert inside.isEmpty()


def test_attendance_keeps_to_school_days(frames: Cached) -> None:
    off = {
        date(2025, 9, 1),
        date(2025, 11, 27),
        date(2025, 12, 25),
    }
    days = [
        row.date
        for row in _by_day(frames("demo"))["attendance"].select("date").distinct().collect()
    ]

    assert max(day.weekday() for day in days) == 4
    assert not off & set(days)
    assert 170 <= len(days) / 3 <= 195


def test_distributions_are_those_of_a_school(frames: Cached) -> None:
    demo = _by_day(frames("demo"))
    grades, homeworks = demo["grades"], demo["homeworks"]
    worked = grades.where("assignment_id is not null and status = 'fully graded'").agg(
        F.expr("avg(100 * points_earned / points_possible)").alias("percent"),
        F.expr("avg(int(points_earned > points_possible))").alias("above"),
        F.expr("avg(int(letter = 'F'))").alias("failed"),
    )
    marks = grades.where("assignment_id is null").agg(F.expr("avg(int(letter = 'F'))"))
    handed_in = homeworks.where("status != 'exempt'").agg(
        F.expr("avg(int(status != 'not submitted'))")
    )
    absences = (
        demo["attendance"]
        .groupBy("student_id", "batch")
        .agg(F.avg("absent_fraction").alias("rate"))
    )
    absent = absences.agg(F.avg("rate"), F.expr("avg(int(rate >= 0.1))")).collect()[0]
    work = worked.collect()[0]

    assert 78 <= work.percent <= 84
    assert 0.003 <= work.above <= 0.02
    assert 0.04 <= work.failed <= 0.08
    assert 0.05 <= marks.collect()[0][0] <= 0.09
    assert 0.86 <= handed_in.collect()[0][0] <= 0.90
    assert 0.05 <= absent[0] <= 0.08
    assert 0.14 <= absent[1] <= 0.21


def test_what_students_are_like_shows_in_all_they_do(frames: Cached) -> None:
    demo = _by_day(frames("demo"))
    key = ["student_id", "batch"]
    year = (
        demo["grades"].where("assignment_id is null").groupBy(*key)
        .agg(F.avg("points_earned").alias("mark"),
             F.avg(F.when(F.col("term_id").endswith("-1"), F.col("points_earned"))).alias("fall"),
             F.avg(F.when(F.col("term_id").endswith("-2"), F.col("points_earned"))).alias("spring"))
        .join(demo["attendance"].groupBy(*key).agg(F.avg("absent_fraction").alias("absent")), key)
        .join(demo["homeworks"].groupBy(*key)
              .agg(F.expr("avg(int(status = 'not submitted'))").alias("missing")), key)
        .join(demo["incidents"].groupBy(*key).agg(F.count("id").alias("incidents")), key, "left")
        .fillna(0, ["incidents"])
    )  # fmt: skip
    row = year.agg(
        F.corr("mark", "absent").alias("mark_absent"),
        F.corr("mark", "missing").alias("mark_missing"),
        F.corr("mark", "incidents").alias("mark_incidents"),
        F.corr("absent", "missing").alias("absent_missing"),
        F.corr("fall", "spring").alias("fall_spring"),
    ).collect()[0]
    next_year = year.selectExpr("student_id", "batch - 1 as batch", "mark as next_mark")
    lasting = year.join(next_year, key).agg(F.corr("mark", "next_mark")).collect()[0][0]

    assert row.mark_absent < -0.25
    assert row.mark_missing < -0.5
    assert row.mark_incidents < -0.08
    assert row.absent_missing > 0.3
    assert 0.6 < row.fall_spring < 0.95  # neither perfectly nor hopelessly predictable
    assert 0.6 < lasting < 0.95


def test_people_move_change_and_return_over_the_years(frames: Cached) -> None:
    demo = _by_day(frames("demo"))
    students = demo["users"].where("role = 'student'")
    per_student = students.groupBy("id").agg(
        F.expr("max_by(is_active, batch) and not min(is_active)").alias("returned"),
        F.expr("not max_by(is_active, batch)").alias("gone"),
        F.countDistinct("family_name").alias("names"),
        F.countDistinct("is_english_learner").alias("learner"),
    )
    found = per_student.agg(
        F.count_if("returned"), F.count_if("gone"), F.count_if(F.col("names") > 1),
        F.count_if(F.col("learner") > 1),
    ).collect()[0]  # fmt: skip
    sideways = students.alias("a").join(
        students.alias("b"),
        F.expr(
            "a.id = b.id and b.batch = a.batch + 1 and b.is_active and a.school_id != b.school_id"
            " and not (a.grade_level = '05' and b.grade_level = '06')"
            " and not (a.grade_level = '08' and b.grade_level = '09')"
        ),
    )
    first = students.where("batch = 0").groupBy("school_id").count().collect()
    schools = demo["schools"].groupBy("id").agg(F.countDistinct("name").alias("names"))

    assert all(count > 0 for count in found)
    assert 3 <= sideways.count() <= 30
    assert [row["count"] for row in first] == [60] * 5
    assert schools.where("names > 1").count() >= 1


@pytest.mark.parametrize("name", DISTRICTS)
def test_night_touches_only_the_students_chosen_for_it(
    spark: SparkSession, frames: Cached, name: str
) -> None:
    tonight = {
        entity: frame.where("batch = 9")
        for entity, frame in frames(name).items()
        if entity in CHANGED_NIGHTLY
    }
    person = {"users": "id", "affiliations": "user_id", "enrollments": "user_id"}
    touched = _union(frame.select(person.get(e, "student_id")) for e, frame in tonight.items())
    district = DISTRICTS[name]
    export = Export(district, district.last_school_year, 1, SHARE)
    students = spark.sql(f"select id + 1 as student_no from range({10 * district.students})")
    chosen = students.where(export.is_chosen()).selectExpr(
        f"concat('stu-', lpad(student_no, {district.student_digits}, '0'))"
    )

    assert touched.distinct().subtract(chosen).isEmpty()
    assert touched.distinct().count() <= max(3.0, 1.5 * SHARE * district.students)


def test_night_is_the_evening_after_the_last_batch(spark: SparkSession) -> None:
    as_of, parts = night(spark, District.presets()["seed"], 1, SHARE)

    assert as_of == datetime(2026, 7, 1, 22, tzinfo=UTC)
    assert not any(part.is_complete for part in parts)


def test_night_corrects_grades_that_were_there(frames: Cached) -> None:
    grades, homeworks = frames("demo")["grades"], frames("demo")["homeworks"]
    known = grades.where("batch = 2").alias("known")
    new = grades.where("batch = 9").alias("new")
    counted = (
        new.join(known, F.expr("new.id = known.id"), "left")
        .agg(
            F.count("*"),
            F.count_if(F.expr("known.id is null")),
            F.count_if(F.expr("known.status = 'not submitted' and new.status != 'not submitted'")),
            F.count_if(
                F.expr("known.status = 'fully graded' and new.points_earned != known.points_earned")
            ),
        )
        .collect()[0]
    )

    assert 0 < counted[0] < 0.02 * known.count()
    assert counted[1] == 0
    assert counted[2] > 0
    assert counted[3] > 0
    assert homeworks.where("batch = 9 and status = 'submitted' and not is_late").isEmpty()


def test_nights_and_sizes_out_of_range_are_refused(spark: SparkSession) -> None:
    district = District.presets()["seed"]

    with pytest.raises(ValueError, match="nights count from 1"):
        night(spark, district, 0, SHARE)
    with pytest.raises(ValueError, match="changed_share"):
        night(spark, district, 1, 1.5)
    with pytest.raises(ValueError, match="at least 30 students"):
        District.scale(29)


def test_scale_has_exactly_so_many_students_in_all_grades(spark: SparkSession) -> None:
    sizes = [30, 31, 1234]
    found = []
    for size in sizes:
        (as_of, parts), *more = batches(spark, District.scale(size))
        users = next(part.frame for part in parts if part.entity == "users")
        found.append(
            users.where("role = 'student'").selectExpr(f"{size} as size", "id", "grade_level")
        )
        assert not more
        assert as_of == datetime(2025, 11, 12, 22, tzinfo=UTC)
    counted = (
        _union(found)
        .groupBy("size")
        .agg(F.count("id"), F.countDistinct("id"), F.countDistinct("grade_level"))
    )

    assert sorted(tuple(row) for row in counted.collect()) == [(n, n, n, 13) for n in sizes]
