"""Grades and homework of a synthetic district.

The share of points lost on a piece of work is log-normal: exp(2.64 - 0.58 z) percent, where z adds
up ability, effort, attendance, a student's good or bad term, the course, its difficulty and luck.
So work averages about 80 percent with a long tail below. Whether homework is handed in follows
effort (logistic). A course mark is the points of all the term's work; missing work counts 0.
"""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import expr

from python_jobs.landing.synthetic_courses import enrolled, with_works
from python_jobs.landing.synthetic_plan import Export, literal
from python_jobs.landing.synthetic_roster import ENGLISH_LEARNERS, students
from python_jobs.landing.synthetic_words import COMMENTS, HOMEWORK_FILES, MISSING_COMMENTS

BIAS_POINTS = 10  # of scenario biased_marks
BANDS = [
    ("A", 93), ("A-", 90), ("B+", 87), ("B", 83), ("B-", 80), ("C+", 77), ("C", 73), ("C-", 70),
    ("D+", 67), ("D", 63), ("D-", 60),
]  # fmt: skip


def _letter(earned: str, possible: str) -> str:
    """Return the SQL letter of a result; halves of points compare exactly as doubles."""
    bands = " ".join(
        f"when 100 * {earned} >= {least} * {possible} then '{name}'" for name, least in BANDS
    )
    return f"case {bands} else 'F' end"


def _comment(export: Export, letter: str, share: float, key: str) -> str:
    """Return the SQL comment that fits a letter, for a share of the rows, else null."""
    dice = export.district.dice
    by_letter = " ".join(
        f"when '{band}' then {dice.pick(words, 'comment', key)}" for band, words in COMMENTS.items()
    )
    return (
        f"if({dice.uniform('has comment', key)} < {min(share, 1.0)}D,"
        f" case substr({letter}, 1, 1) {by_letter} end, null)"
    )


def results(spark: SparkSession, export: Export, frame: DataFrame) -> DataFrame:
    """Return one row per student and piece of work that was due, for a frame of `students`."""
    dice = export.district.dice
    key = ("student_no", "assignment_id")
    due = with_works(spark, export, enrolled(spark, export, frame)).where(
        f"due_date <= {literal(export.today)}"
        " and (begin_date is null or due_date >= begin_date)"
        " and (end_date is null or due_date < end_date)"
    )
    handed_in = (
        "if(is_homework, 1 / (1 + exp(-(2.4D + 0.85D * effort + 0.3D * attends + 0.3D * mood))),"
        " 1 / (1 + exp(-(5.2D + 0.3D * effort + 0.3D * attends))))"
    )
    late = "if(is_homework, least(0.5D, 0.08D * exp(-0.5D * effort)), 0.01D)"
    days_late = f"if(is_late, 1 + {dice.whole(4, 'days late', *key)}, 0)"
    drawn = export.district.cut(due).selectExpr(
        "*",
        f"{dice.normal('mood', 'student_no', 'term_id')} as mood",
        f"{dice.uniform('exempt', *key)} < 0.013D or coalesce(due_date >= audit_date, false)"
        " as is_exempt",
        f"{dice.uniform('late', *key)} < {late} as is_late",
        f"(unix_date(due_date) + {days_late}) * 86400L + 28800"
        f" + {dice.whole(50000, 'hour', *key)} as submitted_second",
        f"(submitted_second div 86400 + 1 + {dice.whole(5, 'grading', *key)}) * 86400L + 57600"
        " as graded_second",
        f"{dice.uniform('hand in', *key)} < {handed_in}"
        f" and submitted_second <= {export.as_of_second} as is_handed_in",
        f"{dice.uniform('set aside', *key)} as set_aside",
        "case when is_exempt then 'exempt' when not is_handed_in then 'not submitted'"
        f" when graded_second > {export.as_of_second} or set_aside < 0.004 then 'submitted'"
        " when set_aside < 0.008 then 'partially graded' else 'fully graded' end as status",
    )
    skill = (
        "0.70D * ability + 0.25D * effort + 0.20D * attends + 0.28D * mood - difficulty"
        f" + 0.30D * {dice.normal('likes', 'student_no', 'code')}"
        f" + 0.15D * {dice.normal('strict', 'course_id')}"
        f" + 0.52D * {dice.normal('luck', *key)}"
    )
    extra = dice.uniform("extra credit", *key)
    return export.district.cut(drawn).selectExpr(
        "*",
        f"least(100, exp(2.64D - 0.58D * ({skill}))) as lost_percent",
        f"if({extra} < 0.013D and lost_percent < 30, 100 + 400 * {extra},"
        " 100 - lost_percent - if(is_late, 4, 0)) as percent",
        "greatest(0, round(percent * points_possible / 50) / 2) as worth",
    )


GRADE_COLUMNS = [
    "id", "assignment_id", "student_id", "course_id", "term_id", "graded_at", "points_earned",
    "points_possible", "letter", "status", "comment",
]  # fmt: skip


def _grade_rows(frame: DataFrame, export: Export) -> DataFrame:
    """Return the grades of a frame of `results`; only fully graded work has a letter."""
    share = export.district.comment_share
    missing = export.district.dice.pick(MISSING_COMMENTS, "missing", "assignment_id")
    return frame.selectExpr(
        "concat('grd-', substr(student_id, 5), '-', substr(assignment_id, 5)) as id",
        "assignment_id",
        "student_id",
        "course_id",
        "term_id",
        "timestamp_seconds(if(status = 'submitted', submitted_second, graded_second)) as seen_at",
        f"least(seen_at, timestamp_seconds({export.as_of_second})) as graded_at",
        "case status when 'fully graded' then worth when 'partially graded'"
        " then floor(worth * 0.6D) when 'not submitted' then 0 end as points_earned",
        "points_possible",
        f"if(status = 'fully graded', {_letter('worth', 'points_possible')}, null) as letter",
        "status",
        f"if(status = 'not submitted',"
        f" if({export.district.dice.uniform('has comment', 'id')} < {share}D, {missing}, null),"
        f" {_comment(export, 'letter', share, 'id')}) as comment",
    ).select(*GRADE_COLUMNS)


def _course_marks(frame: DataFrame, export: Export) -> DataFrame:
    """Return the marks of the terms that have ended, from a frame of `results`."""
    biased = "0"
    if export.district.scenario == "biased_marks":
        draw = export.district.dice.uniform("learner", "student_no")
        biased = f"if({draw} < {ENGLISH_LEARNERS}D, {BIAS_POINTS}, 0)"
    return (
        frame.where(
            "audit_date is null"
            f" and term_end <= {literal(export.today)}"
            " and (end_date is null or end_date > term_end)"
        )
        .groupBy("student_no", "student_id", "course_id", "term_number", "term_id", "term_end")
        .agg(
            expr("sum(if(status = 'fully graded', worth, 0))").alias("earned"),
            expr("sum(if(status in ('fully graded', 'not submitted'), points_possible, 0))").alias(
                "possible"
            ),
        )
        .where("possible > 0")
        .selectExpr(
            "concat('grd-', substr(student_id, 5), '-', substr(course_id, 5), '-', term_number,"
            " '-mark') as id",
            "cast(null as string) as assignment_id",
            "student_id",
            "course_id",
            "term_id",
            "timestamp_seconds((unix_date(term_end) + 3) * 86400L + 57600) as graded_at",
            f"greatest(0, round(100 * earned / possible, 1) - {biased}) as points_earned",
            "100 as points_possible",
            f"{_letter('points_earned', '100')} as letter",
            "'fully graded' as status",
            f"{_comment(export, 'letter', 3 * export.district.comment_share, 'id')} as comment",
        )
    )


def grades(spark: SparkSession, export: Export) -> DataFrame:
    if export.night:
        return _grade_rows(_regraded(spark, export), export)
    due = results(spark, export, students(spark, export))
    return _grade_rows(due, export).unionByName(_course_marks(due, export))


def homeworks(spark: SparkSession, export: Export) -> DataFrame:
    """Return what became of each piece of homework; not submitted ones have a row as well."""
    dice = export.district.dice
    if export.night:
        due = _regraded(spark, export).where("change != 'corrected'")
    else:
        due = results(spark, export, students(spark, export))
    has_file = "status not in ('exempt', 'not submitted')"
    return due.where("is_homework").selectExpr(
        "concat('hmw-', substr(student_id, 5), '-', substr(assignment_id, 5)) as id",
        "assignment_id",
        "student_id",
        "course_id",
        "status",
        f"if({has_file}, timestamp_seconds(submitted_second), null) as submitted_at",
        f"{has_file} and is_late as is_late",
        f"if({has_file}, {dice.pick(HOMEWORK_FILES, 'file', 'id')}, null) as file_type",
    )


def _regraded(spark: SparkSession, export: Export) -> DataFrame:
    """Return the chosen students' results that changed tonight, as they are now.

    Some grades were corrected (their date stays), some missing homework has come in late, and
    what lay there ungraded is graded.
    """
    dice, base = export.district.dice, export.before_nights()
    key = ("student_no", "assignment_id", str(export.night))
    chosen = students(spark, base).where(export.is_chosen())
    change = (
        f"case when status = 'fully graded' and {dice.uniform('corrected', *key)} < 0.06D"
        " then 'corrected'"
        f" when status = 'not submitted' and is_homework and {dice.uniform('makeup', *key)} < 0.4D"
        " then 'handed in'"
        f" when status = 'submitted' and {dice.uniform('graded', *key)} < 0.8D then 'graded' end"
    )
    step = f"(1 + {dice.whole(4, 'correction', *key)}) / 2"
    now = export.as_of_second
    return (
        results(spark, base, chosen)
        .selectExpr("*", f"{change} as change")
        .where("change is not null")
        .withColumns(
            {
                "worth": expr(
                    f"case change when 'corrected' then if(worth + {step} <= points_possible,"
                    f" worth + {step}, greatest(0, worth - {step}))"
                    " when 'handed in' then floor(worth * 0.9D) else worth end"
                ),
                "status": expr(
                    "if(change = 'handed in' and set_aside < 0.4, 'submitted', 'fully graded')"
                ),
                "is_late": expr("is_late or change = 'handed in'"),
                "submitted_second": expr(
                    f"if(change = 'handed in', {now} - 14400, submitted_second)"
                ),
                "graded_second": expr(f"if(change = 'corrected', graded_second, {now} - 3600)"),
            }
        )
    )
