"""Courses of a synthetic district: who teaches and who takes them, and what they ask for.

A course's id spells school year, school, grade, subject and section, so a student's rows find
their course, its assignments and its teacher without a join to those tables.
"""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import broadcast, expr

from python_jobs.landing.synthetic_plan import GRADES, Export, Term, Work, literal, small_table
from python_jobs.landing.synthetic_roster import (
    STAGES,
    school_id,
    students,
    teacher_id,
    teacher_number,
    teachers_per_school,
    with_old_school,
)
from python_jobs.landing.synthetic_words import SMALL_SLOTS, SUBJECTS, courses_by_grade

CORE = ("ELA", "MAT", "SCI", "SOC")
GOLDEN = 0.6180339887498949  # of 30 of its multiples, no two neighbours are 0.056 or more apart
CONTENTS = ("lesson", "video", "quiz", "resource")


def _span(slot: int, credits: float) -> str:
    """Return when a course runs: the whole year, its first term, or the terms after that."""
    if credits == 1.0:
        return "year"
    return "first" if slot == 6 else "second"


def _terms_of(export: Export, span: str) -> tuple[Term, ...]:
    parts = export.calendar.terms
    return {"year": parts, "first": parts[:1], "second": parts[1:]}[span]


def _slots(spark: SparkSession, export: Export) -> DataFrame:
    """Return what is taught: one row per stage, grade and slot (per stage in a small district)."""
    district = export.district
    offers: list[tuple[str, int, int, str, str, str | None, str, str | None, float]]
    if district.is_small:
        offers = [
            (stage, -1, slot, code, name, None, level, None, credits)
            for slot, code, credits, stages in SMALL_SLOTS
            for stage, (name, level) in stages.items()
        ]
    else:
        offers = [
            (stage, grade, slot, code, name, advanced, "regular", level, credits)
            for stage, grade, slot, code, name, advanced, level, credits in courses_by_grade()
        ]
    rows = []
    for offer in offers:
        stage, slot, code, advanced, credits = offer[0], offer[2], offer[3], offer[5], offer[8]
        regular, extra = district.sections(stage)
        subject, difficulty, topics = SUBJECTS[code]
        span = _span(slot, credits)
        ours = _terms_of(export, span)
        rows.append(
            (
                *offer,
                regular if advanced else regular + extra,
                extra if advanced else 0,
                subject,
                "core" if code in CORE else "other",
                difficulty,
                topics,
                span,
                ours[0].first_day,
                ours[-1].first_day + ours[-1].day_count - 1,
            )
        )
    names = (
        "slot_stage, slot_grade, slot, code, course_name, advanced_name, level, advanced_level,"
        " credits, regular_sections, advanced_sections, subject, work_kind, difficulty, topics,"
        " span, first_day, last_day"
    )
    return broadcast(small_table(spark, names, rows))


def _works(spark: SparkSession, export: Export) -> DataFrame:
    """Return what courses ask for, one row per span, kind of course, term and piece of work."""
    rows = []
    for kind, works in (("core", export.district.core_work), ("other", export.district.other_work)):
        for span in ("year", "first", "second"):
            for term in _terms_of(export, span):
                pieces = [(work, one) for work in works for one in range(1, work.count + 1)]
                for number, (work, one) in enumerate(pieces, start=1):
                    rows.append(
                        (
                            span, kind, term.number, term.id, term.first_day, term.day_count,
                            term.end, number, one, work.category, work.is_homework, work.points,
                            _position(work, one), 3 if work.is_homework else 7,
                        )
                    )  # fmt: skip
    names = (
        "span, work_kind, term_number, term_id, term_first_day, term_day_count, term_end, item,"
        " item_in_category, category, is_homework, points_possible, position, lead_days"
    )
    return broadcast(small_table(spark, names, rows))


def _position(work: Work, one: int) -> float:
    """Return when in the term a piece of work is due: 0 is the first day, 1 the last."""
    if work.is_homework:
        return round(0.9 * (one - 0.4) / work.count, 4)
    return round({"quiz": 0.6, "project": 0.8, "test": 0.92}[work.category] * one / work.count, 4)


def _course_id(export: Export, school: str, grade: str, code: str, section: str) -> str:
    head = f"'crs-{export.school_year}-', lpad({school} + 1, {export.district.school_digits}, '0')"
    if export.district.is_small:
        return f"concat({head}, '-', {code})"
    return f"concat({head}, '-', lpad({grade}, 2, '0'), '-', {code}, '-', {section} + 1)"


def courses(spark: SparkSession, export: Export) -> DataFrame:
    """Return the sections, with helper columns for their contents and assignments."""
    district = export.district
    term_ids = " ".join(
        f"when '{span}' then {literal([term.id for term in _terms_of(export, span)])}"
        for span in ("year", "first", "second")
    )
    schools = spark.range(0, district.schools, 1, 1).selectExpr(
        "id as school_no", f"get({literal(STAGES)}, cast(id % 5 as int)) as stage"
    )
    offered = schools.join(_slots(spark, export), expr("stage = slot_stage"))
    return (
        offered.withColumnRenamed("slot_grade", "grade")
        .selectExpr(
            "*", "explode(sequence(0, regular_sections + advanced_sections - 1)) as section"
        )
        .selectExpr(
            f"{_course_id(export, 'school_no', 'grade', 'code', 'section')} as id",
            "section >= regular_sections as is_advanced",
            "if(is_advanced, advanced_name, course_name) as name",
            "concat(code, '-', if(grade < 0, upper(substr(stage, 1, 1)), lpad(grade, 2, '0')),"
            " if(is_advanced, '-A', '')) as course_code",
            "subject",
            "if(is_advanced, advanced_level, level) as level",
            "credits",
            f"{school_id(district, 'school_no')} as school_id",
            f"{teacher_number(district)} as teacher_no",
            f"{teacher_id(district, 'school_no', 'teacher_no')} as teacher_id",
            f"case span {term_ids} end as term_ids",
            "case when grade = 0 then array('KG') when grade > 0 then array(lpad(grade, 2, '0'))"
            " when stage = 'elementary' then array('KG', '01', '02', '03', '04', '05')"
            " when stage = 'middle' then array('06', '07', '08')"
            " else array('09', '10', '11', '12') end as grade_levels",
            f"{export.roster_at} as effective_at",
            "school_no",
            "stage",
            "span",
            "work_kind",
            "topics",
        )
    )


def course_rows(spark: SparkSession, export: Export) -> DataFrame:
    helpers = ("is_advanced", "teacher_no", "school_no", "stage", "span", "work_kind", "topics")
    return courses(spark, export).drop(*helpers)


def enrolled(spark: SparkSession, export: Export, frame: DataFrame) -> DataFrame:
    """Return one row per student and course, for a frame of `students`.

    begin_date, end_date: null where the course's terms hold. About every third student has one
    event in the year (add, drop, switch, audit); a switch makes two rows, of leg 1 and 2.
    """
    district, dice = export.district, export.district.dice
    student_year = ("student_no", str(export.school_year))
    draw = f"pmod(zone_seat * {GOLDEN}D + {dice.uniform('events', str(export.school_year))}, 1.0D)"
    with_event = frame.selectExpr(
        "*",
        f"{draw} as event_draw",
        "case when event_draw < 0.07 then 'add' when event_draw < 0.15 then 'switch'"
        " when event_draw < 0.21 then 'audit'"
        " when event_draw < 0.27 + if(ability < -0.7, 0.08, 0) then 'drop' end as event",
        "case event"
        f" when 'add' then 4 + {dice.whole(10, 'event day', *student_year)}"
        f" when 'switch' then 8 + {dice.whole(20, 'event day', *student_year)}"
        f" when 'audit' then 5 + {dice.whole(15, 'event day', *student_year)}"
        f" when 'drop' then 15 + {dice.whole(25, 'event day', *student_year)} end as event_lag",
    )
    taken = _taken_small if district.is_small else _taken_by_grade
    return (
        taken(spark, export, district.cut(with_event))
        .selectExpr(
            "*",
            f"get({literal(export.calendar.days)}, first_day + event_lag) as event_date",
            f"coalesce(is_event and event_date <= {literal(export.today)}, false) as has_event",
            "if(has_event and (event = 'add' or (event = 'switch' and leg = 2)), event_date, null)"
            " as begin_date",
            "if(has_event and (event = 'drop' or (event = 'switch' and leg = 1)), event_date, null)"
            " as end_date",
            "if(has_event and event = 'audit', event_date, null) as audit_date",
        )
        .where("leg = 1 or has_event")
    )


def _taken_small(spark: SparkSession, export: Export, frame: DataFrame) -> DataFrame:
    """Deal 3 to 5 of the nine courses to each student so that every course has somebody."""
    dice, year = export.district.dice, str(export.school_year)
    codes = literal([code for _, code, _, _ in SMALL_SLOTS])
    return (
        frame.selectExpr(
            "*",
            f"3 + {dice.whole(3, 'courses', 'student_no', year)} as wanted",
            "if(event = 'switch', least(wanted, 4), wanted) as course_count",
            f"cast((school_seat * 4 + {dice.whole(9, 'offset', 'school_no', year)}) % 9 as int)"
            " as first_slot",
            f"{dice.whole(3, 'event course', 'student_no', year)} as event_order",
        )
        .join(_slots(spark, export), expr("stage = slot_stage"))
        .selectExpr(
            "*",
            "pmod((slot - first_slot) * 5, 9) as slot_order",
            "if(slot_order = course_count, 2, 1) as leg",
            "slot_order = event_order or slot_order = course_count as is_event",
            "0 as section",
            f"{_course_id(export, 'school_no', 'grade', 'code', '0')} as course_id",
            f"get({codes}, (first_slot + 2 * event_order) % 9) as other_code",
            f"{_course_id(export, 'school_no', 'grade', 'other_code', '0')} as other_course_id",
        )
        .where("slot_order < course_count or (event = 'switch' and slot_order = course_count)")
    )


def _taken_by_grade(spark: SparkSession, export: Export, frame: DataFrame) -> DataFrame:
    """Give each student every subject of the grade, in a section that fits ability."""
    dice, year = export.district.dice, str(export.school_year)
    electives = "if(stage = 'elementary', 2, 4)"
    return (
        frame.selectExpr(
            "*",
            f"if(event = 'switch', {dice.whole(4, 'event course', 'student_no', year)},"
            f" 4 + {dice.whole(electives, 'event course', 'student_no', year)}) as event_slot",
        )
        .join(_slots(spark, export), expr("stage = slot_stage and grade = slot_grade"))
        .selectExpr(
            "*",
            "slot = event_slot and (event != 'switch' or regular_sections > 1"
            " or advanced_sections > 0) as is_event",
            "place_in_grade + slot * (place_in_grade div regular_sections) as deal",
            "advanced_sections > 0 and ability > 0.55 as takes_advanced",
            "if(takes_advanced, regular_sections + deal % advanced_sections,"
            " deal % regular_sections) as first_section",
            "case when takes_advanced then deal % regular_sections"
            " when regular_sections > 1 then (first_section + 1) % regular_sections"
            " else regular_sections end as second_section",
        )
        .selectExpr(
            "*",
            "explode(if(is_event and event = 'switch', array(1, 2), array(1))) as leg",
        )
        .selectExpr(
            "*",
            "if(leg = 1, first_section, second_section) as section",
            f"{_course_id(export, 'school_no', 'grade', 'code', 'section')} as course_id",
            f"{_course_id(export, 'school_no', 'grade', 'code', 'first_section')}"
            " as other_course_id",
        )
    )


def _enrollment_rows(frame: DataFrame) -> DataFrame:
    return frame.selectExpr(
        "concat('enr-', substr(student_id, 5), '-', substr(course_id, 5)) as id",
        "course_id",
        "student_id as user_id",
        "school_id",
        "'student' as role",
        "cast(null as boolean) as is_primary",
        "begin_date",
        "end_date",
    )


def enrollments(spark: SparkSession, export: Export) -> DataFrame:
    """Return students' and teachers' enrollments; in a night: those that it changed."""
    if export.night:
        return _enrollment_rows(_changed_tonight(spark, export))
    district, dice = export.district, export.district.dice
    rows = _enrollment_rows(enrolled(spark, export, students(spark, export)))
    staffed = courses(spark, export)
    primary = staffed.selectExpr("id", "school_id", "teacher_id", "true as is_primary")
    rows = rows.unionByName(_teacher_rows(primary))
    if not district.is_small:
        counts = " ".join(
            f"when '{stage}' then {teachers_per_school(district, stage)}" for stage in GRADES
        )
        second = staffed.where(f"{dice.uniform('co-teacher', 'id')} < 0.04D").selectExpr(
            "id",
            "school_id",
            f"(teacher_no + 1) % case stage {counts} end as second_no",
            f"{teacher_id(district, 'school_no', 'second_no')} as teacher_id",
            "false as is_primary",
        )
        rows = rows.unionByName(_teacher_rows(second))
    return rows


def _teacher_rows(frame: DataFrame) -> DataFrame:
    return frame.selectExpr(
        "concat('enr-', teacher_id, '-', substr(id, 5)) as id",
        "id as course_id",
        "teacher_id as user_id",
        "school_id",
        "'teacher' as role",
        "is_primary",
        "cast(null as date) as begin_date",
        "cast(null as date) as end_date",
    )


def _changed_tonight(spark: SparkSession, export: Export) -> DataFrame:
    """Return the chosen students' new and ended enrollments, dated the last school day.

    Who moved school ends all courses there and takes the same ones here; of the others some
    drop a course, and some add one. action is null where a move ends the old course.
    """
    district, dice, night = export.district, export.district.dice, str(export.night)
    day = literal(export.days_so_far[-1])
    old_course = _course_id(export, "old_school_no", "grade", "code", "section")
    if district.is_small:
        dropped, near = "slot_order = 1", "slot_order = 0"
        codes = literal([code for _, code, _, _ in SMALL_SLOTS])
        extra_code = f"get({codes}, (first_slot + 16) % 9)"  # no student has the last in the order
    else:
        dropped = f"slot = 4 + {dice.whole(2, 'dropped', 'student_no', night)}"
        near, extra_code = "slot = 4", "code"  # the same subject, a grade lower or higher
    near_grade = "if(grade = first_grade, grade + 1, grade - 1)"
    extra = _course_id(export, "school_no", near_grade, extra_code, "0")

    def change(condition: str, course: str, school: str, action: str, begin: str, end: str) -> str:
        other = old_course if action == "'switch'" else "cast(null as string)"
        return (
            f"if({condition}, named_struct('course_id', {course}, 'school_id', {school}, 'action',"
            f" {action}, 'other_course_id', {other}, 'begin_date', {begin}, 'end_date', {end}),"
            " null)"
        )

    nothing, no_day = "cast(null as string)", "cast(null as date)"
    moves = "school_no != old_school_no and end_date is null"
    stays = "school_no = old_school_no and end_date is null and span = 'year'"
    drops = f"{stays} and {dropped} and {dice.uniform('drops', 'student_no', night)} < 0.12D"
    adds = (
        f"school_no = old_school_no and leg = 1 and {near}"
        f" and {dice.uniform('adds', 'student_no', night)} < 0.10D"
    )
    changes = [
        change(moves, old_course, "old_school_id", nothing, "begin_date", day),
        change(moves, "course_id", "school_id", "'switch'", day, no_day),
        change(drops, "course_id", "school_id", "'drop'", "begin_date", day),
        change(adds, extra, "school_id", "'add'", day, no_day),
    ]
    return (
        enrolled(spark, export, with_old_school(students(spark, export), export))
        .selectExpr("student_id", f"explode(array_compact(array({', '.join(changes)}))) as change")
        .selectExpr("student_id", "change.*")
    )


def adjustments(spark: SparkSession, export: Export) -> DataFrame:
    """Return the changes of course load; a switch names the course left as other_course_id."""
    dice = export.district.dice
    if export.night:
        changes = _changed_tonight(spark, export).where("action is not null")
        changes = changes.selectExpr("*", "if(action = 'drop', end_date, begin_date) as event_date")
    else:
        changes = (
            enrolled(spark, export, students(spark, export))
            .where("has_event and (event != 'switch' or leg = 2)")
            .selectExpr(
                "student_id", "course_id", "event as action", "event_date",
                "if(event = 'switch', other_course_id, null) as other_course_id",
            )
        )  # fmt: skip
    second = f"28800 + {dice.whole(28000, 'adjusted', 'student_id')}"
    return changes.selectExpr(
        "concat('adj-', action, '-', substr(student_id, 5), '-', substr(course_id, 5)) as id",
        "student_id",
        "course_id",
        "other_course_id",
        "action",
        f"timestamp_seconds(unix_date(event_date) * 86400L + {second}) as occurred_at",
    )


def contents(spark: SparkSession, export: Export) -> DataFrame:
    """Return four contents per course: a lesson, a video, a quiz and a resource."""
    dice = export.district.dice
    return (
        courses(spark, export)
        .selectExpr(
            "id as course_id", "teacher_id", "topics", "explode(array(0, 1, 2, 3)) as number"
        )
        .selectExpr(
            f"{content_id('course_id', 'number')} as id",
            "course_id",
            "teacher_id",
            f"get({literal(CONTENTS)}, number) as content_type",
            f"concat(get(topics, pmod(number + {dice.whole(6, 'topic', 'course_id')}, 6)), ': ',"
            " content_type) as title",
            "case content_type when 'video' then 'mp4' when 'quiz' then 'html'"
            f" when 'lesson' then {dice.pick(['pdf', 'pdf', 'pptx', 'html'], 'file', 'id')}"
            f" else {dice.pick(['docx', 'pdf', 'xlsx', 'zip'], 'file', 'id')} end as file_type",
        )
    )


def content_id(course: str, number: str) -> str:
    return f"concat('cnt-', substr({course}, 5), '-', {number} + 1)"


def with_works(spark: SparkSession, export: Export, frame: DataFrame) -> DataFrame:
    """Join what the courses of a frame (course_id, span, work_kind) ask for, with the dates."""
    draw = export.district.dice.uniform("due", "course_id", "term_number", "item")
    days = literal(export.calendar.days)
    return frame.join(_works(spark, export), ["span", "work_kind"]).selectExpr(
        "*",
        "concat('asg-', substr(course_id, 5), '-', term_number, '-', item) as assignment_id",
        f"term_first_day + cast(floor((position + 0.05D * {draw}) * term_day_count) as int)"
        " as due_day",
        f"get({days}, due_day) as due_date",
        f"get({days}, greatest(due_day - lead_days, 0)) as assigned_date",
    )


def assignments(spark: SparkSession, export: Export) -> DataFrame:
    """Return the work that had been set by the evening of the export."""
    return (
        with_works(spark, export, courses(spark, export).withColumnRenamed("id", "course_id"))
        .where(f"assigned_date <= {literal(export.today)}")
        .selectExpr(
            "assignment_id as id",
            "course_id",
            "term_id",
            "concat(initcap(category), ' ', item_in_category, ': ',"
            " get(topics, (term_number * 2 + item) % 6)) as title",
            "category",
            "assigned_date",
            "due_date",
            "points_possible",
            "is_homework",
        )
    )
