"""What every active row of raw must keep: the rules of landing, in the columns of raw.

Only which rule holds for which column stands here; the rules themselves, with the SQL of what
breaks them, are those of `python_jobs.landing.rules`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from python_jobs.landing.oneroster_checks import RAW_OF
from python_jobs.landing.oneroster_checks import REFERENCES as REFERENCES_OF_FILES
from python_jobs.landing.oneroster_files import (
    ENTITY_OF,
    LENIENT,
    OWN_FILES,
    ROLES,
    WORDS,
    columns_of,
    letters,
)
from python_jobs.landing.rules import condition, explain, listed, severity_of

Severity = Literal["stop", "warn"]

# The district's own files have the columns of raw, so what landing knows of them holds here too.
OWN_ENTITIES = [file for file in OWN_FILES if file in ENTITY_OF]
# Entity -> columns without which a row is no use.
REQUIRED = {
    "schools": "name",
    "terms": "term_type start_date end_date",
    "users": "",
    "affiliations": "user_id school_id",
    "guardianships": "student_id guardian_id",
    "courses": "school_id",
    "enrollments": "course_id user_id role",
    "contents": "course_id",
    "assignments": "course_id",
    "homeworks": "assignment_id student_id status",
    "grades": "student_id status",
} | {
    file: " ".join(
        name for name, column in columns_of(file).items() if column.is_essential and name != "id"
    )
    for file in OWN_ENTITIES
}
# Entity: column -> the entity whose ids it names. ? a row that names an unknown id is of use too.
REFERENCES = {
    "schools": {"parent_id": "schools?"},
    "terms": {"parent_id": "terms?"},
    "users": {"school_id": "schools?"},
    "affiliations": {"user_id": "users", "school_id": "schools?"},
    "guardianships": {"student_id": "users?", "guardian_id": "users?"},
    "courses": {"school_id": "schools", "teacher_id": "users?"},
    "enrollments": {"course_id": "courses", "user_id": "users", "school_id": "schools?"},
    "contents": {"course_id": "courses", "teacher_id": "users?"},
    "assignments": {"course_id": "courses", "term_id": "terms?"},
    "homeworks": {"assignment_id": "assignments", "student_id": "users", "course_id": "courses?"},
    "grades": {
        "assignment_id": "assignments",
        "student_id": "users",
        "course_id": "courses?",
        "term_id": "terms?",
    },
} | {
    file: {
        column: RAW_OF[target.rstrip("?")] + ("?" if target.endswith("?") else "")
        for column, target in REFERENCES_OF_FILES.get(file, {}).items()
    }
    for file in OWN_ENTITIES
}
OUR_ROLES = ("clerk", *sorted(set(ROLES.values())))
# The words a column may hold; others in a column with ? only deserve a warning.
WORDS_OF = {
    "schools.school_type?": WORDS["orgs.type"],
    "terms.term_type": WORDS["academicSessions.type"],
    "users.role": OUR_ROLES,
    "affiliations.role": OUR_ROLES,
    "enrollments.role": WORDS["enrollments.role"],
    "homeworks.status": WORDS["results.scoreStatus"],
    "grades.status": WORDS["results.scoreStatus"],
} | {
    f"{place}?" if place in LENIENT else place: words
    for place, words in WORDS.items()
    if place.partition(".")[0] in OWN_ENTITIES
}
SPANS = {
    "terms": ("start_date", "end_date"),
    "affiliations": ("begin_date", "end_date"),
    "enrollments": ("begin_date", "end_date"),
}
DATES = {
    "enrollments": ("begin_date",),
    "assignments": ("assigned_date", "due_date"),
    "grades": ("graded_at",),
}
# A sound row breaks these once the user's role or the terms have changed: no reason to stop.
CHANGED_BY_OTHERS = {"role_mismatch", "out_of_school_dates"}
# Columns that the gate joins to the rows of an entity.
COPIES, ROLES_OF_USER = "_copies", "_roles"


@dataclass(frozen=True)
class Expected:
    """A rule that the rows of an entity must keep.

    broken: SQL over the entity's columns, `known(column)` for each of its references, COPIES and
    ROLES_OF_USER; it holds for a row that breaks the rule.
    """

    rule: str
    column: str
    broken: str

    @property
    def fault(self) -> str:
        """The rule and its column, as landing writes them."""
        return f"{self.rule}:{self.column}"

    @property
    def severity(self) -> Severity:
        """A row that landing would have rejected stops the build, unless others changed since."""
        stops = severity_of(self.rule) == "reject" and self.rule not in CHANGED_BY_OTHERS
        return "stop" if stops else "warn"

    @property
    def texts(self) -> tuple[str, str]:
        """What is wrong with a row that breaks it, and how to mend it."""
        return explain(self.fault)


@dataclass(frozen=True)
class Result:
    """How many rows break a rule, and the ids of the first of them."""

    expected: Expected
    failing_count: int = 0
    ids: list[str | None] = field(default_factory=list)


@dataclass(frozen=True)
class Checked:
    """The results of an entity; row_count: the rows that were checked."""

    entity: str
    row_count: int
    results: list[Result]

    def failures(self, severity: Severity) -> list[Result]:
        """Return the results of that severity with rows that break the rule."""
        return [
            one for one in self.results if one.failing_count and one.expected.severity == severity
        ]


def known(column: str) -> str:
    """Return the name of the joined column with the id that a column names, if it has landed."""
    return f"_{column}"


def suite(entity: str, school_dates: tuple[str, str] | None) -> list[Expected]:
    """Return the rules of an entity.

    school_dates: the first and last day that school data may speak of; None when unknown.
    """
    return [
        Expected(rule, columns["column"], condition(rule, **columns))
        for rule, columns in _rules(entity, school_dates)
    ]


def _rules(
    entity: str, school_dates: tuple[str, str] | None
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each rule of an entity with the columns of its condition; `column` is in all."""
    yield "missing_id", {"column": "id"}
    yield "duplicate_id", {"column": "id", "copies": COPIES, "is_same": "false"}
    for column in REQUIRED[entity].split():
        yield "missing_value", {"column": column}
    for column, target in REFERENCES[entity].items():
        rule = "unknown_reference" if target.endswith("?") else "orphan"
        yield rule, {"column": column, "known": known(column)}
    for place, words in WORDS_OF.items():
        table, _, column = place.rstrip("?").partition(".")
        if table == entity:
            rule = "unknown_word" if place.endswith("?") else "invalid_value"
            yield rule, {"column": column, "words": listed(words)}
    if entity in SPANS:
        begin, end = SPANS[entity]
        yield "end_before_begin", {"column": end, "begin": begin, "end": end}
    for column in DATES.get(entity, ()) if school_dates else ():
        first, last = school_dates or ("", "")
        yield "out_of_school_dates", {"column": column, "first": first, "last": last}
    if entity == "enrollments":
        yield "role_mismatch", {"column": "role", "roles": ROLES_OF_USER}
    if entity == "grades":
        yield "unknown_letter", {"column": "letter", "words": listed(letters())}
        score = "points_earned"
        yield "score_above_maximum", {"column": score, "maximum": "points_possible"}
        yield "not_submitted_with_zero", {"column": score, "status": "status", "value": score}
