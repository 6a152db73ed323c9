"""Read the CSV files of a OneRoster bundle as typed Spark frames, and refuse broken ones.

Everything is read as text and cast by the rules below; ids stay text. A value that is not what
its column says becomes null in the frame and is counted by `check_files`.
"""

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

from python_jobs.errors import DistrictError
from python_jobs.landing.bundle import Bundle, records

# Columns after sourcedId, status and dateLastModified: name:type, text when no type is given.
# ! required by OneRoster; + kept in `metadata`, for the warehouse has no column for it.
FORMAT = {
    "orgs": "name! type! identifier+ parentSourcedId",
    "academicSessions": (
        "title! type! startDate:date! endDate:date! parentSourcedId schoolYear:year!"
    ),
    "courses": (
        "schoolYearSourcedId title! courseCode grades:list orgSourcedId! subjects:list subjectCodes"
    ),
    "classes": (
        "title! grades:list courseSourcedId!+ classCode+ classType!+ location+ schoolSourcedId! "
        "termSourcedIds:list! subjects:list subjectCodes+ periods+"
    ),
    "users": (
        "enabledUser!+ orgSourcedIds:list role username! userIds+ givenName! familyName! "
        "middleName+ identifier+ email sms+ phone agentSourcedIds:list grades:list "
        "userMasterIdentifier+ preferredGivenName+ preferredMiddleName+ preferredFamilyName+ "
        "primaryOrgSourcedId pronouns+"
    ),
    "roles": (
        "userSourcedId! roleType! role! beginDate:date endDate:date orgSourcedId! "
        "userProfileSourcedId+"
    ),
    "userProfiles": (
        "userSourcedId! profileType! vendorId! applicationId description credentialType! username!"
    ),
    "enrollments": (
        "classSourcedId! schoolSourcedId! userSourcedId! role! primary:boolean "
        "beginDate:date endDate:date"
    ),
    "demographics": (
        "birthDate:date sex americanIndianOrAlaskaNative:boolean asian:boolean "
        "blackOrAfricanAmerican:boolean nativeHawaiianOrOtherPacificIslander:boolean "
        "white:boolean demographicRaceTwoOrMoreRaces:boolean hispanicOrLatinoEthnicity:boolean "
        "countryOfBirthCode+ stateOfBirthAbbreviation+ cityOfBirth+ publicSchoolResidenceStatus+"
    ),
    "categories": "title! weight",
    "lineItems": (
        "title! description+ assignDate:date! dueDate:date! classSourcedId! categorySourcedId!+ "
        "gradingPeriodSourcedId academicSessionSourcedId resultValueMin:number+ "
        "resultValueMax:number schoolSourcedId+"
    ),
    "results": (
        "lineItemSourcedId! studentSourcedId! scoreStatus! score:number scoreDate:timestamp! "
        "comment textScore classSourcedId inProgress+ incomplete+ late:boolean+ missing+"
    ),
    "scoreScales": "title! type! orgSourcedId! courseSourcedId! classSourcedId! scoreScaleValue!",
    "lineItemScoreScales": "title lineItemSourcedId! scoreScaleSourcedId!",
    "resultScoreScales": "title resultSourcedId! scoreScaleSourcedId!",
    "lineItemLearningObjectiveIds": "lineItemSourcedId! source! learningObjectiveId!",
    "resultLearningObjectiveIds": (
        "resultSourcedId! source! learningObjectiveId! score:number textScore"
    ),
    "resources": "vendorResourceId!+ title roles+ importance+ vendorId+ applicationId+",
    "classResources": "title classSourcedId! resourceSourcedId!",
    "courseResources": "title courseSourcedId! resourceSourcedId!",
    "userResources": "userSourcedId orgSourcedId classSourcedId resourceSourcedId",
}
REQUIRED_BY_VERSION = {
    "1.1": {
        "users": ["role", "orgSourcedIds"],
        "lineItems": ["gradingPeriodSourcedId", "resultValueMin", "resultValueMax"],
        "results": ["score"],
    },
    "1.2": {"lineItems": ["academicSessionSourcedId"]},
}
# What is cast is the group; \z and not $, which would accept a line break at the end.
PATTERNS = {
    "date": r"^\s*(\d{4}-\d{2}-\d{2})([T ].*)?\z",
    "timestamp": r"^\s*(\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?)\z",
    "number": r"^\s*([+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?)\s*\z",
    "year": r"^\s*(?:\d{4}-)?(\d{4})\s*\z",
    "boolean": r"(?i)^\s*(true|false|1|0|yes|no)\s*\z",
}
NAMES_OF_TYPES = {
    "date": "dates (YYYY-MM-DD)",
    "timestamp": "dates or times (YYYY-MM-DD, YYYY-MM-DDThh:mm:ssZ)",
    "number": "numbers with a decimal point, below 1,000,000",
    "year": "school years (2027 or 2026-2027)",
}
PROBLEMS_SHOWN = 3
PARALLEL_READS = 4

_SECRET = re.compile(r"passw(or)?d", re.IGNORECASE)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileColumn:
    """A column that OneRoster names, its type, and what becomes of it."""

    name: str
    type: str
    is_required: bool
    is_kept_as_metadata: bool


@cache
def columns_of(file: str, version: str) -> dict[str, FileColumn]:
    """Return the columns of a file, sourcedId first: lower-case name to column."""
    required = REQUIRED_BY_VERSION[version].get(file, [])
    columns = [
        FileColumn("sourcedId", "text", True, False),
        FileColumn("status", "text", False, False),
        FileColumn("dateLastModified", "timestamp", False, False),
    ]
    for word in FORMAT[file].split():
        name, _, kind = word.rstrip("!+").partition(":")
        is_required = "!" in word or name in required
        columns.append(FileColumn(name, kind or "text", is_required, "+" in word))
    return {column.name.lower(): column for column in columns}


def read_file(spark: SparkSession, bundle: Bundle, file: str) -> DataFrame:
    """Return a file's rows; one that the bundle lacks has no rows.

    Columns: id, is_active, updated_at, metadata, and every column of FORMAT, typed, by its
    OneRoster name; a column that the file lacks is null.
    """
    columns = list(columns_of(file, bundle.version).values())
    if file not in bundle.files:
        types = {"list": "array<string>", "number": "decimal(9,3)", "year": "int", "text": "string"}
        fields = [f"`{one.name}` {types.get(one.type, one.type)}" for one in columns[3:]]
        shape = "id string, is_active boolean, updated_at timestamp, metadata map<string,string>"
        return spark.createDataFrame([], ", ".join([shape, *fields]))
    texts = _texts(bundle, file)
    sql = {one.name: _cast(texts.get(one.name.lower(), "null"), one.type) for one in columns}
    return _read_text(spark, bundle, file).selectExpr(
        f"{sql['sourcedId']} as id",
        # A blank status is active; one public reader also knows `inactive`.
        f"coalesce(lower(trim({sql['status']})), '') not in ('tobedeleted', 'inactive')"
        " as is_active",
        f"{sql['dateLastModified']} as updated_at",
        f"{_metadata(bundle, file)} as metadata",
        *[f"{sql[one.name]} as `{one.name}`" for one in columns[3:]],
    )


def check_files(spark: SparkSession, bundle: Bundle) -> dict[str, int]:
    """Return the number of data rows of each file, once all of them are found sound.

    Reads every file once, several at a time. Raises DistrictError with the first problems: a
    required column missing, ids missing or repeated, rows too short or too long, values that do
    not parse.
    """
    problems = [line for file in bundle.files for line in _header_problems(bundle, file)]
    _raise(problems, "export these columns too, with the names that OneRoster gives them")
    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        rows = pool.map(lambda file: _measures(spark, bundle, file).collect()[0], bundle.files)
        found = dict(zip(bundle.files, rows, strict=True))
    problems = [
        line for file in bundle.files for line in _row_problems(spark, bundle, file, found[file])
    ]
    _raise(problems, "correct these rows in the source system and export again")
    return {file: int(found[file]["rows"]) for file in bundle.files}


def _raise(problems: list[str], hint: str) -> None:
    if problems:
        more = len(problems) - PROBLEMS_SHOWN
        shown = problems[:PROBLEMS_SHOWN] + ([f"and {more} more like this"] if more > 0 else [])
        raise DistrictError("; ".join(shown), hint)


def _names(bundle: Bundle, file: str) -> list[str]:
    """Return one distinct name for each position of the header, as near to it as can be."""
    names: list[str] = []
    seen: set[str] = {"_malformed"}
    for position, title in enumerate(bundle.headers[file]):
        name = title if title.strip() and title.lower() not in seen else f"_c{position}"
        seen.add(name.lower())
        names.append(name)
    return names


def _read_text(spark: SparkSession, bundle: Bundle, file: str) -> DataFrame:
    fields = [StructField(name, StringType()) for name in _names(bundle, file)]
    # The scheme keeps the default file system out; Hadoop would read [a] in a path as a pattern.
    path = re.sub(r"([\\*?\[\]{}])", r"\\\1", str(bundle.files[file].absolute()))
    return spark.read.csv(
        f"file://{path}",
        schema=StructType([*fields, StructField("_malformed", StringType())]),
        header=True,
        encoding="UTF-8",
        multiLine=True,
        quote='"',
        escape='"',
        mode="PERMISSIVE",
        columnNameOfCorruptRecord="_malformed",
    )


def _texts(bundle: Bundle, file: str) -> dict[str, str]:
    """Return SQL for the columns as text, blank as null: trimmed lower-case name to SQL."""
    texts: dict[str, str] = {}
    for name in _names(bundle, file):
        texts.setdefault(name.strip().lower(), _text(name))
    return texts


def _text(name: str) -> str:
    column = f"`{name.replace('`', '``')}`"
    return f"if(trim({column}) = '', null, {column})"


def _cast(text: str, kind: str) -> str:
    """Return SQL that casts text by the rules of PATTERNS; what does not fit becomes null."""
    if kind == "text":
        return f"cast({text} as string)"
    if kind == "list":
        return f"filter(transform(split({text}, ','), item -> trim(item)), item -> item != '')"
    fitting = f"regexp_extract({text}, r'{PATTERNS[kind]}', 1)"
    types = {"number": "decimal(9,3)", "year": "int"}
    return f"try_cast(nullif({fitting}, '') as {types.get(kind, kind)})"


def _metadata(bundle: Bundle, file: str) -> str:
    """Return SQL for a map of what the warehouse has no column for; no passwords.

    The keys are the names in the header, the values text.
    """
    known = columns_of(file, bundle.version)
    entries: list[str] = []
    seen: set[str] = set()
    for name in _names(bundle, file):
        key = name.strip()
        column = known.get(key.lower())
        is_repeat = key.lower() in seen
        seen.add(key.lower())
        if _SECRET.search(key) or (column and not column.is_kept_as_metadata) or is_repeat:
            continue
        key = column.name if column else key
        literal = key.replace("\\", "\\\\").replace("'", "\\'")
        entries.append(f"'{literal}', {_text(name)}")
    every = f"cast(map({', '.join(entries)}) as map<string,string>)"
    return f"map_filter({every}, (key, value) -> value is not null)" if entries else every


def _header_problems(bundle: Bundle, file: str) -> list[str]:
    have = [name.strip().lower() for name in bundle.headers[file]]
    columns = columns_of(file, bundle.version).values()
    missing = [one.name for one in columns if one.is_required and one.name.lower() not in have]
    repeated = [one.name for one in columns if have.count(one.name.lower()) > 1]
    problems = []
    if missing:
        problems.append(f"{file}.csv has no column {', '.join(missing)}")
    if repeated:
        problems.append(f"{file}.csv has the column {', '.join(repeated)} more than once")
    return problems


def _measures(spark: SparkSession, bundle: Bundle, file: str) -> DataFrame:
    """Return one row of counts, with the first record (0 is the first data row) of each fault."""
    texts = _texts(bundle, file)
    is_bad = {"malformed": "_malformed is not null", "sourcedId": f"{texts['sourcedid']} is null"}
    for one in columns_of(file, bundle.version).values():
        text = texts.get(one.name.lower())
        if text is not None and one.type in PATTERNS:
            is_bad[one.name] = f"({text} is not null and {_cast(text, one.type)} is null)"
    faults = ", ".join(
        f"struct('{name}' as name, count_if({bad}) as count, "
        f"min(if({bad}, _record, null)) as first)"
        for name, bad in is_bad.items()
    )
    # A multi-line file is one partition: the number counts its records, and to say so with
    # coalesce spares a shuffle of all ids.
    return (
        _read_text(spark, bundle, file)
        .withColumn("_record", F.monotonically_increasing_id())
        .coalesce(1)
        .agg(
            F.expr("count(*) as rows"),
            F.expr(f"count({texts['sourcedid']}) as ids"),
            F.expr(f"count(distinct {texts['sourcedid']}) as distinct_ids"),
            F.expr(f"array({faults}) as faults"),
        )
    )


def _row_problems(spark: SparkSession, bundle: Bundle, file: str, found: Row) -> list[str]:
    types = {one.name: one.type for one in columns_of(file, bundle.version).values()}
    problems = []
    for name, count, first in found["faults"]:
        if not count:
            continue
        where = f"first in line {_line(bundle, file, first)}"
        if name == "malformed":
            problems.append(f"{file}.csv: {count:,} rows have too few or too many fields, {where}")
        elif name == "sourcedId":
            problems.append(f"{file}.csv: {count:,} rows have no sourcedId, {where}")
        elif types[name] == "boolean":
            logger.warning("%s.csv: %d values of %s are not true or false", file, count, name)
        else:
            kind = NAMES_OF_TYPES[types[name]]
            problems.append(f"{file}.csv: {count:,} values of {name} are not {kind}, {where}")
    if repeated := found["ids"] - found["distinct_ids"]:
        id_, line = _first_repeat(spark, bundle, file)
        problems.append(
            f"{file}.csv: {repeated:,} rows repeat a sourcedId, first {id_} in line {line}"
        )
    return problems


def _first_repeat(spark: SparkSession, bundle: Bundle, file: str) -> tuple[str, int]:
    """Return an id that occurs twice, and the line of its second row."""
    ids = _read_text(spark, bundle, file).selectExpr(f"{_texts(bundle, file)['sourcedid']} as id")
    groups = ids.groupBy("id").count()
    repeated = groups.where("id is not null and count > 1").agg(F.min("id")).collect()[0][0]
    position = [name.strip().lower() for name in bundle.headers[file]].index("sourcedid")
    lines = [
        line
        for line, record in records(bundle.files[file])
        if len(record) > position and record[position] == repeated
    ]
    return repeated, lines[1]


def _line(bundle: Bundle, file: str, record: int) -> int:
    """Return the first line of a data record; records are fewer than lines where text breaks."""
    for number, (line, _) in enumerate(records(bundle.files[file]), start=-1):
        if number == record:
            return line
    return record + 2
