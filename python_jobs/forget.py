"""Forget a student: every mark of the person goes, every total stays.

Rows of raw and of the history keep their numbers under a pseudonym (python_jobs.landing.forgotten);
everything made of them is built anew, published rows of students are deleted, old files vacuumed.
Guardians of no other student are forgotten too. A report proves it and names nobody.
"""

import json
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import reduce
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer
from delta.tables import DeltaTable
from pyarrow import compute
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from python_jobs.build import require_raw
from python_jobs.console import err, print_table, progress
from python_jobs.dbt_runner import run_dbt
from python_jobs.errors import DistrictError
from python_jobs.landing.forgotten import (
    FORGOTTEN,
    PERSON_IDS,
    PREFIX,
    forgotten,
    is_forgotten,
    pseudonym,
    without_forgotten,
    without_persons,
)
from python_jobs.landing.quarantine import QUARANTINE
from python_jobs.landing.raw import row_hash
from python_jobs.landing.rules import listed
from python_jobs.reports.restricted import LOG as DISCLOSURES
from python_jobs.serve import warn_of_served_rows
from python_jobs.spark import PROJECT, get_spark, table_version, warehouse_dir

REPORTS = PROJECT / "reports"
REPORT_FOLDERS = (REPORTS, PROJECT / "ml_reports")  # lists and pages that people were given
FAMILY = ("guardian", "parent", "relative")  # roles; staff is not forgotten
HISTORY = "snapshots.snap_users"
VALUES = "kpi.kpi_values"
# Columns that name a student or guardian in tables that no build makes anew.
PERSON_COLUMNS = {"student_id", "guardian_id", "user_id", "entity_id"}
KEPT_SCHEMAS = ("releases", "ml")
PARALLEL = 4
YEARS = 7
MONTHS_BEFORE_NEW_YEAR = 6  # a school year begins in July and has the number of the next year


class StudentUnknown(DistrictError):
    """No student of this id has landed."""


@dataclass
class Proof:
    """What was done; nothing in it names a person."""

    reason: str
    pseudonyms: list[str]
    begun_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    rows_changed: dict[str, int] = field(default_factory=dict)
    rows_deleted: dict[str, int] = field(default_factory=dict)
    tables_vacuumed: int = 0
    numbers_compared: int = 0
    numbers_moved: int = 0
    files_searched: int = 0
    files_found: list[str] = field(default_factory=list)

    def write(self) -> Path:
        """Write the report and return its path."""
        REPORTS.mkdir(exist_ok=True)
        path = REPORTS / f"forget_{re.sub(r'[^0-9]', '', self.begun_at)[:14]}.json"
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")
        return path


def command(
    student_id: Annotated[str, typer.Argument(help="The student's id in the source.")],
    reason: Annotated[str, typer.Option(help="Why, for the report: it must name nobody.")],
) -> None:
    """Forget a student: no id or name stays in the warehouse, every total does.

    Makes every table anew, so that it takes as long as district build --full-refresh.
    """
    require_raw()
    forget([student_id], reason)


def retain_command(
    years: Annotated[
        int, typer.Option(min=1, help="School years to keep after a student's last one.")
    ] = YEARS,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many.")] = False,
) -> None:
    """Forget the students whose last school year is longer ago than that; every total stays."""
    require_raw()
    spark = get_spark()
    last = _last_years(spark)
    over = last.where(f"last_year < current_year - {years}")
    counts = over.groupBy("last_year").count().orderBy("last_year").collect()
    print_table(
        f"Students who left more than {years} years ago",
        ["last school year", "students"],
        [(str(row.last_year), row["count"]) for row in counts],
    )
    if counts and not dry_run:
        students = [row.student_id for row in over.collect()]
        forget(students, f"retention: {years} school years after the last one")


def _last_years(spark: SparkSession) -> DataFrame:
    """Return each student who is not forgotten, with the last school year of any enrollment.

    Of one without any it is the school year in which the student's row last changed.
    """
    if not spark.catalog.tableExists("core.fact_enrollment"):
        raise DistrictError("nothing has been built yet", "run: district build")
    return spark.sql(
        f"""
        with enrolled as (
            select student_id, max(school_year) as last_year
            from core.fact_enrollment
            group by student_id
        )

        select
            users.id as student_id,
            coalesce(
                enrolled.last_year,
                year(add_months(users.effective_at, {MONTHS_BEFORE_NEW_YEAR}))
            ) as last_year,
            (
                select max(school_year) from core.dim_term
                where start_date <= (select as_of_date from core.reporting_date)
            ) as current_year
        from raw.users
        left join enrolled on users.id = enrolled.student_id
        where users.role = 'student' and not startswith(users.id, '{PREFIX}')
        """
    )


def forget(student_ids: list[str], reason: str) -> Path:
    """Forget students and return the path of the report.

    Raises StudentUnknown when one has not landed, DistrictError when there is no reason, or when
    the last search still finds somebody.
    """
    if not reason.strip():
        raise DistrictError("no reason is given", 'say why: --reason "request of the family"')
    spark = get_spark()
    require_local_tables(spark)
    with progress("Forgetting"):
        persons = _with_guardians(spark, student_ids)
        begun = Begun.of(spark, persons)
        names = _remember(spark, begun.persons, reason)
        proof = Proof(reason, names)
        known = forgotten(spark)
        for entity in PERSON_IDS:
            if spark.catalog.tableExists(f"raw.{entity}"):
                _rewrite_raw(spark, entity, known, proof)
        _rewrite_history(spark, known, proof)
        _rewrite_quarantine(spark, known, proof)
        _rewrite_disclosures(spark, known, proof)
        for table in _tables(spark, KEPT_SCHEMAS):
            _delete_rows(spark, table, known, proof)
    run_dbt(["run", "--full-refresh"], title="Building without them")
    with progress("Removing old files"):
        _compare(spark, begun.version, proof)
        _vacuum(spark, proof)
    with progress("Searching"):
        _search(set(begun.traces) - _still_there(spark), proof)
    path = proof.write()
    warn_of_served_rows()
    if proof.files_found:
        raise DistrictError(
            f"{len(proof.files_found)} files still name a forgotten person: {path}",
            f"delete those of {' and '.join(one.name for one in REPORT_FOLDERS)}, then run the "
            "same again; if others stay, land and build into a new warehouse",
        )
    Begun.path().unlink()
    err.print(f"{len(names)} persons are forgotten; what was done: {path}")
    return path


@dataclass
class Begun:
    """Who is being forgotten, in a file of this user until it is done.

    After a run that was killed raw no longer tells the ids, guardians and names to search for.
    """

    persons: list[str]
    traces: list[str]
    version: int | None  # of kpi_values before

    @staticmethod
    def path() -> Path:
        return warehouse_dir() / "forgetting.json"

    @classmethod
    def of(cls, spark: SparkSession, persons: list[str]) -> "Begun":
        """Write down these persons, and who is left of a run that did not end; return all."""
        begun = cls(persons, sorted(_traces(spark, persons)), _version(spark))
        if cls.path().is_file():
            left = cls(**json.loads(cls.path().read_text()))
            begun = cls(
                sorted({*left.persons, *persons}),
                sorted({*left.traces, *begun.traces}),
                left.version,
            )
        new = cls.path().with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(asdict(begun), file)
        new.replace(cls.path())
        return begun


def tables_dir(spark: SparkSession) -> str:
    return str(spark.conf.get("spark.sql.warehouse.dir")).removeprefix("file:")


def require_local_tables(spark: SparkSession) -> None:
    """Raise DistrictError when the tables are where their old files cannot be searched."""
    location = tables_dir(spark)
    if "://" in location:
        raise DistrictError(
            f"the tables are at {location}: forget can only prove what is gone from local files",
            "give it a copy of the tables in a local TABLES_LOCATION, or mount the storage there",
        )


def _version(spark: SparkSession) -> int | None:
    if not spark.catalog.tableExists(VALUES):
        return None
    return table_version(spark, VALUES)[0]


def _with_guardians(spark: SparkSession, student_ids: list[str]) -> list[str]:
    """Return the students and the guardians of no other student.

    Raises StudentUnknown. A run that was killed may be run again: its students are known by their
    pseudonyms.
    """
    given = spark.createDataFrame([(one,) for one in student_ids], "student_id string")
    begun = is_forgotten(F.col("student_id"), forgotten(spark))
    students = spark.table("raw.users").where("role = 'student'").select("id")
    if spark.catalog.tableExists(HISTORY):
        students = students.union(
            spark.table(HISTORY).where("user_role = 'student'").select("user_id")
        )
    if spark.catalog.tableExists(QUARANTINE):
        students = students.union(_never_landed(spark))
    unknown = given.where(~begun).join(students, F.col("student_id") == F.col("id"), "left_anti")
    count = unknown.count()
    if count:
        raise StudentUnknown(
            f"{count} of {len(student_ids)} students have not landed in this warehouse",
            "give the id of the source, as in core.dim_student",
        )
    if not spark.catalog.tableExists("raw.guardianships"):
        return student_ids
    given.createOrReplaceTempView("students_to_forget")
    # A brother or sister may have been forgotten before.
    guardians = spark.sql(
        f"""
        select guardian_id
        from raw.guardianships
        inner join raw.users on users.id = guardian_id and users.role in ({listed(FAMILY)})
        left anti join raw.affiliations
            on affiliations.user_id = guardian_id
            and affiliations.role not in ({listed(FAMILY)})
        left join students_to_forget using (student_id)
        where not startswith(guardian_id, '{PREFIX}') and not startswith(student_id, '{PREFIX}')
        group by guardian_id
        having count(*) = count(students_to_forget.student_id)
        """
    )
    return student_ids + [row.guardian_id for row in guardians.collect()]


def _never_landed(spark: SparkSession) -> DataFrame:
    """Return the ids of users that only rows in quarantine speak of."""
    rows = spark.table(QUARANTINE).withColumn("said", F.from_json("raw_row", "map<string,string>"))
    ids = rows.selectExpr(
        """
        explode(array_compact(array(
            if(entity = 'users', id, null), said['studentSourcedId'], said['userSourcedId']
        ))) as id
        """
    )
    return ids.join(spark.table("raw.users"), "id", "left_anti")


def _said() -> Column:
    """Return SQL for the values of a row in quarantine, those of lists apart."""
    said = F.expr(
        "flatten(transform(map_values(from_json(raw_row, 'map<string,string>')), "
        "text -> transform(split(text, ','), item -> trim(item))))"
    )
    return F.coalesce(said, F.array())


def _traces(spark: SparkSession, persons: list[str]) -> set[str]:
    """Return what would tell that a person is still there: ids, user names, addresses, names."""
    wanted = spark.createDataFrame([(one,) for one in persons], "id string")
    found = set(persons) | _marks(spark.table("raw.users").join(wanted, "id", "left_semi"))
    if spark.catalog.tableExists(HISTORY):
        versions = spark.table(HISTORY).withColumnRenamed("user_id", "id")
        found |= _marks(versions.join(wanted, "id", "left_semi"))
    if spark.catalog.tableExists(QUARANTINE):
        rows = spark.table(QUARANTINE).where("entity = 'users'").join(wanted, "id", "left_semi")
        names = rows.select(F.from_json("raw_row", "map<string,string>").alias("said")).selectExpr(
            "said['username'] as username",
            "said['email'] as email",
            "coalesce(said['phone'], said['sms']) as phone",
            "said['givenName'] as given_name",
            "said['familyName'] as family_name",
        )
        found |= _marks(names)
    return found


def _still_there(spark: SparkSession) -> set[str]:
    """Return the same of everybody who is not forgotten: people share names and addresses."""
    others = spark.table("raw.users").where(~F.startswith("id", F.lit(PREFIX)))
    return _marks(others)


def _marks(users: DataFrame) -> set[str]:
    rows = users.selectExpr(
        """
        explode(array_compact(array(
            username, email, phone, nullif(concat_ws(' ', given_name, family_name), '')
        ))) as mark
        """
    )
    return {row.mark.strip() for row in rows.distinct().collect()} - {""}


def _remember(spark: SparkSession, persons: list[str], reason: str) -> list[str]:
    """Write the pseudonyms of the persons to the list of forgotten ones, and return them."""
    frame = spark.createDataFrame([(one,) for one in persons], "id string")
    names = [row[0] for row in frame.select(pseudonym(F.col("id"))).collect()]
    known = forgotten(spark)
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = [(name, now, reason) for name in names if name not in known]
    if rows:
        schema = "pseudonym string, forgotten_at timestamp, reason string"
        spark.sql("create schema if not exists quality")
        writer = spark.createDataFrame(rows, schema).coalesce(1).write.format("delta")
        writer.mode("append").saveAsTable(FORGOTTEN)
    return names


def _any_forgotten(columns: Iterable[str], known: frozenset[str]) -> Column:
    return reduce(Column.__or__, (is_forgotten(F.col(name), known) for name in columns))


def _replace(spark: SparkSession, table: str, rows: DataFrame, key: str) -> int:
    """Put rows in place of those whose key is their `old_key`; return how many."""
    columns = spark.table(table).columns
    rows = rows.persist()
    count = rows.count()
    if count:
        (
            DeltaTable.forName(spark, table)
            .alias("known")
            .merge(rows.alias("new"), f"known.{key} = new.old_key")
            .whenMatchedUpdate(set={name: f"new.{name}" for name in columns})
            .execute()
        )
    rows.unpersist()
    return count


def _rewrite_raw(spark: SparkSession, entity: str, known: frozenset[str], proof: Proof) -> None:
    table = f"raw.{entity}"
    rows = spark.table(table).where(_any_forgotten(PERSON_IDS[entity], known))
    keys = rows.select(F.col("id").alias("old_key"), "*")
    hidden = without_forgotten(keys, entity, known).withColumn("row_hash", row_hash(entity))
    proof.rows_changed[table] = _replace(spark, table, hidden, "id")


def _rewrite_history(spark: SparkSession, known: frozenset[str], proof: Proof) -> None:
    """Hide the persons in every version of them."""
    if not spark.catalog.tableExists(HISTORY):
        return
    rows = spark.table(HISTORY).where(_any_forgotten(["user_id"], known))
    direct = {
        "username": "string", "given_name": "string", "family_name": "string", "email": "string",
        "phone": "string", "birth_date": "date",
    }  # fmt: skip
    hidden = without_persons(
        rows.select(F.col("dbt_scd_id").alias("old_key"), "*"), known, ["user_id"], direct
    ).withColumns(
        {
            "full_name": F.expr("nullif(trim(concat_ws(' ', given_name, family_name)), '')"),
            "dbt_scd_id": F.expr("md5(concat_ws('|', user_id, batch_id, old_key))"),
        }
    )
    proof.rows_changed[HISTORY] = _replace(spark, HISTORY, hidden, "dbt_scd_id")


def _rewrite_quarantine(spark: SparkSession, known: frozenset[str], proof: Proof) -> None:
    """Empty and close the broken rows that speak of the persons; a source may send them again."""
    if not spark.catalog.tableExists(QUARANTINE):
        return
    speaks = F.exists(_said(), lambda item: is_forgotten(item, known))
    rows = spark.table(QUARANTINE).where(speaks | is_forgotten(F.col("id"), known))
    now = F.lit(datetime.now(UTC).replace(tzinfo=None))
    is_open = F.col("status") == "open"
    hidden = rows.select(F.col("quarantine_id").alias("old_key"), "*").withColumns(
        {
            "quarantine_id": pseudonym(F.col("old_key")),
            "id": pseudonym(F.col("id")),
            "raw_row": F.lit("{}"),
            "closed_at": F.when(is_open, now).otherwise(F.col("closed_at")),
            "status": F.when(is_open, "superseded").otherwise(F.col("status")),
        }
    )
    proof.rows_changed[QUARANTINE] = _replace(spark, QUARANTINE, hidden, "quarantine_id")


def _rewrite_disclosures(spark: SparkSession, known: frozenset[str], proof: Proof) -> None:
    """Keep that lists of students were given out, with pseudonyms for the persons on them."""
    if not spark.catalog.tableExists(DISCLOSURES):
        return
    ids = F.col("student_ids")
    rows = spark.table(DISCLOSURES).where(F.exists(ids, lambda one: is_forgotten(one, known)))
    hidden = rows.select(F.col("disclosed_at").alias("old_key"), "*").withColumn(
        "student_ids",
        F.transform(
            ids, lambda one: F.when(is_forgotten(one, known), pseudonym(one)).otherwise(one)
        ),
    )
    proof.rows_changed[DISCLOSURES] = _replace(spark, DISCLOSURES, hidden, "disclosed_at")


def _tables(spark: SparkSession, schemas: Iterable[str] = ()) -> list[str]:
    """Return the Delta tables of these schemas, of all when none are given."""
    every = {row.namespace for row in spark.sql("show schemas").collect()} - {"default", "pub"}
    found = []
    for schema in sorted(every & set(schemas or every)):
        views = {row.viewName for row in spark.sql(f"show views in {schema}").collect()}
        tables = spark.sql(f"show tables in {schema}").where("not isTemporary").collect()
        found += [f"{schema}.{row.tableName}" for row in tables if row.tableName not in views]
    return found


def _delete_rows(spark: SparkSession, table: str, known: frozenset[str], proof: Proof) -> None:
    """Delete the persons' rows of a table that keeps what was published or scored."""
    columns = PERSON_COLUMNS & set(spark.table(table).columns)
    if not columns:
        return
    names = sorted(columns)
    rows = (
        spark.table(table).where(_any_forgotten(names, known)).select(*names).distinct().persist()
    )
    found = rows.count()
    if found:
        same = " and ".join(f"known.{name} <=> gone.{name}" for name in names)
        merge = DeltaTable.forName(spark, table).alias("known").merge(rows.alias("gone"), same)
        merge.whenMatchedDelete().execute()
        proof.rows_deleted[table] = found
    rows.unpersist()


def _compare(spark: SparkSession, before: int | None, proof: Proof) -> None:
    """Count the numbers that are not of one student, and those that are no longer the same."""
    if before is None:
        return
    numbers = "grain <> 'student'"
    earlier = spark.sql(f"select * from {VALUES} version as of {before}").where(numbers)
    now = spark.table(VALUES).where(numbers)
    proof.numbers_compared = now.count()
    proof.numbers_moved = earlier.exceptAll(now).unionAll(now.exceptAll(earlier)).count()


def _vacuum(spark: SparkSession, proof: Proof) -> None:
    """Remove the files that only old versions have."""
    settings = {
        "spark.databricks.delta.retentionDurationCheck.enabled": "false",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": str(PARALLEL),
    }
    for name, value in settings.items():
        spark.conf.set(name, value)

    def clean(table: str) -> None:
        if table.split(".")[0] in ("raw", "snapshots", "quality", *KEPT_SCHEMAS):
            spark.sql(f"reorg table {table} apply (purge)")
        spark.sql(f"vacuum {table} retain 0 hours")

    tables = _tables(spark)
    with ThreadPoolExecutor(PARALLEL) as pool:
        list(pool.map(clean, tables))
    for name in settings:
        spark.conf.unset(name)
    proof.tables_vacuumed = len(tables)


def _search(traces: set[str], proof: Proof) -> None:
    """Look for the persons in the files of the warehouse, Delta's logs too, and in reports."""
    words = "|".join(re.escape(trace) for trace in sorted(traces, key=len, reverse=True))
    pattern = rf"(^|[^0-9A-Za-z])({words})($|[^0-9A-Za-z])"
    in_bytes = re.compile(pattern.encode())

    def names_somebody(path: Path) -> bool:
        if path.suffix != ".parquet":
            return bool(in_bytes.search(path.read_bytes()))
        return any(
            compute.any(compute.match_substring_regex(texts, pattern)).as_py()
            for texts in _texts_of(path)
        )

    folders = {warehouse_dir(), Path(tables_dir(get_spark())).absolute(), *REPORT_FOLDERS}
    files = sorted({path for one in folders for path in one.rglob("*") if path.is_file()})
    files = [path for path in files if path != Begun.path()]
    with ThreadPoolExecutor(PARALLEL) as pool:
        found = [
            path
            for path, is_in in zip(files, pool.map(names_somebody, files), strict=True)
            if is_in
        ]
    proof.files_searched = len(files)
    proof.files_found = [os.path.relpath(path, warehouse_dir()) for path in found]


def _texts_of(path: Path) -> Iterator[pa.Array]:
    """Yield the distinct texts of each column of a Parquet file, those inside lists too."""
    file = pq.ParquetFile(path)
    for group in range(file.num_row_groups):
        for column in file.read_row_group(group).itercolumns():
            for chunk in column.chunks:
                yield from (compute.unique(leaf) for leaf in _leaves(chunk))


def _leaves(array: pa.Array) -> Iterator[pa.Array]:
    kind = array.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        yield array
    elif pa.types.is_map(kind):
        yield from _leaves(array.keys)
        yield from _leaves(array.items)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind):
        yield from _leaves(array.flatten())
    elif pa.types.is_struct(kind):
        for inner in array.flatten():
            yield from _leaves(inner)


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
