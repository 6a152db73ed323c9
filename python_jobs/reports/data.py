"""What the pictures are drawn from: the numbers of one release, small cells hidden, read once.

Read are schema pub, the releases kept of kpi_values, and the names of schools, terms and sections.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession

from python_jobs.errors import DistrictError
from python_jobs.release import current_release
from python_jobs.seeds import read_seed, thresholds_in_force, variables

KEPT_YEARS = 3
COURSE_KPIS = ("avg_grade_percent", "avg_grade_percent_with_missing_as_zero")
TEACHER_KPIS = ("avg_grade_percent", "section_count", "assignment_count", "median_days_to_grade")
NUMBERS = ("numerator", "denominator", "value", "student_count")
CELL = ["kpi", "grain", "entity_id", "subgroup_type", "subgroup", "school_year", "term_id"]
YEAR = "year"
PARALLEL_QUERIES = 4
GAP_NUMBERS = ("subgroup_value", "other_value", "gap", "interval_low", "interval_high")
UNKNOWN = "unknown"  # district of schools without one
# The schools by name, then their districts. Schools of one name are told apart by their ids.
SCHOOLS = """
with schools as (
    select
        school_id, district_id, district_name,
        if(
            count(*) over (partition by school_name) > 1,
            concat_ws(', ', school_name, school_id), school_name
        ) as school_name
    from core.dim_school where is_current and school_key <> -1
)

select school_id as entity_id, coalesce(school_name, school_id) as name,
    'school' as grain, district_id
from schools
where school_id in (select entity_id from pub.kpi_values where grain = 'school')
union all
select distinct district_id, coalesce(district_name, district_id), 'district', district_id
from schools
where district_id in (select entity_id from pub.kpi_values where grain = 'district')
order by grain desc, name, entity_id
"""


@dataclass(frozen=True)
class Release:
    """The numbers of one release.

    values, before (of the release before): CELL, numerator, denominator, value, student_count,
    suppression. gaps: subgroup_gaps. comparisons: term_comparison, the same term a year ago.
    contents: content_analysis. schools: entity_id, name, grain (school, district), district_id.
    courses: name and school_id by course_id. periods: school_year, term_id, name in their order,
    the year after its terms. definitions: the texts of each KPI, by its name.
    """

    release_id: int
    previous_id: int | None
    as_of: date
    min_n: int
    values: pd.DataFrame
    before: pd.DataFrame
    gaps: pd.DataFrame
    comparisons: pd.DataFrame
    contents: pd.DataFrame
    schools: pd.DataFrame
    courses: pd.DataFrame
    periods: pd.DataFrame
    definitions: dict[str, dict[str, str]]

    def name_of(self, grain: str, entity_id: str) -> str:
        """Return what a reader calls a school, subject, grade level or section."""
        if grain in ("school", "district"):
            return str(self.names.get(entity_id, entity_id))
        if grain == "course":
            found = self.courses["name"].get(entity_id, entity_id)
            return str(found)
        if grain == "school_week":
            school_id, week = entity_id.rsplit(" ", 1)
            return f"{self.name_of('school', school_id)}, {week}"
        if grain == "subject":
            own = {"pe_health": "PE and health"}
            return own.get(entity_id, entity_id.replace("_", " ").capitalize())
        return entity_id

    @cached_property
    def names(self) -> dict[str, str]:
        return dict(zip(self.schools["entity_id"], self.schools["name"], strict=True))

    def period_name(self, school_year: int, term_id: str) -> str:
        """Return, for instance, '2024-25', or 'Fall 2024' or 'Q1 2024-25' of a term."""
        name = self.terms.get((school_year, term_id), "")
        year = f"{school_year - 1}-{school_year % 100:02d}"
        if str(school_year) in name or str(school_year - 1) in name:
            return name
        return f"{name} {year}".strip()

    @cached_property
    def terms(self) -> dict[tuple[int, str], str]:
        keys = zip(self.periods["school_year"], self.periods["term_id"], strict=True)
        return dict(zip(keys, self.periods["name"], strict=True))


def read_release(spark: SparkSession) -> Release:
    """Read the current release, again if another one was shown meanwhile.

    Raises DistrictError before the first.
    """
    while True:
        release = _read_release(spark)
        if current_release(spark) == release.release_id:
            return release


def _read_release(spark: SparkSession) -> Release:
    if not spark.catalog.tableExists("pub.releases"):
        raise DistrictError("nothing has been released", "run: district release")
    log = _pandas(
        spark,
        """
        select release_id, is_current, max(as_of_date) as as_of_date
        from pub.releases group by all
        """,
    )
    current = log[log["is_current"]]
    if current.empty:
        raise DistrictError("nothing has been released", "run: district release")
    release_id, as_of = int(current["release_id"].iloc[0]), current["as_of_date"].iloc[0]
    earlier = log.loc[log["release_id"] < release_id, "release_id"]
    previous_id = int(earlier.max()) if len(earlier) else None
    periods = _periods(spark, as_of)
    years = ", ".join(str(year) for year in sorted(set(periods["school_year"]))) or "0"
    wanted = f"school_year in ({years})"
    kpis = {
        grain: ", ".join(f"'{kpi}'" for kpi in names)
        for grain, names in (("course", COURSE_KPIS), ("teacher", TEACHER_KPIS))
    }
    cells = f"""
        {wanted} and (
            grain in ('school', 'district', 'subject', 'grade_level')
            or grain = 'course' and kpi in ({kpis["course"]})
            or grain = 'teacher' and kpi in ({kpis["teacher"]})
            or grain = 'school_week' and school_year = {max(periods["school_year"], default=0)}
        )
        """
    numbers = ", ".join(f"cast({name} as double) as {name}" for name in NUMBERS)
    columns = f"{', '.join(CELL)}, {numbers}, suppression"
    queries = {
        "values": f"select {columns} from pub.kpi_values where {cells}",
        "before": f"""
            select {columns} from releases.kpi_values
            where release_id = {previous_id or 0} and {wanted}
                and grain in ('school', 'district', 'subject')
            """,
        "gaps": f"""
            select
                {", ".join(CELL)}, suppression, cast(student_count as double) as student_count,
                {", ".join(f"cast({name} as double) as {name}" for name in GAP_NUMBERS)}
            from pub.subgroup_gaps where {wanted}
            """,
        "comparisons": f"""
            select
                kpi, grain, entity_id, school_year, term_id, suppression,
                cast(earlier_value as double) as earlier_value,
                cast(value_change as double) as value_change
            from pub.term_comparison
            where comparison = 'year_earlier' and grain in ('school', 'district', 'subject')
                and {wanted}
            """,
        "contents": f"""
            select entity_id, school_year, term_id, content_type,
                cast(sum(content_count) as double) as content_count
            from pub.content_analysis where grain = 'subject' and {wanted} group by all
            """,
        "schools": SCHOOLS,
        "courses": "select course_id, course_name as name, school_id from core.dim_course",
    }
    with ThreadPoolExecutor(PARALLEL_QUERIES) as pool:
        asked = {name: pool.submit(_pandas, spark, query) for name, query in queries.items()}
    frames = {name: answer.result() for name, answer in asked.items()}
    frames["courses"] = frames["courses"].set_index("course_id")
    frames["schools"] = known_districts(frames["schools"])
    return Release(
        release_id=release_id,
        previous_id=previous_id,
        as_of=as_of,
        min_n=_min_n(as_of),
        periods=periods,
        definitions={row["kpi"]: row for row in read_seed("kpi_definitions")},
        **frames,
    )


def known_districts(schools: pd.DataFrame) -> pd.DataFrame:
    """Return the schools without the district 'unknown', unless there is no other.

    It stands for having none; alone, it is all schools together.
    """
    is_district = schools["grain"] == "district"
    is_unknown = is_district & (schools["entity_id"] == UNKNOWN)
    return schools[~is_unknown] if is_unknown.sum() < is_district.sum() else schools


def _pandas(spark: SparkSession, query: str) -> pd.DataFrame:
    frame: Any = spark.sql(query)
    rows = frame.collect()
    return pd.DataFrame([tuple(row) for row in rows], columns=frame.columns)


def _min_n(as_of: date) -> int:
    rows = thresholds_in_force(as_of.isoformat(), variables()["jurisdiction"])
    return next(int(float(row["value"])) for row in rows if row["threshold"] == "min_n")


def _periods(spark: SparkSession, as_of: date) -> pd.DataFrame:
    """Return the reporting terms begun by the as-of date, each year's before the year itself."""
    return _pandas(
        spark,
        f"""
        with terms as (
            select distinct school_year, term_id, term_name as name, start_date
            from core.dim_term
            where is_reporting_term and start_date <= date '{as_of}' and school_year is not null
        ),

        both as (
            select * from terms
            union all
            select school_year, '{YEAR}', '', max(start_date) + interval 1 year
            from terms group by school_year
        )

        select school_year, term_id, name from both
        where school_year > (select max(school_year) from terms) - {KEPT_YEARS}
        order by school_year, start_date, term_id
        """,
    )
