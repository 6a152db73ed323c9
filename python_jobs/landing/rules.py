"""The rules that every row must keep to land: one definition for landing, quarantine and gate.

A rule that rejects keeps the row out of raw and in quality.quarantine; one that warns lets it land
and counts it. `{column}` in the texts is the column that the rule speaks of. The condition is the
SQL that holds for a broken row; landing fills in the columns of the files, the gate those of raw.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Severity = Literal["reject", "warn"]


@dataclass(frozen=True)
class Rule:
    """What can be wrong with a row.

    condition: SQL with the names of columns in braces; empty where only the reader of a file, or
    other rows than this one, can tell. waits: the row may become right without being sent again,
    once another row has landed or a seed knows more.
    """

    problem: str
    mend: str
    condition: str = ""
    severity: Severity = "reject"
    waits: bool = False


NOT_AS_CAST = "{column} is not null and {value} is null"
NOT_A_WORD = "lower(trim({column})) not in ({words})"
NOT_KNOWN = "{column} is not null and {known} is null"
# As stg_grades writes letters: minus signs of all kinds are hyphens, spaces are nothing.
NOT_A_LETTER = "nullif(upper(translate(trim({column}), '−– ', '--')), '') not in ({words})"

RULES = {
    "bad_quotes": Rule(
        "the line has a quote that is not closed or not doubled",
        "write the field in quotes, with each quote inside it doubled",
    ),
    "short_row": Rule(
        "the row has fewer values than the header", "export again; the file may be cut off"
    ),
    "long_row": Rule(
        "the row has more values than the header", "put fields that hold a comma in quotes"
    ),
    "missing_id": Rule(
        "the row has no sourcedId",
        "give it one that stays the same every night",
        "{column} is null",
    ),
    "duplicate_id": Rule(
        "other rows of the file have this id and other values",
        "give each row an id of its own",
        "{copies} > 1 and not {is_same}",
    ),
    "duplicate_row": Rule(
        "the same row stands in the file before",
        "leave it out; the first one is read",
        "{position} > 1",
    ),
    "missing_value": Rule("{column} is empty", "fill {column} in", "{column} is null"),
    "invalid_value": Rule("{column} is none of the allowed words", "use one of them", NOT_A_WORD),
    "invalid_date": Rule("{column} is no date", "write dates as YYYY-MM-DD", NOT_AS_CAST),
    "invalid_timestamp": Rule(
        "{column} is no date or time", "write it as YYYY-MM-DDThh:mm:ssZ", NOT_AS_CAST
    ),
    "invalid_number": Rule(
        "{column} is no number below 1,000,000",
        "write numbers with digits and a decimal point",
        NOT_AS_CAST,
    ),
    "invalid_year": Rule(
        "{column} is no school year", "write the year in which it ends, YYYY", NOT_AS_CAST
    ),
    "end_before_begin": Rule(
        "{column} lies before the begin", "correct one of the two dates", "{end} < {begin}"
    ),
    "invalid_share": Rule(
        "{column} is no number from 0 to 1", "write the share of the day, such as 0.5", NOT_AS_CAST
    ),
    "invalid_days": Rule(
        "{column} is no number of days below 1,000",
        "write numbers with digits and a decimal point",
        NOT_AS_CAST,
    ),
    "invalid_count": Rule(
        "{column} is no whole number", "write a whole number, such as 3", NOT_AS_CAST
    ),
    "out_of_school_dates": Rule(
        "{column} lies more than a year outside all terms",
        "correct the date, or send the term",
        "cast({column} as date) not between date '{first}' and date '{last}'",
    ),
    "unknown_letter": Rule(
        "{column} is a letter of no grading scale",
        "correct it, or add the letter to seeds/letter_grade_points.csv",
        NOT_A_LETTER,
        waits=True,
    ),
    "orphan": Rule(
        "{column} names a row that has not landed",
        "send that row; this one then lands by itself",
        NOT_KNOWN,
        waits=True,
    ),
    "role_mismatch": Rule(
        "the user has another role than the row gives",
        "correct the role of the user or of this row",
        "size({roles}) > 0 and case lower(trim({column})) "
        "when 'student' then not array_contains({roles}, 'student') "
        "when 'teacher' then {roles} = array('student') end",
        waits=True,
    ),
    "unknown_reference": Rule(
        "{column} names a row that has not landed; the row landed all the same",
        "send that row, or leave {column} empty",
        NOT_KNOWN,
        severity="warn",
    ),
    "unknown_word": Rule(
        "{column} is none of the allowed words; it counts as empty",
        "use one of them",
        NOT_A_WORD,
        severity="warn",
    ),
    "invalid_boolean": Rule(
        "{column} is neither true nor false; it counts as empty",
        "write true or false",
        NOT_AS_CAST,
        severity="warn",
    ),
    "score_above_maximum": Rule(
        "the score is above the maximum of its line item",
        "check it; it counts",
        "{column} > {maximum}",
        severity="warn",
    ),
    "not_submitted_with_zero": Rule(
        "not submitted, yet with a score of 0: no earned grade",
        "leave the score empty",
        "lower(trim({status})) = 'not submitted' and {value} = 0",
        severity="warn",
    ),
    "section_without_teacher": Rule(
        "no teacher is enrolled in the class", "enroll its teacher", severity="warn"
    ),
}


def condition(rule: str, **columns: str) -> str:
    """Return the SQL that holds for a row that breaks the rule; columns: name in braces to SQL."""
    return RULES[rule].condition.format(**columns)


def listed(words: Iterable[str]) -> str:
    """Return the words of a condition as SQL."""
    return ", ".join(f"'{word}'" for word in words)


def rule_of(fault: str) -> tuple[str, str | None]:
    """Split a fault as landing writes it, 'rule' or 'rule:column'."""
    rule, _, column = fault.partition(":")
    return rule, column or None


def severity_of(fault: str) -> Severity:
    return RULES[rule_of(fault)[0]].severity


def explain(fault: str) -> tuple[str, str]:
    """Return what is wrong, and how to mend it."""
    name, column = rule_of(fault)
    rule = RULES[name]
    return rule.problem.format(column=column), rule.mend.format(column=column)
