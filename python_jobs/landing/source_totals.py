"""What a source's own files add up to, per school and term, and what keeps rows out of raw.

Counted over all rows of the files, broken ones too, and by none of the SQL that makes raw rows or
the star: only so the mart `reconciliation`, which compares them, is a check.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import cached_property, reduce
from typing import TYPE_CHECKING, NamedTuple

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from python_jobs.landing.oneroster_files import empty_file, our_role

if TYPE_CHECKING:
    from python_jobs.landing.oneroster_checks import Checks
    from python_jobs.landing.raw import Batch

SOURCE_TOTALS = "quality.source_totals"
AMOUNT = "decimal(28,4)"
# A step's amount is what it adds to the amount of the steps before: here, the kinds of rows that
# are in it. Students are distinct, so that each step counts them anew.
STEPS = {
    "source": {"landed", "ended", "quarantined", "duplicate"},
    "duplicate": {"landed", "ended", "quarantined"},
    "quarantined": {"landed", "ended"},
    "ended": {"landed"},
    "released": {"landed", "released"},
    "kept_broken": {"landed", "released", "kept_broken"},
    "kept_unlisted": {"landed", "released", "kept_broken", "kept_unlisted"},
}
EXPECTED = STEPS["kept_unlisted"] | {"untouched"}
KNOWN = {"known"}
COLUMNS = {
    "batch_id": "bigint",
    "source_system": "string",
    "measure": "string",
    "school_id": "string",
    "term_id": "string",  # the reporting term
    "is_total": "boolean",  # of a bulk file; a delta file only changes what raw knows
    **{f"{step}_amount": AMOUNT for step in STEPS},
    "known_amount": AMOUNT,  # with a delta file: what raw had before
    "expected_amount": AMOUNT,  # what raw is to have once the batch has landed
}


class Source(NamedTuple):
    """How a file and its raw entity say the same.

    moved_by: files that say to which school and term its rows belong. of_file, of_raw: columns.
    is_counted_of_file, is_counted_of_raw: which rows are counted.
    """

    entity: str
    measures: tuple[str, ...]
    moved_by: tuple[str, ...]
    of_file: tuple[str, ...]
    of_raw: tuple[str, ...]
    is_counted_of_file: str = "true"
    is_counted_of_raw: str = "true"


NO_TEXT = "cast(null as string)"
SOURCES = {
    "enrollments": Source(
        "enrollments",
        ("students", "enrollments"),
        ("academicSessions", "classes"),
        (
            "classSourcedId as course_id",
            "schoolSourcedId as school_id",
            "userSourcedId as user_id",
        ),
        ("course_id", "school_id", "user_id"),
        # A role that cannot be read may be a student's.
        f"coalesce({our_role('role')}, 'student') = 'student'",
        "role = 'student'",
    ),
    "lineItems": Source(
        "assignments",
        ("assignments",),
        ("academicSessions", "classes"),
        (
            "classSourcedId as course_id",
            "coalesce(gradingPeriodSourcedId, academicSessionSourcedId) as term_id",
        ),
        ("course_id", "term_id"),
    ),
    "results": Source(
        "grades",
        ("results", "points", "percents"),
        ("academicSessions", "classes", "lineItems"),
        (
            "lineItemSourcedId as item_id",
            f"{NO_TEXT} as course_id",
            f"{NO_TEXT} as term_id",
            "classSourcedId as class_id",
            "cast(null as decimal(9,3)) as maximum",
            "score",
            "lower(trim(scoreStatus)) as status",
        ),
        (
            "assignment_id as item_id",
            "course_id",
            "term_id",
            f"{NO_TEXT} as class_id",
            "points_possible as maximum",
            "points_earned as score",
            "status",
        ),
    ),
}


class Counted(NamedTuple):
    """What the units of a measure add up to, for units that are in rows of the same kinds."""

    measure: str
    school_id: str
    term_id: str
    kinds: Sequence[str]
    amount: Decimal


class SourceTotals(NamedTuple):
    """What the files of a bundle add up to; `write` it once the bundle has landed.

    rows: the columns of COLUMNS from measure on.
    """

    rows: list[tuple[object, ...]]

    def write(self, spark: SparkSession, batch: "Batch") -> None:
        """Append the totals as those of a batch."""
        if self.rows:
            schema = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
            rows = [(batch.batch_id, batch.source_system, *row) for row in self.rows]
            spark.createDataFrame(rows, schema).coalesce(1).writeTo(SOURCE_TOTALS).append()


def create_source_totals(spark: SparkSession) -> None:
    if not spark.catalog.tableExists(SOURCE_TOTALS):
        spark.sql("create schema if not exists quality")
        body = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())
        spark.sql(f"create table if not exists {SOURCE_TOTALS} ({body}) using delta")


def count_source(checks: "Checks", *, implicit_deletes: bool) -> SourceTotals:
    """Count a checked bundle; to be called before its rows are merged, for it reads raw as known.

    implicit_deletes: as for the landing; without, what a bulk file no longer lists stays.
    """
    after, before = _Places(checks, with_files=True), _Places(checks, with_files=False)
    tallies: list[DataFrame] = []
    is_total: dict[str, bool] = {}
    for file, source in SOURCES.items():
        if not checks.files.keys() & {file, *source.moved_by}:
            continue
        is_bulk = file in checks.files and checks.bundle.is_bulk(file)
        is_total |= dict.fromkeys(source.measures, is_bulk)
        rows = [_file_rows(checks, file)] if file in checks.files else []
        if checks.is_landed(source.entity):
            if not is_bulk:
                tallies.append(_tally(file, _raw_rows(checks, file, "'known'"), before))
            if (kind := _kind_of_raw(checks, file, is_bulk, implicit_deletes)) != "null":
                rows.append(_raw_rows(checks, file, kind))
        if rows:
            tallies.append(_tally(file, reduce(DataFrame.unionByName, rows), after))
    counted = reduce(DataFrame.unionByName, tallies).collect() if tallies else []
    return SourceTotals(add_up([Counted(*row) for row in counted], is_total))


def add_up(counted: Iterable[Counted], is_total: dict[str, bool]) -> list[tuple[object, ...]]:
    """Return per measure, school and term what each step adds; the columns of COLUMNS.

    is_total: measure -> whether its file is bulk. A measure without any row has one of zeros, for
    an empty bulk file is a total too.
    """
    cells: dict[tuple[str, str, str], list[Counted]] = {
        (measure, "unknown", "unknown"): [] for measure in is_total
    }
    for one in counted:
        cells.setdefault((one.measure, one.school_id, one.term_id), []).append(one)

    def amount(units: Iterable[Counted], kinds: set[str]) -> Decimal:
        return sum((one.amount for one in units if kinds.intersection(one.kinds)), Decimal(0))

    rows: list[tuple[object, ...]] = []
    for cell, units in cells.items():
        amounts = [amount(units, kinds) for kinds in STEPS.values()]
        added = [now - last for now, last in zip(amounts, [Decimal(0), *amounts], strict=False)]
        known, expected = amount(units, KNOWN), amount(units, EXPECTED)
        rows.append((*cell, is_total[cell[0]], *added, known, expected))
    return rows


def _file_rows(checks: "Checks", file: str) -> DataFrame:
    """Return the rows of a file that are counted, each with its kind."""
    source = SOURCES[file]
    kind = """
        case
            when _is_retry then if(size(_faults) = 0 and is_active, 'released', null)
            when exists(_faults, fault -> fault like 'duplicate%') then 'duplicate'
            when size(_faults) > 0 then 'quarantined'
            when not is_active then 'ended'
            else 'landed'
        end as kind
    """
    counted = checks.files[file].frame.where(source.is_counted_of_file)
    return counted.selectExpr(kind, *source.of_file).where("kind is not null")


def _kind_of_raw(checks: "Checks", file: str, is_bulk: bool, implicit_deletes: bool) -> str:
    """Return SQL for the kind of a raw row that is active before the batch lands; null: it goes.

    was_sound: whether the file has the row's id without a fault; null when it has no such id.
    """
    if not is_bulk:
        return "if(was_sound, null, 'untouched')"
    is_complete = implicit_deletes and checks.is_complete(file)
    if is_complete and not checks.files[file].rows_rejected:
        return "null"
    unlisted = "null" if is_complete else "'kept_unlisted'"
    return (
        f"case when was_sound then null when not was_sound then 'kept_broken' else {unlisted} end"
    )


def _raw_rows(checks: "Checks", file: str, kind: str) -> DataFrame:
    """Return the active rows that raw has of the source, each with its kind."""
    source = SOURCES[file]
    rows = checks.spark.table(f"raw.{source.entity}").where(
        (F.col("source_system") == checks.bundle.source_system)
        & F.col("is_active")
        & F.expr(source.is_counted_of_raw)
    )
    if "was_sound" in kind and file in checks.files:
        sent = checks.files[file].frame.selectExpr("id", "size(_faults) = 0 as is_sound")
        rows = rows.join(sent.groupBy("id").agg(F.max("is_sound").alias("was_sound")), "id", "left")
    else:
        rows = rows.withColumn("was_sound", F.lit(None).cast("boolean"))
    rows = rows.selectExpr(f"{kind} as kind", *source.of_raw)
    return rows.where("kind is not null")


TALLIES = {
    "enrollments": """
        with placed as (
            select
                rows.kind,
                rows.user_id,
                coalesce(courses.school_id, rows.school_id, 'unknown') as school_id,
                coalesce(courses.term_id, 'unknown') as term_id
            from {rows} as rows
            left join {courses} as courses on rows.course_id = courses.id
        ),

        students as (
            select school_id, term_id, collect_set(kind) as kinds
            from placed
            where user_id is not null
            group by school_id, term_id, user_id
        )

        select 'enrollments' as measure, school_id, term_id, array(kind) as kinds,
            count(*) as amount
        from placed
        group by school_id, term_id, kind
        union all
        select 'students', school_id, term_id, array_sort(kinds), count(*)
        from students
        group by school_id, term_id, array_sort(kinds)
    """,
    "lineItems": """
        select
            'assignments' as measure,
            coalesce(courses.school_id, 'unknown') as school_id,
            coalesce(terms.reporting_id, courses.term_id, 'unknown') as term_id,
            array(rows.kind) as kinds,
            count(*) as amount
        from {rows} as rows
        left join {courses} as courses on rows.course_id = courses.id
        left join {terms} as terms on rows.term_id = terms.id
        group by all
    """,
    "results": """
        with placed as (
            select
                rows.kind,
                rows.score,
                rows.status,
                coalesce(items.maximum, rows.maximum) as maximum,
                coalesce(items.course_id, rows.course_id, rows.class_id) as course_id,
                coalesce(items.term_id, rows.term_id) as term_id
            from {rows} as rows
            left join {items} as items on rows.item_id = items.id
        ),

        sums as (
            select
                coalesce(courses.school_id, 'unknown') as school_id,
                coalesce(terms.reporting_id, 'unknown') as term_id,
                array(placed.kind) as kinds,
                cast(count(*) as decimal(28,4)) as results,
                cast(coalesce(sum(placed.score), 0) as decimal(28,4)) as points,
                cast(coalesce(sum(if(
                    placed.status = 'fully graded' and placed.maximum > 0,
                    cast(100 * placed.score / placed.maximum as decimal(18,4)),
                    null
                )), 0) as decimal(28,4)) as percents
            from placed
            left join {courses} as courses on placed.course_id = courses.id
            left join {terms} as terms on coalesce(placed.term_id, courses.term_id) = terms.id
            group by all
        )

        select
            stack(3, 'results', results, 'points', points, 'percents', percents)
                as (measure, amount),
            school_id, term_id, kinds
        from sums
    """,
}


def _tally(file: str, rows: DataFrame, places: "_Places") -> DataFrame:
    """Add up rows of a file or of raw: the columns of `Counted`."""
    query = TALLIES[file]
    names = [name for name in ("terms", "courses", "items") if f"{{{name}}}" in query]
    used: dict[str, DataFrame] = {name: getattr(places, name) for name in names}
    tally = rows.sparkSession.sql(query, None, rows=rows, **used)
    return tally.selectExpr(
        "measure", "school_id", "term_id", "kinds", f"cast(amount as {AMOUNT}) as amount"
    )


class _Places:
    """To which school and reporting term sections and line items belong.

    with_files: as it is once the bundle has landed; else as raw has it before.
    """

    def __init__(self, checks: "Checks", *, with_files: bool) -> None:
        self.checks = checks
        self.files = checks.files if with_files else {}

    @cached_property
    def terms(self) -> DataFrame:
        """One row per term: what a grading period is reported in, and what that belongs to."""
        terms = self._rows(
            "academicSessions",
            "terms",
            ("lower(trim(type)) as type", "parentSourcedId as parent_id", "startDate as start"),
            ("lower(term_type) as type", "parent_id", "start_date as start"),
            is_sound_only=True,
        )
        return self._sql(
            """
            select
                terms.*,
                case
                    when terms.type != 'gradingperiod' then terms.id
                    when parents.type in ('semester', 'term') then parents.id
                    when grandparents.type in ('semester', 'term') then grandparents.id
                    else terms.id
                end as reporting_id
            from {terms} as terms
            left join {terms} as parents on terms.parent_id = parents.id
            left join {terms} as grandparents on parents.parent_id = grandparents.id
            """,
            terms=terms,
        )

    @cached_property
    def courses(self) -> DataFrame:
        """One row per section: its school, and its reporting term or the year of several."""
        courses = self._rows(
            "classes",
            "courses",
            ("schoolSourcedId as school_id", "termSourcedIds as term_ids"),
            ("school_id", "term_ids"),
        )
        return self._sql(
            """
            with term_rows as (
                select id, explode(term_ids) as term_id from {courses}
            ),

            calendars as (
                select
                    term_rows.id,
                    case
                        when count(distinct reporting.id) = 1 then min(reporting.id)
                        when count(distinct years.id) = 1 then min(years.id)
                        else min_by(reporting.id, struct(terms.start, terms.id))
                    end as term_id
                from term_rows
                inner join {terms} as terms on term_rows.term_id = terms.id
                inner join {terms} as reporting on terms.reporting_id = reporting.id
                left join {terms} as years
                    on reporting.parent_id = years.id and years.type = 'schoolyear'
                group by term_rows.id
            )

            select courses.id, courses.school_id, calendars.term_id
            from {courses} as courses
            left join calendars on courses.id = calendars.id
            """,
            courses=courses,
            terms=self.terms,
        )

    @cached_property
    def items(self) -> DataFrame:
        """One row per line item: its section, term and maximum."""
        return self._rows(
            "lineItems",
            "assignments",
            (
                "classSourcedId as course_id",
                "coalesce(gradingPeriodSourcedId, academicSessionSourcedId) as term_id",
                "resultValueMax as maximum",
            ),
            ("course_id", "term_id", "points_possible as maximum"),
        )

    def _rows(
        self,
        file: str,
        entity: str,
        of_file: tuple[str, ...],
        of_raw: tuple[str, ...],
        *,
        is_sound_only: bool = False,
    ) -> DataFrame:
        """Return one row per id: as the file has it, if it lands, else as raw knows it.

        A broken row still tells where the rows belong that name it (is_sound_only: it does not).
        """
        row = f"struct({', '.join(of_file)}) as row"
        frames = [empty_file(self.checks.spark, file).selectExpr("id", "4 as rank", row)]
        if self.checks.is_landed(entity):
            raw = self.checks.spark.table(f"raw.{entity}")
            frames.append(raw.selectExpr("id", "2 as rank", f"struct({', '.join(of_raw)}) as row"))
        if file in self.files:
            rank = "case when size(_faults) > 0 then 4 when is_active then 1 else 3 end as rank"
            rows = self.files[file].frame.where("id is not null")
            rows = rows.selectExpr("id", rank, row)
            frames.append(rows.where("rank < 4") if is_sound_only else rows)
        ranked = reduce(DataFrame.unionByName, frames).groupBy("id")
        return ranked.agg(F.expr("min_by(row, struct(rank, row)) as row")).select("id", "row.*")

    def _sql(self, query: str, **frames: DataFrame) -> DataFrame:
        return self.checks.spark.sql(query, None, **frames)
