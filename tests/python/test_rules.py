"""Bad thresholds, scales and variables are found before a build, each with its place and remedy."""

import sqlite3

import pytest

from python_jobs import rules
from python_jobs.errors import DistrictError
from python_jobs.seeds import variables

WHOLE = "kpi_thresholds"
BANDS = "letter_grade_bands"
POINTS = "letter_grade_points"
SPLIT = """
    update kpi_thresholds set effective_to = '2020-07-01' where threshold = 'switch_days';
    insert into kpi_thresholds
    select kpi, threshold, 10, jurisdiction, '{}', '9999-12-31', source
    from kpi_thresholds where threshold = 'switch_days'
"""
SWITCH = "course_load_changes, switch_days, default, from "
# Statement on the seeds that makes the mistake -> the seed, place and problem that are told.
CASES = {
    SPLIT.format("2020-06-30"): (WHOLE, SWITCH + "2020-06-30", "overlaps the row before it"),
    SPLIT.format("2020-07-02"): (WHOLE, SWITCH + "2020-07-02", "leaves a gap before it"),
    "update kpi_thresholds set effective_to = '2020-07-01' where threshold = 'switch_days'": (
        WHOLE, SWITCH + "1900-01-01", "ends, and no row follows",
    ),
    "update kpi_thresholds set effective_from = '9999-12-31' where threshold = 'switch_days'": (
        WHOLE, SWITCH + "9999-12-31", "ends before it begins",
    ),
    "update kpi_thresholds set value = 0 where threshold = 'min_n'": (
        WHOLE, "publication, min_n, default, from 1900-01-01", "is below 1",
    ),
    "update kpi_thresholds set value = 95 where threshold = 'top_coded_rate'": (
        WHOLE, "publication, top_coded_rate, default, from 1900-01-01", "is a rate above 1",
    ),
    "update kpi_thresholds set value = -0.1 where threshold = 'absent_share'": (
        WHOLE, "chronic_absence, absent_share, default, from 1900-01-01", "is below 0",
    ),
    "update kpi_thresholds set value = 80 where threshold = 'attendance_at_risk_below'": (
        WHOLE, "student_early_warning, attendance_at_risk_below, default, from 1900-01-01",
        "is a rate above 1",
    ),
    "delete from kpi_thresholds where threshold = 'switch_days'": (
        WHOLE, "course_load_changes, switch_days", "is missing",
    ),
    **{
        f"delete from kpi_thresholds where threshold = '{threshold}'": (
            WHOLE, f"{kpi}, {threshold}", "is missing",
        )
        for kpi, threshold in [
            ("chronic_absence", "minimum_days"),
            ("student_early_warning", "incidents_early_warning_above"),
            ("grade9_on_track", "maximum_core_failures"),
            ("student_gpa", "ap_weight"),
        ]
    },
    "delete from gpa_rules where rule = 'credits_when_unknown'": (
        "gpa_rules", "credits_when_unknown", "is missing",
    ),
    "update gpa_rules set value = 'lattest' where rule = 'retake_policy'": (
        "gpa_rules", "retake_policy, default, from 1900-01-01", "is no policy",
    ),
    "update gpa_rules set value = 'arts gym' where rule = 'repeatable_subjects'": (
        "gpa_rules", "repeatable_subjects, default, from 1900-01-01",
        "names what is no subject area",
    ),
    "update gpa_rules set value = 'one' where rule = 'credits_when_unknown'": (
        "gpa_rules", "credits_when_unknown, default, from 1900-01-01", "is no number of 0 or more",
    ),
    "update gpa_rules set rule = 'retake_polcy' where rule = 'retake_policy'": (
        "gpa_rules", "retake_polcy, default, from 1900-01-01", "is no rule",
    ),
    "update gpa_rules set effective_to = '2020-07-01' where rule = 'retake_policy'": (
        "gpa_rules", "retake_policy, default, from 1900-01-01", "ends, and no row follows",
    ),
    "insert into gpa_rules select * from gpa_rules where rule = 'retake_policy'": (
        "gpa_rules", "retake_policy, default, from 1900-01-01", "overlaps the row before it",
    ),
    "delete from letter_grade_points where letter = 'B'": (
        POINTS, "plus_minus, B, default, on 1900-01-01", "has a band and no points",
    ),
    "update letter_grade_points set effective_to = '2020-07-01' where letter = 'B'": (
        POINTS, "plus_minus, B, default, on 2020-07-01", "has a band and no points",
    ),
    """
    update letter_grade_points set effective_to = '2020-07-01' where letter = 'W';
    insert into letter_grade_points
    select scale_id, letter, 0, false, false, jurisdiction, '2021-07-01', '9999-12-31'
    from letter_grade_points where letter = 'W'
    """: (POINTS, "plus_minus, W, default, from 2021-07-01", "leaves a gap before it"),
    "update letter_grade_bands set minimum_percent = 91 where letter = 'A-'": (
        BANDS, "plus_minus, A-, default, on 1900-01-01", "leaves a gap below it",
    ),
    "update letter_grade_bands set minimum_percent = 89 where letter = 'A-'": (
        BANDS, "plus_minus, A-, default, on 1900-01-01", "overlaps the band below it",
    ),
    "delete from letter_grade_bands where letter = 'F'": (
        BANDS, "plus_minus, D-, default, on 1900-01-01", "leaves a gap below it",
    ),
    "update letter_grade_bands set below_percent = 100 where letter = 'A'": (
        BANDS, "plus_minus, A, default, on 1900-01-01", "leaves a gap above it",
    ),
    "update letter_grade_bands set below_percent = 60 where letter = 'D-'": (
        BANDS, "plus_minus, D-, default, on 1900-01-01", "holds no percent",
    ),
    "update letter_grade_bands set effective_to = '2020-07-01' where letter = 'B'": (
        BANDS, "plus_minus, B+, default, on 2020-07-01", "leaves a gap below it",
    ),
    "update letter_grade_bands set effective_to = '2020-07-01'": (
        BANDS, "plus_minus, all letters, default, on 2020-07-01", "ends, and no row follows",
    ),
    "insert into letter_grade_points select * from letter_grade_points where letter = 'A+'": (
        "letter_grade_points", "plus_minus, A+, default, from 1900-01-01",
        "overlaps the row before it",
    ),
    "delete from letter_grade_points where scale_id = 'plus_minus'": (
        "letter_grade_points", "grading_scale plus_minus", "has no points",
    ),
}  # fmt: skip


@pytest.fixture
def seeds() -> sqlite3.Connection:
    return rules.open_seeds()


def test_seeds_and_variables_of_the_project_hold(seeds: sqlite3.Connection) -> None:
    assert rules.mistakes(seeds, variables()) == []
    rules.check_rules()


@pytest.mark.parametrize("change", CASES)
def test_each_mistake_is_told_with_its_place(seeds: sqlite3.Connection, change: str) -> None:
    seeds.executescript(change)
    found = rules.mistakes(seeds, variables())
    assert CASES[change] in {mistake[:3] for mistake in found}
    assert all(all(mistake) for mistake in found), "a place, a problem and a remedy"


def test_a_rule_that_follows_another_is_no_mistake(seeds: sqlite3.Connection) -> None:
    seeds.executescript(SPLIT.format("2020-07-01"))
    assert rules.mistakes(seeds, variables()) == []


@pytest.mark.parametrize("name", ["jurisdiction", "grading_scale"])
def test_misspelt_variable_is_told(seeds: sqlite3.Connection, name: str) -> None:
    found = rules.mistakes(seeds, {**variables(), name: "new_jersy"})
    assert ("dbt_project.yml", f"{name} new_jersy") in {mistake[:2] for mistake in found}
    assert rules.mistakes(seeds, {**variables(), "jurisdiction": "new_jersey"}) == []


def test_a_mistake_is_one_line_with_a_hint(
    seeds: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds.execute("update kpi_thresholds set value = 0 where threshold = 'min_n'")
    monkeypatch.setattr(rules, "open_seeds", lambda: seeds)
    with pytest.raises(DistrictError) as raised:
        rules.check_rules()
    assert raised.value.message == (
        "seeds/kpi_thresholds.csv: publication, min_n, default, from 1900-01-01: is below 1; "
        "nothing was built"
    )
    assert raised.value.hint == "write the least number of students that may be shown"
