"""Attendance, incidents, messages home and content views of a synthetic district."""

from pyspark.sql import DataFrame, SparkSession

from python_jobs.landing.synthetic_courses import CONTENTS, content_id, enrolled
from python_jobs.landing.synthetic_plan import Export, literal
from python_jobs.landing.synthetic_roster import (
    guardian_count,
    guardian_id,
    school_id,
    students,
    teacher_id,
    teachers_per_school,
)
from python_jobs.landing.synthetic_words import INCIDENT_CATEGORIES, OUTCOMES, ROUTINE_CHANNELS

INCIDENT_DAYS = 10  # at most one incident in so many school days, in their first half,
MESSAGE_DAYS = 20  # so that a suspension ends with them; at most one routine message in so many


class _Incident:
    """SQL texts on the incident that a student may have had in block number `block`."""

    def __init__(self, export: Export, block: str) -> None:
        """Take the SQL text of the block: day of the school year div INCIDENT_DAYS."""
        dice, key = export.district.dice, ("student_no", str(export.school_year), block)
        rate = "if(grade < 6, 0.007D, 0.012D)"
        self.happened = (
            f"{dice.uniform('incident', *key)} < least(0.5D, {rate} * exp(-0.9D * behaves))"
        )
        self.day_in_block = dice.whole(INCIDENT_DAYS // 2, "incident day", *key)
        self.gravity = dice.uniform("incident gravity", *key)
        self.severity = (
            f"case when {self.gravity} < 0.72 then 'minor' when {self.gravity} < 0.95"
            " then 'moderate' else 'severe' end"
        )
        days = dice.whole(4, "incident days", *key)
        self.days_suspended = (
            f"case when {self.gravity} < 0.87 then 0 when {self.gravity} < 0.95 then 1"
            f" else 2 + {days} end"
        )


def attendance(spark: SparkSession, export: Export) -> DataFrame:
    """Return daily attendance of the school days so far; a few days were never recorded.

    In a night: the chosen students' rows of the school days since the batch, and of the days
    that had not been recorded.
    """
    dice = export.district.dice
    key = ("student_no", "date")
    unrecorded = f"{dice.uniform('unrecorded', *key)} < 0.003D"
    if export.night:
        recorded = f"({unrecorded} or date > {literal(export.before_nights().today)})"
    else:
        recorded = f"not {unrecorded}"
    lost = "false"
    if (
        export.district.scenario == "lost_absences"
        and export.school_year == export.district.last_school_year
    ):
        lost = f"school_id = {school_id(export.district, '2')}"
    usual = f"least(0.7D, 0.039D * exp(-0.85D * attends)) * if({_is_edge('date')}, 1.25D, 0.85D)"
    spell = dice.uniform("spell", "student_no", str(export.school_year), "day div 3")
    incident = _Incident(export, f"day div {INCIDENT_DAYS}")
    day = f"day % {INCIDENT_DAYS}"
    return (
        students(spark, export)
        .selectExpr(
            "student_no", "student_id", "school_id", "grade", "attends", "behaves", "effort",
            f"posexplode({literal(export.days_so_far)}) as (day, date)",
        )
        .where(recorded)
        .selectExpr(
            "*",
            f"{usual} as absence_rate",
            f"{dice.uniform('absent', *key)} as draw",
            f"{incident.happened} and {day} > {incident.day_in_block}"
            f" and {day} <= {incident.day_in_block} + {incident.days_suspended} as is_suspended",
            f"case when {lost} then 'present' when is_suspended then 'suspended'"
            f" when {spell} < 0.4D * absence_rate or draw < 0.6D * absence_rate then 'absent'"
            " when draw > 0.994D then 'half_day'"
            " when draw > 0.994D - least(0.2D, 0.03D * exp(-0.4D * effort)) then 'tardy'"
            " else 'present' end as status",
        )
        .selectExpr(
            "concat('att-', substr(student_id, 5), '-', date_format(date, 'yyyyMMdd')) as id",
            "student_id",
            "school_id",
            "date",
            "status",
            "case when status in ('absent', 'suspended') then 1 when status = 'half_day' then 0.5"
            " else 0 end as absent_fraction",
            f"status = 'half_day' or (status = 'absent' and {dice.uniform('excused', *key)}"
            " < 0.62D + 0.08D * attends) as is_excused",
        )
    )  # fmt: skip


def _is_edge(date: str) -> str:
    """Return the SQL condition that a day is a Monday or a Friday."""
    return f"weekday({date}) in (0, 4)"


def incidents(spark: SparkSession, export: Export) -> DataFrame:
    """Return what was written up; in a night: what was reported of the last school days."""
    dice = export.district.dice
    days = literal(export.days_so_far)
    last_day = len(export.days_so_far) - 1
    if export.night:
        block = str(1000 + export.night)
        draw = dice.uniform("incident tonight", "student_no", str(export.night))
        found = (
            students(spark, export)
            .where(f"{draw} < 0.03D")
            .selectExpr(
                "*",
                f"{block} as block",
                f"{last_day} - {dice.whole(3, 'incident tonight back', 'student_no')} as day",
            )
        )
    else:
        found = (
            students(spark, export)
            .selectExpr("*", f"explode(sequence(0, {last_day // INCIDENT_DAYS})) as block")
            .where(_Incident(export, "block").happened)
            .selectExpr(
                "*", f"block * {INCIDENT_DAYS} + {_Incident(export, 'block').day_in_block} as day"
            )
            .where(f"day <= {last_day}")
        )
    one = _Incident(export, "block")
    category = " ".join(
        f"when '{severity}' then {dice.pick(words, 'category', 'student_no', 'block')}"
        for severity, words in INCIDENT_CATEGORIES.items()
    )
    second = f"30600 + {dice.whole(22000, 'incident hour', 'student_no', 'block')}"
    return found.selectExpr(
        f"concat('inc-', substr(student_id, 5), '-{export.school_year}-', block) as id",
        "student_id",
        "school_id",
        f"timestamp_seconds(unix_date(get({days}, day)) * 86400L + {second}) as occurred_at",
        f"{one.severity} as severity",
        f"case severity {category} end as category",
        f"{one.days_suspended} as days_suspended",
    )


def communications(spark: SparkSession, export: Export) -> DataFrame:
    """Return messages home: routine ones, more about students who struggle, and on incidents."""
    district, dice = export.district, export.district.dice
    days, last_day = literal(export.days_so_far), len(export.days_so_far) - 1
    reachable = students(spark, export).selectExpr(
        "*", f"{guardian_count(district)} as guardian_count"
    )
    reachable = reachable.where("guardian_count > 0")
    if export.night:
        routine = reachable.where(
            f"{dice.uniform('message tonight', 'student_no', str(export.night))} < 0.25D"
        ).selectExpr(
            "*",
            f"'n{export.night}' as kind",
            f"{int(export.as_of.timestamp()) - 14400}L as second",
        )
        messages = routine.selectExpr("*", "cast(null as string) as fixed_channel")
    else:
        rate = "least(0.7D, 0.09D * exp(-0.35D * (ability + effort)))"
        routine = (
            reachable.selectExpr("*", f"explode(sequence(0, {last_day // MESSAGE_DAYS})) as block")
            .where(
                f"{dice.uniform('message', 'student_no', str(export.school_year), 'block')}"
                f" < {rate}"
            )
            .selectExpr(
                "*",
                f"block * {MESSAGE_DAYS}"
                f" + {dice.whole(MESSAGE_DAYS, 'message day', 'student_no', 'block')} as day",
                "concat('r', block) as kind",
                "cast(null as string) as fixed_channel",
            )
        )
        one = _Incident(export, "block")
        on_incident = (
            reachable.selectExpr("*", f"explode(sequence(0, {last_day // INCIDENT_DAYS})) as block")
            .where(f"{one.happened} and {one.gravity} >= 0.5")
            .selectExpr(
                "*",
                f"block * {INCIDENT_DAYS} + {one.day_in_block} + 1 as day",
                "concat('i', block) as kind",
                "'phone' as fixed_channel",
            )
        )
        second = f"46800 + {dice.whole(28000, 'message hour', 'student_no', 'kind')}"
        messages = (
            routine.unionByName(on_incident)
            .where(f"day <= {last_day}")
            .selectExpr(
                "*", f"unix_date(get({days}, cast(day as int))) * 86400L + {second} as second"
            )
        )
    outcome = " ".join(
        f"when '{channel}' then {dice.pick(words, 'outcome', 'student_no', 'kind')}"
        for channel, words in OUTCOMES.items()
    )
    counts = " ".join(
        f"when '{stage}' then {teachers_per_school(district, stage)}"
        for stage in ("elementary", "middle", "high")
    )
    teacher = dice.whole(f"case stage {counts} end", "message teacher", "student_no", "kind")
    position = f"1 + {dice.whole('guardian_count', 'message to', 'student_no', 'kind')}"
    return messages.selectExpr(
        f"concat('com-', substr(student_id, 5), '-{export.school_year}-', kind) as id",
        "student_id",
        f"{guardian_id(district, position)} as guardian_id",
        f"{teacher_id(district, 'school_no', teacher)} as staff_id",
        f"coalesce(fixed_channel, {dice.pick(ROUTINE_CHANNELS, 'channel', 'student_no', 'kind')})"
        " as channel",
        f"case channel {outcome} end as outcome",
        "timestamp_seconds(second) as occurred_at",
    )


def content_views(spark: SparkSession, export: Export) -> DataFrame:
    """Return which contents students opened, at most once per term and content."""
    dice = export.district.dice
    parts = export.started_terms
    frame, tonight = students(spark, export), "true"
    if export.night:
        frame = students(spark, export.before_nights()).where(export.is_chosen())
        parts = parts[-1:]
        key = ("student_no", "content_id", str(export.night))
        tonight = f"{dice.uniform('viewed tonight', *key)} < 0.1D"
    visited = [
        (term.number, term.first_day, min(term.day_count, len(export.days_so_far) - term.first_day))
        for term in parts
    ]
    terms_of = ", ".join(
        f"named_struct('number', {number}, 'first_day', {first}, 'day_count', {count})"
        for number, first, count in visited
        if count > 0
    )
    key = ("student_no", "content_id", "term.number")
    rate = f"least(0.9D, {export.district.view_share}D * exp(0.35D * effort))"
    day = f"term.first_day + {dice.whole('term.day_count', 'view day', *key)}"
    second = f"43200 + {dice.whole(36000, 'view hour', *key)}"
    when = f"unix_date(get({literal(export.days_so_far)}, {day})) * 86400L + {second}"
    if export.night:
        when = f"{export.as_of_second} - {dice.whole(30000, 'view hour', *key)}"
        suffix = f"'-n{export.night}'"
    else:
        suffix = "''"
    return (
        enrolled(spark, export.before_nights(), frame)
        .where("leg = 1 and end_date is null")
        .selectExpr(
            "student_no", "student_id", "course_id", "effort", "span", "begin_date",
            f"explode(array({', '.join(str(n) for n in range(len(CONTENTS)))})) as number",
        )
        .selectExpr(
            "*", f"{content_id('course_id', 'number')} as content_id",
            f"explode(array({terms_of})) as term",
        )
        .where(
            "(span = 'year' or (span = 'first') = (term.number = 1))"
            f" and {dice.uniform('views', *key)} < {rate} and {tonight}"
        )
        .selectExpr(
            f"concat('cvw-', substr(student_id, 5), '-', substr(content_id, 5), '-', term.number,"
            f" {suffix}) as id",
            "student_id",
            "content_id",
            f"timestamp_seconds({when}) as viewed_at",
            f"{dice.pick(['view', 'view', 'view', 'download'], 'access', *key)} as access_type",
            f"1 + {dice.whole(4, 'times', *key)} as access_count",
        )
    )  # fmt: skip
