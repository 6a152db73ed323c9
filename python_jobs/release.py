"""Publish what was built and tested: one step for every reader, and never a number by accident.

A release is a copy of the marts with small cells hidden, kept in schema `releases` under its
release_id. Schema `pub` has a view of each table that shows the current release; one commit to
releases.current moves them all.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from typing import Annotated, Any

import pandas as pd
import typer
from filelock import FileLock, Timeout
from pyspark.sql import DataFrame, Row, SparkSession

from python_jobs.build import require_raw
from python_jobs.console import err, print_table, progress
from python_jobs.errors import DistrictError
from python_jobs.release_changes import show_changes, show_values, values_that_differ
from python_jobs.release_tables import (
    CODES,
    KEY,
    NOTE,
    PublishedTable,
    definition_of,
    definition_of_kpi,
    facts_behind,
    published_tables,
)
from python_jobs.spark import get_spark, table_version, warehouse_dir
from python_jobs.suppression import COUNT, Structure, coded_values, hidden_values

LOG = "releases.log"
CURRENT = "releases.current"
BEGUN = "releases.begun"  # every release_id that was taken
BUILDS = "quality.builds"
VALUES = "kpi_values"
KEPT_RELEASES = 30
PARALLEL_TABLES = 4
LOG_COLUMNS = {
    "release_id": "int",
    "released_at": "timestamp",
    # In schema pub; or what comparisons read: schema.table of a fact, or a KPI.
    "table_name": "string",
    "source": "string",  # schema.table that was read
    "version": "bigint",  # its Delta version
    "row_count": "bigint",  # rows published; null: none, it is for comparisons
    "definition": "string",  # hash of the SQL, seeds and vars that it is made by
    "tested_at": "timestamp",
    "invocation_id": "string",  # dbt's, of the build that was tested
    "as_of_date": "date",
    "last_batch_id": "bigint",
    "restatement": "string",  # why numbers of a closed school year were allowed to move
    # False: only kpi_values and this log are left of it, or it was killed before it was shown.
    "is_kept": "boolean",
    "previous_release_id": "int",  # what readers saw before it
}
CALL_LIST = "call_list"
EARLY_WARNING = "student_early_warning"
INDICATORS = ("attendance", "behaviour", "course", "overall")
SHOW_CURRENT = f"release_id = (select release_id from {CURRENT})"


class ReleaseRefused(DistrictError):
    """Nothing was published; the release before is still what readers see."""


def command(
    list_releases: Annotated[bool, typer.Option("--list", help="Show the releases.")] = False,
    rollback: Annotated[
        int | None, typer.Option(help="Show readers this earlier release again.", metavar="ID")
    ] = None,
    diff: Annotated[
        tuple[int, int] | None,
        typer.Option(help="Show which numbers moved between two releases, and why.", metavar="A B"),
    ] = None,
    accept_restatement: Annotated[
        str | None,
        typer.Option(help="Why numbers of a closed school year may move.", metavar="REASON"),
    ] = None,
    keep: Annotated[int, typer.Option(min=1, help="How many releases to keep.")] = KEPT_RELEASES,
) -> None:
    """Publish the marts that the last build made and tested, small cells hidden."""
    require_raw()
    spark = get_spark()
    if list_releases:
        show_releases(spark)
    elif rollback is not None:
        roll_back(spark, rollback)
    elif diff is not None:
        show_changes(spark, *(require_release(spark, release_id) for release_id in diff))
    else:
        release(accept_restatement, keep=keep)


def release(restatement: str | None = None, *, keep: int = KEPT_RELEASES) -> int:
    """Publish the tested marts and return the release_id.

    restatement: why numbers of closed school years may move.
    Raises ReleaseRefused when the last complete build failed or is not what the tables now hold,
    or when a published number of a closed school year would move without a reason.
    """
    spark = get_spark()
    with _alone(), progress("Releasing"):
        candidate = Candidate(spark)
        candidate.hide_cells()
        if not (restatement or "").strip():
            candidate.require_frozen_years()
        candidate.write(restatement)
        candidate.show_to_readers()
        _drop_old(spark, keep)
    err.print(
        f"Release {candidate.release_id} is published: {len(candidate.tables)} tables in schema pub"
    )
    return candidate.release_id


@contextmanager
def _alone() -> Iterator[None]:
    """Let nobody else turn the views from this warehouse folder meanwhile.

    Raises ReleaseRefused when somebody does. The operating system frees a dead process's lock.
    """
    try:
        lock = FileLock(warehouse_dir() / "release.lock").acquire(timeout=0)
    except Timeout:
        raise ReleaseRefused(
            "another release or rollback is running", "wait until it has ended"
        ) from None
    with lock:
        yield


class Candidate:
    """The next release, from the versions that the tables have now."""

    def __init__(self, spark: SparkSession) -> None:
        """Pin the versions. Raises ReleaseRefused when they are not those that were tested."""
        self.spark = spark
        self.tables = published_tables()
        self.build = _last_build(spark)
        self.definitions = spark.sql(
            """
            select kpi, unit, suppression_family, is_student_share
            from reference.kpi_definitions
            order by kpi
            """
        ).toPandas()
        self.kpis = list(self.definitions["kpi"])
        facts = [fact for kpi in self.kpis for fact in facts_behind(kpi)]
        self.facts = sorted({f"{fact.schema}.{fact.name}" for fact in facts})
        self.versions = self._pin()
        self.previous_id = current_release(spark)
        self.release_id = _begin(spark)

    def _pin(self) -> dict[str, int]:
        """Return the version of each table. Raises ReleaseRefused when one is newer than tests."""
        sources = sorted({table.source for table in self.tables} | set(self.facts))
        with ThreadPoolExecutor(PARALLEL_TABLES) as pool:
            versions = pool.map(lambda table: table_version(self.spark, table), sources)
            found = dict(zip(sources, versions, strict=True))
        newer = [name for name, (_, time) in found.items() if time > self.build.finished_at]
        if newer:
            raise ReleaseRefused(
                f"{len(newer)} tables have changed since the last complete build ({newer[0]})",
                "build and test everything again: district build",
            )
        return {name: version for name, (version, _) in found.items()}

    @cached_property
    def as_of(self) -> Row:
        return self.spark.sql(
            f"""
            select
                as_of_date,
                (
                    select max(batch_id) from raw.batches
                    where landed_at <= timestamp '{self.build.finished_at}'
                ) as last_batch_id
            from core.reporting_date
            """
        ).collect()[0]

    @cached_property
    def thresholds(self) -> dict[str, float]:
        """What kpi_thresholds says of publication on the as-of date."""
        rows = self.spark.sql(
            f"""
            select threshold, max_by(value, jurisdiction = '{self.build.jurisdiction}') as value
            from reference.kpi_thresholds
            where
                kpi = 'publication'
                and jurisdiction in ('default', '{self.build.jurisdiction}')
                and date '{self.as_of.as_of_date}' >= effective_from
                and date '{self.as_of.as_of_date}' < effective_to
            group by threshold
            """
        ).collect()
        return {row.threshold: float(row.value) for row in rows}

    @property
    def coded_beyond(self) -> tuple[float, float]:
        """The rates below and above which a share of students is coded."""
        return self.thresholds["bottom_coded_rate"], self.thresholds["top_coded_rate"]

    @property
    def notes(self) -> dict[str, str]:
        """What is said of hidden cells and of rates near 0 and 1."""
        shown = {
            "min_n": f"{self.thresholds['min_n']:g}",
            "top": f"{100 * self.thresholds['top_coded_rate']:g}",
            "bottom": f"{100 * self.thresholds['bottom_coded_rate']:g}",
        }
        return {name: text.format(**shown) for name, text in {"hidden": NOTE, **CODES}.items()}

    def hide_cells(self) -> None:
        """Make the temporary view hidden_cells: each cell with what it hides, as 'kpi.part'."""
        key = ", ".join(KEY)
        values = self.spark.sql(
            f"""
            select
                kpi, {key}, student_count, numerator_student_count, cast(value as double) as value
            from kpi.{VALUES} version as of {self.versions[f"kpi.{VALUES}"]}
            where grain <> 'student'
            """
        ).toPandas()
        structure = _structure(self.spark, self.build.grading_scale)
        min_n = int(self.thresholds["min_n"])
        hidden = hidden_values(values, self.definitions, structure, min_n)
        coded = coded_values(
            values.drop(index=hidden.index[hidden["hides_numerator"]]),
            self.definitions,
            *self.coded_beyond,
        )
        parts = {
            "denominator": hidden.index[hidden["hides_denominator"]],
            "numerator": hidden.index[hidden["hides_numerator"]].append(coded.index),
            "high": coded.index[coded == "high"],
            "low": coded.index[coded == "low"],
        }
        said = pd.concat(
            [
                values.loc[index].assign(hidden=values.loc[index, "kpi"] + f".{part}")
                for part, index in parts.items()
            ]
        )
        schema = "hidden string, " + ", ".join(
            f"{name} {'int' if name == 'school_year' else 'string'}" for name in KEY
        )
        frame = self.spark.createDataFrame(said[["hidden", *KEY]], schema)
        cells = frame.groupBy(*KEY).agg({"hidden": "collect_set"})
        cells.withColumnRenamed("collect_set(hidden)", "hidden").createOrReplaceTempView(
            "hidden_cells"
        )

    def rows_of(self, table: PublishedTable) -> DataFrame:
        version = self.versions[table.source]
        shares = list(self.definitions.loc[self.definitions["is_student_share"], "kpi"])
        query = table.select(version, self.release_id, self.notes, shares, self.coded_beyond)
        return self.spark.sql(query)

    def require_frozen_years(self) -> None:
        """Raise ReleaseRefused when a number published of a closed school year would move."""
        if not self.previous_id:
            return
        years = self._closed_years()
        if not years:
            return
        closed = f"school_year in ({', '.join(map(str, years))})"
        before = self.spark.table(f"releases.{VALUES}").where(
            f"release_id = {self.previous_id} and {closed}"
        )
        table = next(table for table in self.tables if table.name == VALUES)
        moved = values_that_differ(before, self.rows_of(table).where(closed))
        count = moved.count()
        if count:
            show_values(moved)
            raise ReleaseRefused(
                f"{count:,} published numbers of closed school years would move "
                f"({', '.join(map(str, years))})",
                'if they are to: district release --accept-restatement "why"',
            )

    def _closed_years(self) -> list[int]:
        """Return the school years that were over when the release before was made."""
        rows = self.spark.sql(
            f"""
            select school_year from core.dim_term
            where school_year is not null
            group by school_year
            having max(end_date) < (
                select max(as_of_date) from {LOG} where release_id = {self.previous_id}
            )
            order by school_year
            """
        ).collect()
        return [row.school_year for row in rows]

    def write(self, restatement: str | None) -> None:
        """Write the rows of each table under the release_id, and the log; nobody sees them yet."""

        def write(table: PublishedTable) -> None:
            rows = self.rows_of(table).write.format("delta").option("mergeSchema", "true")
            rows.mode("append").partitionBy("release_id").saveAsTable(f"releases.{table.name}")

        with ThreadPoolExecutor(PARALLEL_TABLES) as pool:
            list(pool.map(write, self.tables))
        counts = [
            f"select {place} as place, count(*) as n from releases.{table.name} "
            f"where release_id = {self.release_id}"
            for place, table in enumerate(self.tables)
        ]
        rows = self.spark.sql(" union all ".join(counts) + " order by place").collect()
        self._log([row.n for row in rows], restatement)

    def _log(self, counts: list[int], restatement: str | None) -> None:
        variables = {
            "jurisdiction": self.build.jurisdiction,
            "grading_scale": self.build.grading_scale,
        }
        published = [
            (table.name, table.source, count, definition_of(table.node.name, variables))
            for table, count in zip(self.tables, counts, strict=True)
        ]
        pinned: list[tuple[str, str, None, str | None]] = [
            (fact, fact, None, None) for fact in self.facts
        ]
        # A KPI's own row tells whether its definition has changed.
        pinned += [
            (kpi, f"kpi.{VALUES}", None, definition_of_kpi(kpi, variables)) for kpi in self.kpis
        ]
        now = self.spark.sql("select current_timestamp() as now").collect()[0].now
        rows: list[tuple[Any, ...]] = [
            (
                self.release_id,
                now,
                name,
                source,
                self.versions[source],
                count,
                definition,
                self.build.finished_at,
                self.build.invocation_id,
                self.as_of.as_of_date,
                self.as_of.last_batch_id,
                (restatement or "").strip() or None,
                False,
                self.previous_id,
            )
            for name, source, count, definition in published + pinned
        ]
        schema = ", ".join(f"{name} {kind}" for name, kind in LOG_COLUMNS.items())
        frame = self.spark.createDataFrame(rows, schema).coalesce(1)
        writer = frame.write.format("delta").option("mergeSchema", "true").mode("overwrite")
        if self.spark.catalog.tableExists(LOG):
            writer = writer.option("replaceWhere", f"release_id = {self.release_id}")
        writer.saveAsTable(LOG)

    def show_to_readers(self) -> None:
        """Give each table its view, then turn all of them to this release at once."""
        self.spark.sql("create schema if not exists pub")
        names = [table.name for table in self.tables]
        _point_views(self.spark, names)
        _turn_to(self.spark, self.release_id)
        self.spark.sql(f"update {LOG} set is_kept = true where release_id = {self.release_id}")
        for view in self.spark.sql("show views in pub").where("not isTemporary").collect():
            if view.viewName not in {*names, "releases", CALL_LIST}:
                self.spark.sql(f"drop view pub.{view.viewName}")


def _point_views(spark: SparkSession, names: list[str]) -> None:
    """Replace each view by one of all columns that the table has now, of the current release.

    A view names no Delta version: that is fixed when a statement is resolved, CURRENT is read when
    it is planned; a reader between them would look for a release in a version without it.
    """

    def point(name: str) -> None:
        columns = ", ".join(spark.table(f"releases.{name}").columns)
        _set_view(spark, name, f"select {columns} from releases.{name} where {SHOW_CURRENT}")

    spark.sql(f"create table if not exists {CURRENT} (release_id int) using delta")
    with ThreadPoolExecutor(PARALLEL_TABLES) as pool:
        list(pool.map(point, names))
    if EARLY_WARNING in names:
        _point_call_list(spark)
    _set_view(spark, "releases", f"select *, {SHOW_CURRENT} as is_current from {LOG}")


def _set_view(spark: SparkSession, name: str, query: str) -> None:
    """Make the view, or change it in one step: Spark's `create or replace` drops it first."""
    verb = "alter" if spark.catalog.tableExists(f"pub.{name}") else "create"
    spark.sql(f"{verb} view pub.{name} as {query}")


def _point_call_list(spark: SparkSession) -> None:
    """Show the students whose early warning became worse since the release before, or is new."""
    if "previous_release_id" not in spark.table(LOG).columns:  # an older warehouse
        spark.sql(f"alter table {LOG} add columns (previous_release_id int)")
    rows = f"select * from releases.{EARLY_WARNING}"
    rank = "array_position(array('on_track', 'early_warning', 'at_risk'), {})"
    worse = [
        rank.format(f"later.{name}_level")
        + f" > greatest({rank.format(f'earlier.{name}_level')}, 1)"
        for name in INDICATORS
    ]
    levels = ", ".join(
        f"earlier.{name}_level as {name}_level_before, later.{name}_level" for name in INDICATORS
    )
    query = f"""
        with later as ({rows} where {SHOW_CURRENT}),
        earlier as (
            {rows} where release_id = (
                select max(previous_release_id) from {LOG} where {SHOW_CURRENT}
            )
        )
        select
            later.release_id, later.student_id, later.school_id, later.grade_level,
            later.school_year, {levels}
        from later
        left join earlier
            on later.student_id = earlier.student_id and later.school_year = earlier.school_year
        where
            later.school_year = (select max(school_year) from later)
            and exists (select 1 from earlier)
            and ({" or ".join(worse)})
    """
    _set_view(spark, CALL_LIST, query)


def _turn_to(spark: SparkSession, release_id: int) -> None:
    """Make this the release that every view shows: one row, one commit."""
    frame = spark.createDataFrame([(release_id,)], "release_id int").coalesce(1)
    frame.write.format("delta").mode("overwrite").saveAsTable(CURRENT)


def _last_build(spark: SparkSession) -> Row:
    """Return the last complete build. Raises ReleaseRefused when there is none, or it failed."""
    builds = (
        spark.sql(f"select * from {BUILDS} where is_complete order by finished_at desc limit 1")
        if spark.catalog.tableExists(BUILDS)
        else None
    )
    last = builds.collect() if builds is not None else []
    if not last:
        raise ReleaseRefused(
            "nothing complete has been built and tested yet", "run: district build"
        )
    if last[0].failed_count:
        raise ReleaseRefused(
            f"{last[0].failed_count} models or tests of the last build failed",
            "correct what it names, then: district build",
        )
    return last[0]


def _structure(spark: SparkSession, grading_scale: str) -> Structure:
    """Return how schools and sections, and the numerators of KPIs, make up larger wholes."""
    districts = spark.sql("select school_id, district_id from core.dim_school where is_current")
    sections = spark.sql(
        """
        select course_id as part_id, grain, entity_id, cast(weight as double) as weight
        from intermediate.course_entities where grain <> 'course'
        union all
        select course_id, 'school' as grain, school_id as entity_id, 1d as weight
        from core.dim_course
        union all
        select distinct school_week_id, 'school', school_id, 1d from kpi.attendance_by_week
        """
    )
    parts = spark.sql(
        f"""
        select
            parts.kpi,
            if(wholes.unit = '{COUNT}', null, wholes.kpi) as whole,
            1d as weight,
            if(wholes.unit = '{COUNT}', wholes.kpi, null) as sum
        from reference.kpi_definitions as parts
        inner join reference.kpi_definitions as wholes
            on wholes.kpi in (parts.part_of, parts.also_part_of)
        union all
        select
            'letter_rate_' || letter, null,
            inline(array(
                struct(cast(max(points) as double), 'points'), struct(1d, 'letters with points')
            ))
        from reference.letter_grade_points
        where scale_id = '{grading_scale}' and counts_in_gpa
        group by letter
        """
    )
    return Structure(districts.toPandas(), sections.toPandas(), parts.toPandas())


def current_release(spark: SparkSession) -> int | None:
    """Return the release that readers see, None before the first."""
    if not spark.catalog.tableExists(CURRENT):
        return None
    rows = spark.table(CURRENT).collect()
    return rows[0].release_id if rows else None


def _begin(spark: SparkSession) -> int:
    """Return an id that no release has had, not even one that was refused or killed."""
    spark.sql("create schema if not exists releases")
    spark.sql(f"create table if not exists {BEGUN} (release_id int) using delta")
    last = spark.sql(f"select coalesce(max(release_id), 0) as id from {BEGUN}").collect()[0]
    spark.sql(f"insert into {BEGUN} values ({last.id + 1})")
    return int(last.id) + 1


def require_release(spark: SparkSession, release_id: int, *, kept: bool = False) -> int:
    """Return the id. Raises DistrictError when there is no such release, or not all is kept."""
    has_log = spark.catalog.tableExists(LOG)
    found = spark.table(LOG).where(f"release_id = {release_id}").collect() if has_log else []
    if not found:
        raise DistrictError(f"there is no release {release_id}", "see: district release --list")
    if kept and not found[0].is_kept:
        raise DistrictError(
            f"of release {release_id} only {VALUES} is kept", "see: district release --list"
        )
    return release_id


def roll_back(spark: SparkSession, release_id: int) -> None:
    """Show readers an earlier release again; the later ones stay."""
    with _alone():
        require_release(spark, release_id, kept=True)
        _point_views(spark, _tables_of(spark, release_id))
        _turn_to(spark, release_id)
    err.print(f"Readers see release {release_id} again")


def _tables_of(spark: SparkSession, release_id: int) -> list[str]:
    tables = spark.sql(
        f"select table_name from {LOG} where release_id = {release_id} and row_count is not null"
    ).collect()
    return [row.table_name for row in tables]


def show_releases(spark: SparkSession) -> None:
    """Print the releases, the newest first."""
    rows = (
        spark.sql(
            f"""
            select
                release_id,
                if({SHOW_CURRENT}, 'current', if(any(is_kept), '', 'numbers only')) as shown,
                cast(max(released_at) as string) as released_at,
                cast(max(as_of_date) as string) as as_of_date,
                count(row_count) as table_count,
                sum(row_count) as row_count,
                max(restatement) as restatement
            from {LOG}
            group by release_id
            order by release_id desc
            """
        ).collect()
        if spark.catalog.tableExists(LOG)
        else []
    )
    header = ["release", "", "released at (UTC)", "as of", "tables", "rows", "restatement"]
    print_table("Releases", header, rows)


def _drop_old(spark: SparkSession, keep: int) -> None:
    """Delete the releases before the last `keep`, and what killed ones have left.

    Of the old ones kpi_values and the log stay.
    """
    kept = spark.sql(
        f"select distinct release_id from {LOG} where is_kept and not ({SHOW_CURRENT}) "
        "order by release_id desc"
    ).collect()
    old = ", ".join(str(row.release_id) for row in kept[keep - 1 :])
    if old:  # first, so that nobody turns to what is half deleted
        spark.sql(f"update {LOG} set is_kept = false where release_id in ({old})")
    left = spark.sql(
        f"""
        select begun.release_id, any(logged.release_id is not null) as is_logged
        from {BEGUN} as begun
        left join {LOG} as logged on begun.release_id = logged.release_id
        where begun.release_id <> (select release_id from {CURRENT})
        group by begun.release_id
        having not coalesce(any(logged.is_kept), false)
        """
    ).collect()
    for table in spark.sql("show tables in releases").where("not isTemporary").collect():
        name = f"releases.{table.tableName}"
        if name in (LOG, CURRENT, BEGUN):
            continue
        gone = [
            str(row.release_id) for row in left if name != f"releases.{VALUES}" or not row.is_logged
        ]
        if gone:
            spark.sql(f"delete from {name} where release_id in ({', '.join(gone)})")
    if left:
        gone = [str(row.release_id) for row in left]
        spark.sql(f"delete from {BEGUN} where release_id in ({', '.join(gone)})")


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
