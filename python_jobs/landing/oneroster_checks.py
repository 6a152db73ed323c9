"""Hold every row of a OneRoster bundle to the rules, file after file in the order of references.

What passes is the input of `python_jobs.landing.oneroster`; what does not goes to quarantine.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from python_jobs.errors import DistrictError
from python_jobs.landing.bundle import Bundle
from python_jobs.landing.forgotten import DIRECT_OF, forgotten, in_list, without_persons
from python_jobs.landing.oneroster_files import (
    ENTITY_OF,
    MADE_IDS,
    OWN_FILES,
    array_of_faults,
    columns_of,
    faults_of_values,
    joint_id,
    known_columns,
    our_role,
    text_columns,
    typed_columns,
)
from python_jobs.landing.quarantine import waiting_rows
from python_jobs.landing.records import EXTRA, FAULT, LINE, Converted
from python_jobs.landing.rules import condition

PARALLEL_READS = 4
RETRY = "_is_retry"
# Which files must be checked before which, and so which may be checked at once.
LEVELS = (
    ("orgs", "academicSessions", "categories", "resources", "scoreScales"),
    ("users", "courses"),
    ("roles", "classes", "demographics", "userProfiles", "courseResources", "userResources"),
    ("enrollments", "lineItems", "classResources"),
    ("results", "lineItemScoreScales", "lineItemLearningObjectiveIds"),
    ("resultScoreScales", "resultLearningObjectiveIds"),
    OWN_FILES,
)
# file: column -> the file whose ids it names. ? a row that names an unknown id lands all the same.
REFERENCES = {
    "orgs": {"parentSourcedId": "orgs?"},
    "academicSessions": {"parentSourcedId": "academicSessions?"},
    "users": {
        "primaryOrgSourcedId": "orgs?",
        "orgSourcedIds": "orgs?",
        "agentSourcedIds": "users?",
    },
    "roles": {"userSourcedId": "users", "orgSourcedId": "orgs"},
    "classes": {
        "schoolSourcedId": "orgs",
        "courseSourcedId": "courses?",
        "termSourcedIds": "academicSessions?",
    },
    "demographics": {"id": "users"},
    "userProfiles": {"userSourcedId": "users"},
    "enrollments": {
        "classSourcedId": "classes",
        "userSourcedId": "users",
        "schoolSourcedId": "orgs?",
    },
    "lineItems": {
        "classSourcedId": "classes",
        "categorySourcedId": "categories?",
        "gradingPeriodSourcedId": "academicSessions?",
        "academicSessionSourcedId": "academicSessions?",
    },
    "results": {"lineItemSourcedId": "lineItems", "studentSourcedId": "users"},
    "classResources": {"classSourcedId": "classes", "resourceSourcedId": "resources?"},
    "courseResources": {"courseSourcedId": "courses", "resourceSourcedId": "resources?"},
    "lineItemScoreScales": {
        "lineItemSourcedId": "lineItems",
        "scoreScaleSourcedId": "scoreScales?",
    },
    "resultScoreScales": {"resultSourcedId": "results", "scoreScaleSourcedId": "scoreScales?"},
    "adjustments": {
        "student_id": "users",
        "course_id": "classes",
        "other_course_id": "classes?",
    },
    "attendance": {"student_id": "users", "school_id": "orgs?", "course_id": "classes?"},
    "communications": {"student_id": "users", "guardian_id": "users?", "staff_id": "users?"},
    "content_views": {"student_id": "users", "content_id": "contents"},
    "demographic_flags": {"id": "users"},
    "incidents": {"student_id": "users", "school_id": "orgs?"},
}
# What may be named, and where it is when it has landed; of the other files raw has no table.
RAW_OF = ENTITY_OF | {"contents": "contents"}
DATES = {
    "enrollments": ("beginDate",),
    "lineItems": ("assignDate", "dueDate"),
    "results": ("scoreDate",),
    "adjustments": ("occurred_at",),
    "attendance": ("date",),
    "communications": ("occurred_at",),
    "content_views": ("viewed_at",),
    "incidents": ("occurred_at",),
}
DAYS_AROUND_TERMS = 366


@dataclass(frozen=True)
class CheckedFile:
    """A file's rows with their faults, and how many there are.

    frame: the columns of `typed_columns`, and _line, _is_retry, _faults, _warnings (arrays).
    texts: the same rows as texts, to show in quarantine. rows_read: by the reader, not by Spark.
    faults: fault or warning -> (rows, first line); retries and what they lead to are not counted.
    rows_without_id: which row each of them is, nobody can tell.
    """

    frame: DataFrame
    texts: DataFrame
    rows_read: int
    rows_rejected: int
    rows_warned: int
    rows_ended: int
    rows_released: int
    rows_without_id: int
    faults: dict[str, tuple[int, int]]

    def sound(self) -> DataFrame:
        """Return the rows without a fault."""
        ours = [LINE, RETRY, "_faults", "_warnings"]
        return self.frame.where("size(_faults) = 0").drop(*ours)

    def held_ids(self) -> DataFrame:
        """Return the ids of the rows that did not pass."""
        return self.frame.where("size(_faults) > 0 and id is not null").select("id").distinct()


class Checks:
    """All files of an open bundle, checked; what they are made of lies in the bundle's workspace.

    Raises DistrictError when a file lacks a column that each of its rows needs.
    """

    def __init__(self, spark: SparkSession, bundle: Bundle) -> None:
        self.spark = spark
        self.bundle = bundle
        self._forgotten = forgotten(spark)
        self._waiting = waiting_rows(spark, bundle.source_system)
        self._landed: dict[str, bool] = {}
        self._converted: dict[str, Converted] = {}
        self.files: dict[str, CheckedFile] = {}
        self._school_dates: tuple[str, str] | None = None
        for file, csv_file in bundle.files.items():
            known = known_columns(file, csv_file.header)
            essential = [one.name for one in columns_of(file).values() if one.is_essential]
            if file in MADE_IDS:
                essential.remove("id")
            if lacking := [name for name in essential if name not in known.values()]:
                raise DistrictError(
                    f"{file}.csv has no column {', '.join(lacking)}",
                    "export these columns too, with the names of the format",
                )
            path = Path(bundle.workspace, f"{file}.parquet")
            self._converted[file] = csv_file.convert(path, known)
        present = {*bundle.files, *self._waiting}
        with ThreadPoolExecutor(PARALLEL_READS) as pool:
            for level in LEVELS:
                names = [file for file in level if file in present]
                self.files.update(zip(names, pool.map(self._check, names), strict=True))
                if level is LEVELS[0]:
                    self._school_dates = self._around_terms()
        if {"classes", "enrollments"} <= self.files.keys():
            self.files["classes"] = self._with_teacherless(self.files["classes"])

    def is_complete(self, file: str) -> bool:
        """Return whether rows that the file lacks have ended: it is bulk, and all ids are known."""
        return (
            self.bundle.is_bulk(file)
            and file in self.files
            and not self.files[file].rows_without_id
        )

    def is_landed(self, entity: str) -> bool:
        if entity not in self._landed:
            self._landed[entity] = self.spark.catalog.tableExists(f"raw.{entity}")
        return self._landed[entity]

    def has_column(self, file: str, column: str) -> bool:
        return file in self._converted and column in self._converted[file].columns

    def extra_columns(self, file: str) -> set[str]:
        return set(self._converted[file].extra) if file in self._converted else set()

    def _texts(self, file: str) -> DataFrame:
        """Return the file's rows as texts, and those that wait in quarantine for another row."""
        names = columns_of(file)
        converted = self._converted.get(file)
        frames = [self._read(file, converted)] if converted else []
        if file in self._waiting and not self.bundle.is_bulk(file):
            waiting = self._waiting[file].selectExpr(
                f"line as {LINE}",
                f"true as {RETRY}",
                f"cast(null as string) as {FAULT}",
                "map_filter(fields, (name, value) -> name not in "
                f"({', '.join(repr(name) for name in names)})) as {EXTRA}",
                *[f"fields['{name}'] as `{name}`" for name in names],
            )
            if frames:
                row_id = next(iter(names))
                waiting = waiting.join(frames[0].select(row_id), row_id, "left_anti")
                waiting = waiting.select(*frames[0].columns)
            frames.append(waiting)
        return self._without_persons(file, reduce(DataFrame.unionByName, frames))

    def _without_persons(self, file: str, texts: DataFrame) -> DataFrame:
        """Put the pseudonyms of forgotten persons, so that rows find those that have landed."""
        columns = columns_of(file)
        row_id = next(iter(columns))
        persons = [name for name, target in REFERENCES.get(file, {}).items() if "users" in target]
        persons = [row_id if name == "id" else name for name in persons]
        if file == "users":
            persons.append(row_id)
        if not self._forgotten or not persons:
            return texts
        lists = {name for name in persons if columns[name].type == "list"}
        for name in lists:
            texts = texts.withColumn(name, in_list(F.col(name), self._forgotten))
        direct = DIRECT_OF.get(file, {}) | {EXTRA: "map<string,string>"}
        ids = [name for name in persons if name not in lists]
        return without_persons(texts, self._forgotten, ids, direct, row_id)

    def _read(self, file: str, converted: Converted) -> DataFrame:
        columns = converted.columns
        texts = ", ".join(f"`{name}` string" for name in (FAULT, *columns))
        schema = f"{LINE} bigint, {EXTRA} map<string,string>, {texts}"
        rows = self.spark.read.schema(schema).parquet(f"file://{converted.path}")
        if file in MADE_IDS and "id" not in columns:
            types = {name: column.type for name, column in columns_of(file).items()}
            given = [
                f"substr({name}, 1, 10)" if types[name] == "date" else name
                for name in MADE_IDS[file]
                if name in columns
            ]
            rows = rows.withColumn("id", F.expr(joint_id(*given)))
            columns = ["id", *columns]
        return rows.selectExpr(
            LINE, f"false as {RETRY}", FAULT, EXTRA, *text_columns(file, columns)
        )

    def _check(self, file: str) -> CheckedFile:
        texts = self._texts(file)
        names = list(columns_of(file))
        faults = faults_of_values(file)
        same = ", ".join(f"coalesce(`{name}`, char(0))" for name in names)
        frame = texts.selectExpr(
            LINE,
            RETRY,
            FAULT,
            *typed_columns(file),
            f"xxhash64({same}, array_sort(map_entries({EXTRA}))) as _hash",
            f"{array_of_faults(faults, 'reject')} as _rejects",
            f"{array_of_faults(faults, 'warn')} as _warns",
        ).selectExpr(
            "*",
            f"count(*) over (partition by id, {FAULT} is null) as _copies",
            f"min(_hash) over (partition by id, {FAULT} is null) "
            f"= max(_hash) over (partition by id, {FAULT} is null) as _is_same",
            f"row_number() over (partition by id, {FAULT} is null order by {LINE}) as _nth",
        )
        rejects: list[str] = []
        warnings: list[str] = []
        for column, target in REFERENCES.get(file, {}).items():
            known = self._known(target.rstrip("?"), file)
            if known is None:
                continue
            is_lenient = target.endswith("?")
            if column in columns_of(file) and columns_of(file)[column].type == "list":
                frame = _with_references(frame, column, known)
            else:
                frame = _with_reference(frame, column, known)
            rule = "unknown_reference" if is_lenient else "orphan"
            broken = condition(rule, column=f"`{column}`", known=f"_{column}.id")
            fault = f"if({broken}, '{rule}:{_shown(file, column)}', null)"
            (warnings if is_lenient else rejects).append(fault)
        if file == "enrollments":
            broken = condition("role_mismatch", column="role", roles="_userSourcedId.roles")
            rejects.append(f"if({broken}, 'role_mismatch:role', null)")
        if file == "results":
            maximum = "_lineItemSourcedId.maximum"
            broken = condition("score_above_maximum", column="score", maximum=maximum)
            warnings.append(f"if({broken}, 'score_above_maximum:score', null)")
        first, last = self._school_dates or ("", "")
        for column in DATES.get(file, ()) if first else ():
            broken = condition("out_of_school_dates", column=f"`{column}`", first=first, last=last)
            rejects.append(f"if({broken}, 'out_of_school_dates:{column}', null)")
        checked = frame.selectExpr(
            LINE,
            RETRY,
            "id",
            "is_active",
            "updated_at",
            "metadata",
            *[f"`{name}`" for name in names[3:]],
            f"""
            case
                when {FAULT} is not null then array({FAULT})
                when {condition("missing_id", column="id")} then array('missing_id')
                when {condition("duplicate_id", copies="_copies", is_same="_is_same")}
                    then array('duplicate_id')
                when {condition("duplicate_row", position="_nth")} then array('duplicate_row')
                -- What has ended needs no more than its id.
                when not is_active then array()
                else _rejects || {_array(rejects)}
            end as _faults
            """,
            f"if({FAULT} is null and is_active, _warns || {_array(warnings)}, array()) "
            "as _warnings",
        )
        converted = self._converted.get(file)
        # Written down, for else Spark would plan all of this again for each reader.
        path = f"file://{self.bundle.workspace}/{file}.checked"
        checked.write.parquet(path)
        kept = self.spark.read.schema(checked.schema).parquet(path)
        return _counted(kept, texts, converted.rows if converted else 0)

    def _known(self, target: str, file: str) -> DataFrame | None:
        """Return the rows that references to a file may name, by id; None: nobody can tell.

        For enrollments users have their roles, for results line items their maximum.
        """
        raw = RAW_OF.get(target)
        with_roles = target == "users" and file == "enrollments"
        with_maximum = target == "lineItems" and file == "results"
        frames = []
        if target == file:
            frames.append(self._texts(file).selectExpr("sourcedId as id"))
        elif target in self.files:
            sound = self.files[target].sound()
            if with_roles:
                frames.append(self._roles(sound))
            elif with_maximum:
                frames.append(sound.selectExpr("id", "resultValueMax as maximum"))
            else:
                frames.append(sound.select("id"))
        if raw and self.is_landed(raw):
            landed = self.spark.table(f"raw.{raw}")
            if with_roles:
                frames.append(landed_roles(self.spark))
            elif with_maximum:
                landed = landed.selectExpr("id", "points_possible as maximum")
                if frames:  # the file's maximum is the newer one
                    landed = landed.join(frames[0].select("id"), "id", "left_anti")
                frames.append(landed)
            else:
                frames.append(landed.select("id"))
        if not frames:
            return None if raw is None else self.spark.createDataFrame([], "id string")
        known = reduce(DataFrame.unionByName, frames)
        if with_roles:
            return all_roles(known)
        return known if with_maximum else known.distinct()

    def _roles(self, users: DataFrame) -> DataFrame:
        """Return the users' ids and all their roles, in the words of raw."""
        if "roles" not in self.files:
            return users.selectExpr("id", f"array_compact(array({our_role('role')})) as roles")
        roles = self.files["roles"].sound().where("is_active")
        return (
            users.select("id")
            .join(
                roles.selectExpr("userSourcedId as id", f"{our_role('role')} as role"), "id", "left"
            )
            .groupBy("id")
            .agg(F.collect_set("role").alias("roles"))
        )

    def _with_teacherless(self, classes: CheckedFile) -> CheckedFile:
        """Add to the warnings the sections in which no teacher is enrolled."""
        enrolled = self.files["enrollments"].sound().select("classSourcedId", "role", "is_active")
        if not self.bundle.is_bulk("enrollments") and self.is_landed("enrollments"):
            landed = self.spark.table("raw.enrollments")
            enrolled = enrolled.union(landed.select("course_id", "role", "is_active"))
        taught = enrolled.where("is_active and lower(trim(role)) = 'teacher'")
        rows, line, others = (
            classes.frame.where(f"size(_faults) = 0 and is_active and not {RETRY}")
            .join(taught, F.col("id") == F.col("classSourcedId"), "left_anti")
            .agg(F.count("*"), F.min(LINE), F.expr("count_if(size(_warnings) = 0)"))
            .collect()[0]
        )
        if not rows:
            return classes
        return replace(
            classes,
            rows_warned=classes.rows_warned + others,
            faults=classes.faults | {"section_without_teacher": (rows, line)},
        )

    def _around_terms(self) -> tuple[str, str] | None:
        """Return the first and last day that school data may speak of; None without terms."""
        terms = []
        if "academicSessions" in self.files:
            terms.append(self.files["academicSessions"].sound().select("startDate", "endDate"))
        if self.is_landed("terms"):
            terms.append(self.spark.table("raw.terms").select("start_date", "end_date"))
        if not terms:
            return None
        return school_dates(reduce(DataFrame.union, terms))


def landed_roles(spark: SparkSession) -> DataFrame:
    """Return id and roles (array, at most one) of the landed users and affiliations."""
    roles = spark.table("raw.users").select("id", "role")
    also = spark.table("raw.affiliations").select("user_id", "role")
    return roles.union(also).selectExpr("id", "array_compact(array(role)) as roles")


def all_roles(known: DataFrame) -> DataFrame:
    """Return one row per id, with all its roles."""
    every = F.array_distinct(F.flatten(F.collect_list("roles")))
    return known.groupBy("id").agg(every.alias("roles"))


def school_dates(terms: DataFrame) -> tuple[str, str] | None:
    """Return the first and last day that school data may speak of; None without terms.

    terms: two columns, first and last day.
    """
    first, last = (
        terms.toDF("first", "last")
        .selectExpr(
            f"cast(min(first) - {DAYS_AROUND_TERMS} as string)",
            f"cast(max(last) + {DAYS_AROUND_TERMS} as string)",
        )
        .collect()[0]
    )
    return (first, last) if first and last else None


def _with_reference(frame: DataFrame, column: str, known: DataFrame) -> DataFrame:
    """Join what a column refers to as the struct `_<column>`; its id is null when there is none."""
    row = F.struct(*known.columns).alias(f"_{column}")
    right = known.select(F.col("id").alias(f"_{column}_id"), row)
    return frame.join(right, F.col(column) == F.col(f"_{column}_id"), "left").drop(f"_{column}_id")


def _with_references(frame: DataFrame, column: str, known: DataFrame) -> DataFrame:
    """As `_with_reference` for a list: the id is null when any of its items is of no row."""
    items = frame.select(LINE, RETRY, F.explode(column).alias("_item"))
    unknown = items.join(known.select("id"), F.col("_item") == F.col("id"), "left_anti")
    unknown = unknown.select(LINE, RETRY).distinct().withColumn("_is_unknown", F.lit(True))
    row = F.struct(F.when(F.col("_is_unknown").isNull(), "known").alias("id"))
    return (
        frame.join(unknown, [LINE, RETRY], "left").withColumn(f"_{column}", row).drop("_is_unknown")
    )


def _shown(file: str, column: str) -> str:
    return next(iter(columns_of(file))) if column == "id" else column


def _array(faults: Iterable[str]) -> str:
    return f"array_compact(cast(array({', '.join(faults)}) as array<string>))"


def _counted(frame: DataFrame, texts: DataFrame, rows_read: int) -> CheckedFile:
    """Count the rows of a checked file by what became of them; this reads the file."""
    keys = f"""
        explode(concat(
            if({RETRY}, array(), concat(
                array_compact(array(
                    if(size(_faults) > 0, '*rejected', null),
                    if(size(_faults) = 0 and not is_active, '*ended', null),
                    if(size(_faults) = 0 and size(_warnings) > 0, '*warned', null),
                    if(id is null, '*without id', null)
                )),
                _faults,
                if(size(_faults) = 0, _warnings, array())
            )),
            if({RETRY} and size(_faults) = 0, array('*released'), array())
        )) as fault
    """
    found = {
        fault: (rows, line)
        for fault, rows, line in frame.selectExpr(LINE, keys)
        .groupBy("fault")
        .agg(F.count("*"), F.min(LINE))
        .collect()
    }

    def rows(key: str) -> int:
        return int(found.get(f"*{key}", (0, 0))[0])

    return CheckedFile(
        frame,
        texts,
        rows_read,
        rows("rejected"),
        rows("warned"),
        rows("ended"),
        rows("released"),
        rows("without id"),
        {fault: count for fault, count in found.items() if not fault.startswith("*")},
    )
