"""What stands in the files, of OneRoster and the district's own: columns, types, words.

From it comes the SQL that makes typed columns of texts, and tells what is wrong in each row.

Everything is read as text and cast by the rules below; ids stay text. A value that is not what its
column says becomes null and a fault of its row, named as `python_jobs.landing.rules` has it.
"""

from functools import cache
from typing import NamedTuple

from pyspark.sql import DataFrame, SparkSession

from python_jobs.landing.records import EXTRA
from python_jobs.landing.rules import condition, listed, severity_of
from python_jobs.seeds import read_seed

# Columns after those that each file begins with (ROW_COLUMNS, OWN_ROW_COLUMNS): name:type, text
# when no type is given. ! every row must have a value, else it is no use; + kept in `metadata`,
# for the warehouse has no column for it.
FORMAT = {
    "orgs": "name! type identifier+ parentSourcedId",
    "academicSessions": (
        "title type! startDate:date! endDate:date! parentSourcedId schoolYear:year"
    ),
    "courses": (
        "schoolYearSourcedId title courseCode grades:list orgSourcedId subjects:list subjectCodes"
    ),
    "classes": (
        "title grades:list courseSourcedId+ classCode+ classType+ location+ schoolSourcedId! "
        "termSourcedIds:list subjects:list subjectCodes+ periods+"
    ),
    "users": (
        "enabledUser+ orgSourcedIds:list role username userIds+ givenName familyName "
        "middleName+ identifier+ email sms+ phone agentSourcedIds:list grades:list "
        "userMasterIdentifier+ preferredGivenName+ preferredMiddleName+ preferredFamilyName+ "
        "primaryOrgSourcedId pronouns+"
    ),
    "roles": (
        "userSourcedId! roleType role! beginDate:date endDate:date orgSourcedId! "
        "userProfileSourcedId+"
    ),
    "userProfiles": (
        "userSourcedId! profileType vendorId applicationId description credentialType username"
    ),
    "enrollments": (
        "classSourcedId! schoolSourcedId userSourcedId! role! primary:boolean "
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
        "title description+ assignDate:date dueDate:date classSourcedId! categorySourcedId+ "
        "gradingPeriodSourcedId academicSessionSourcedId resultValueMin:number+ "
        "resultValueMax:number schoolSourcedId+"
    ),
    "results": (
        "lineItemSourcedId! studentSourcedId! scoreStatus! score:number scoreDate:timestamp "
        "comment textScore classSourcedId inProgress+ incomplete+ late:boolean+ missing+"
    ),
    "scoreScales": "title type orgSourcedId courseSourcedId classSourcedId scoreScaleValue",
    "lineItemScoreScales": "title lineItemSourcedId! scoreScaleSourcedId!",
    "resultScoreScales": "title resultSourcedId! scoreScaleSourcedId!",
    "lineItemLearningObjectiveIds": "lineItemSourcedId source learningObjectiveId",
    "resultLearningObjectiveIds": (
        "resultSourcedId source learningObjectiveId score:number textScore"
    ),
    "resources": "vendorResourceId+ title roles+ importance+ vendorId+ applicationId+",
    "classResources": "title classSourcedId! resourceSourcedId!",
    "courseResources": "title courseSourcedId! resourceSourcedId!",
    "userResources": "userSourcedId orgSourcedId classSourcedId resourceSourcedId",
    # The district's own files: the columns of the raw entity of that name.
    "adjustments": "student_id! course_id! other_course_id action! occurred_at:timestamp!",
    "attendance": (
        "student_id! school_id course_id date:date! status! absent_fraction:share "
        "is_excused:boolean"
    ),
    "communications": ("student_id! guardian_id staff_id channel occurred_at:timestamp! outcome"),
    "content_views": (
        "student_id! content_id! viewed_at:timestamp! access_type access_count:count"
    ),
    "demographic_flags": (
        "is_english_learner:boolean has_iep:boolean is_economically_disadvantaged:boolean"
    ),
    "incidents": (
        "student_id! school_id occurred_at:timestamp! category severity days_suspended:days"
    ),
}
OWN_FILES = (
    "adjustments", "attendance", "communications", "content_views", "demographic_flags",
    "incidents",
)  # fmt: skip
ROW_COLUMNS = "sourcedId! status dateLastModified:timestamp"
OWN_ROW_COLUMNS = "id! is_active:boolean updated_at:timestamp"
# Where a file has no id column, it is made of these.
MADE_IDS = {"attendance": ("student_id", "date", "course_id")}
# File -> the entity that has one row for each of its rows.
ENTITY_OF = {
    "orgs": "schools",
    "academicSessions": "terms",
    "users": "users",
    "classes": "courses",
    "lineItems": "assignments",
    "enrollments": "enrollments",
    "results": "grades",
    "roles": "affiliations",
} | {file: file for file in OWN_FILES if file != "demographic_flags"}
FILE_OF = {entity: file for file, entity in ENTITY_OF.items()}
# OneRoster role in lower case -> our word.
ROLES = {
    "administrator": "administrator",
    "districtadministrator": "administrator",
    "siteadministrator": "administrator",
    "systemadministrator": "administrator",
} | {
    role: role
    for role in (
        "aide",
        "counselor",
        "guardian",
        "parent",
        "principal",
        "proctor",
        "relative",
        "student",
        "teacher",
    )
}
# What our own export writes for an affiliation without a role.
NO_ROLE = "ext:unknown"
# The words a column may hold, in lower case; those of LENIENT columns only count as empty.
WORDS = {
    "orgs.type": ("department", "school", "district", "local", "state", "national"),
    "academicSessions.type": ("schoolyear", "semester", "term", "gradingperiod"),
    "users.role": tuple(ROLES),
    "roles.roleType": ("primary", "secondary"),
    "roles.role": tuple(ROLES),
    "enrollments.role": (
        "administrator", "aide", "guardian", "parent", "proctor", "relative", "student", "teacher",
    ),
    "demographics.sex": ("female", "f", "male", "m", "other", "unspecified"),
    "results.scoreStatus": (
        "exempt", "fully graded", "not submitted", "partially graded", "submitted",
    ),
    "adjustments.action": ("add", "drop", "switch", "audit"),
    "attendance.status": ("present", "absent", "tardy", "suspended", "half_day"),
    "incidents.severity": ("minor", "moderate", "severe"),
}  # fmt: skip
LENIENT = {"orgs.type", "roles.roleType", "demographics.sex"}
# As older or careless exports name a column: lower-case name to OneRoster's.
SYNONYMS = {
    "agents": "agentSourcedIds",
    "datalastmodified": "dateLastModified",
    "grade": "grades",
    "orgsourcedid": "orgSourcedIds",
    "prefferedfamilyname": "preferredFamilyName",
    "prefferedgivenname": "preferredGivenName",
    "prefferedmiddlename": "preferredMiddleName",
    "student_id": "id",
    "subject": "subjects",
    "termsourcedid": "termSourcedIds",
    "userid": "userIds",
    "usersourcedid": "sourcedId",
}
STATUS_WORDS = ("active", "inactive", "tobedeleted")
# What is cast is the group; \z and not $, which would accept a line break at the end.
PATTERNS = {
    "date": r"^\s*(\d{4}-\d{2}-\d{2})([T ].*)?\z",
    "timestamp": r"^\s*(\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?)\z",
    "number": r"^\s*([+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?)\s*\z",
    "year": r"^\s*(?:\d{4}-)?(\d{4})\s*\z",
    "share": r"^\s*(0(\.\d*)?|1(\.0*)?|\.\d+)\s*\z",
    "days": r"^\s*(\d{1,3}(\.\d*)?)\s*\z",
    "count": r"^\s*(\d{1,9})\s*\z",
    "boolean": r"(?i)^\s*(true|false|1|0|yes|no)\s*\z",
}

TYPES = {
    "list": "array<string>",
    "number": "decimal(9,3)",
    "share": "decimal(3,2)",
    "days": "decimal(5,2)",
    "count": "int",
    "year": "int",
    "text": "string",
}


class FileColumn(NamedTuple):
    """A column that OneRoster names, its type, and what becomes of it."""

    name: str
    type: str
    is_essential: bool
    is_kept_as_metadata: bool


@cache
def columns_of(file: str) -> dict[str, FileColumn]:
    """Return the columns of a file, name to column: id, row status, time of change, its own."""
    columns = []
    first = OWN_ROW_COLUMNS if file in OWN_FILES else ROW_COLUMNS
    for word in f"{first} {FORMAT[file]}".split():
        name, _, kind = word.rstrip("!+").partition(":")
        columns.append(FileColumn(name, kind or "text", "!" in word, "+" in word))
    return {column.name: column for column in columns}


def known_columns(file: str, header: list[str]) -> dict[str, str]:
    """Return which of the header's names are columns of the file: lower-case name to column."""
    known = {name.lower(): name for name in columns_of(file)}
    have = {name.lower() for name in header}
    found = {name: known[name] for name in have & known.keys()}
    for name in have & SYNONYMS.keys() - known.keys():
        column = SYNONYMS[name]
        if column in known.values() and column not in found.values():
            found[name] = column
    return found


def text_columns(file: str, have: list[str]) -> list[str]:
    """Return SQL for every column of a file as text; null for those that it lacks."""
    return [
        f"`{name}`" if name in have else f"cast(null as string) as `{name}`"
        for name in columns_of(file)
    ]


def typed_columns(file: str) -> list[str]:
    """Return SQL over the texts: id, is_active, updated_at, metadata, all columns of FORMAT."""
    columns = columns_of(file)
    row_id, status, changed, *_ = columns
    kept = [name for name, column in columns.items() if column.is_kept_as_metadata]
    if file in OWN_FILES:
        is_active = f"coalesce({cast(status, 'boolean')}, true)"
    else:  # A blank status is active; one public reader also knows `inactive`.
        is_active = "coalesce(lower(trim(status)), '') not in ('tobedeleted', 'inactive')"
    entries = ", ".join(f"'{name}', `{name}`" for name in kept)
    own = f"map_filter(map({entries}), (name, value) -> value is not null)"
    return [
        f"coalesce(`{row_id}`, {EXTRA}['{row_id}']) as id",
        f"{is_active} as is_active",
        f"{cast(changed, 'timestamp')} as updated_at",
        (f"map_concat({EXTRA}, {own})" if kept else EXTRA) + " as metadata",
        *[f"{cast(name, column.type)} as `{name}`" for name, column in list(columns.items())[3:]],
    ]


def cast(name: str, kind: str) -> str:
    """Return SQL that casts a text by the rules of PATTERNS; what does not fit becomes null."""
    if kind == "text":
        return f"`{name}`"
    if kind == "list":
        return f"filter(transform(split(`{name}`, ','), item -> trim(item)), item -> item != '')"
    fitting = f"regexp_extract(`{name}`, r'{PATTERNS[kind]}', 1)"
    return f"try_cast(nullif({fitting}, '') as {TYPES.get(kind, kind)})"


def joint_id(*columns: str) -> str:
    """Return SQL for one id out of several; the ids' own bars are doubled, so none collide."""
    escaped = [f"replace({column}, '|', '||')" for column in columns]
    return f"concat_ws(' | ', {', '.join(escaped)})"


def faults_of_values(file: str) -> dict[str, str]:
    """Return what may be wrong with the texts of one row by itself: fault to SQL condition."""
    row_id, *_ = columns_of(file)
    faults = {"missing_id": condition("missing_id", column=f"`{row_id}`")}
    if file not in OWN_FILES:
        faults["invalid_value:status"] = condition(
            "invalid_value", column="status", words=listed(STATUS_WORDS)
        )
    for name, column in columns_of(file).items():
        quoted = f"`{name}`"
        if column.is_essential and name != row_id:
            faults[f"missing_value:{name}"] = condition("missing_value", column=quoted)
        if column.type in PATTERNS:
            rule = f"invalid_{column.type}"
            value = cast(name, column.type)
            faults[f"{rule}:{name}"] = condition(rule, column=quoted, value=value)
        if words := WORDS.get(f"{file}.{name}"):
            rule = "unknown_word" if f"{file}.{name}" in LENIENT else "invalid_value"
            broken = condition(rule, column=quoted, words=listed(words))
            if file == "roles":
                broken += f" and lower(trim({quoted})) not like 'ext:%'"
            faults[f"{rule}:{name}"] = broken
    for begin, end in (("beginDate", "endDate"), ("startDate", "endDate")):
        if {begin, end} <= columns_of(file).keys():
            faults[f"end_before_begin:{end}"] = condition(
                "end_before_begin", begin=cast(begin, "date"), end=cast(end, "date")
            )
    if file == "results":
        faults["unknown_letter:textScore"] = condition(
            "unknown_letter", column="textScore", words=listed(letters())
        )
        faults["not_submitted_with_zero:score"] = condition(
            "not_submitted_with_zero", status="scoreStatus", value=cast("score", "number")
        )
    return faults


@cache
def letters() -> tuple[str, ...]:
    """Return the letters of all grading scales, those outside the average too."""
    return tuple(sorted({row["letter"] for row in read_seed("letter_grade_points")}))


def empty_file(spark: SparkSession, file: str) -> DataFrame:
    """Return the frame of a file that the bundle lacks.

    Made by SQL, for Spark then sees that it is empty and drops the joins to it.
    """
    types = {
        "id": "string",
        "is_active": "boolean",
        "updated_at": "timestamp",
        "metadata": "map<string,string>",
    } | {
        name: TYPES.get(column.type, column.type)
        for name, column in list(columns_of(file).items())[3:]
    }
    columns = [f"cast(null as {kind}) as `{name}`" for name, kind in types.items()]
    return spark.sql(f"select {', '.join(columns)} where false")


def array_of_faults(faults: dict[str, str], severity: str) -> str:
    """Return SQL for the array of those faults of a severity whose condition holds."""
    chosen = [
        f"if({condition}, '{fault}', null)"
        for fault, condition in faults.items()
        if severity_of(fault) == severity
    ]
    return f"array_compact(cast(array({', '.join(chosen)}) as array<string>))"


def our_role(column: str) -> str:
    """Return SQL for our word of a OneRoster role; null for `ext:` and other words."""
    pairs = ", ".join(f"'{theirs}', '{ours}'" for theirs, ours in ROLES.items())
    return f"try_element_at(map({pairs}), lower(trim({column})))"


def other_role(column: str) -> str:
    """Return SQL for a OneRoster role that we have no word for; else null."""
    return f"if({our_role(column)} is null, nullif({column}, '{NO_ROLE}'), null)"
