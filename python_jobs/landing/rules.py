"""The rules that every row must keep to land: one definition for landing, quarantine and gate.

A rule that rejects keeps the row out of raw and in quality.quarantine; one that warns lets it land
and counts it. `{column}` in the texts is the column that the rule speaks of.
"""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["reject", "warn"]


@dataclass(frozen=True)
class Rule:
    """What can be wrong with a row.

    waits: the row may become right without being sent again, once another row has landed.
    """

    problem: str
    mend: str
    severity: Severity = "reject"
    waits: bool = False


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
    "missing_id": Rule("the row has no sourcedId", "give it one that stays the same every night"),
    "duplicate_id": Rule(
        "other rows of the file have this id and other values", "give each row an id of its own"
    ),
    "duplicate_row": Rule(
        "the same row stands in the file before", "leave it out; the first one is read"
    ),
    "missing_value": Rule("{column} is empty", "fill {column} in"),
    "invalid_value": Rule("{column} is none of the words that OneRoster allows", "use one of them"),
    "invalid_date": Rule("{column} is no date", "write dates as YYYY-MM-DD"),
    "invalid_timestamp": Rule("{column} is no date or time", "write it as YYYY-MM-DDThh:mm:ssZ"),
    "invalid_number": Rule(
        "{column} is no number below 1,000,000", "write numbers with digits and a decimal point"
    ),
    "invalid_share": Rule(
        "{column} is no number from 0 to 1", "write the share of the day, such as 0.5"
    ),
    "invalid_days": Rule(
        "{column} is no number of days below 1,000", "write numbers with digits and a decimal point"
    ),
    "invalid_count": Rule("{column} is no whole number", "write a whole number, such as 3"),
    "invalid_year": Rule("{column} is no school year", "write the year in which it ends, YYYY"),
    "end_before_begin": Rule("{column} lies before the begin", "correct one of the two dates"),
    "out_of_school_dates": Rule(
        "{column} lies more than a year outside all terms", "correct the date, or send the term"
    ),
    "orphan": Rule(
        "{column} names a row that has not landed",
        "send that row; this one then lands by itself",
        waits=True,
    ),
    "role_mismatch": Rule(
        "the user has another role than the row gives",
        "correct the role of the user or of this row",
        waits=True,
    ),
    "unknown_reference": Rule(
        "{column} names a row that has not landed; the row landed all the same",
        "send that row, or leave {column} empty",
        severity="warn",
    ),
    "unknown_word": Rule(
        "{column} is none of the words that OneRoster allows; it counts as empty",
        "use one of them",
        severity="warn",
    ),
    "invalid_boolean": Rule(
        "{column} is neither true nor false; it counts as empty",
        "write true or false",
        severity="warn",
    ),
    "score_above_maximum": Rule(
        "the score is above the maximum of its line item", "check it; it counts", severity="warn"
    ),
    "not_submitted_with_zero": Rule(
        "not submitted, yet with a score of 0: no earned grade",
        "leave the score empty",
        severity="warn",
    ),
    "section_without_teacher": Rule(
        "no teacher is enrolled in the class", "enroll its teacher", severity="warn"
    ),
}


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
