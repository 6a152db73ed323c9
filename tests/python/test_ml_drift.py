"""Drift: a school year of made-up days, looked at in every week; no Spark."""

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from python_jobs.early_warning import drift
from python_jobs.early_warning.data import FEATURES
from python_jobs.ml import PSI_LIMIT

DAYS, TERM = 180, 90
CUTS = (45, 90, 135, 180)
WEEKS = range(5, DAYS + 1, 5)
STUDENTS = 400
Year = dict[str, Any]


@cache
def school_year(seed: int, students: int = STUDENTS) -> Year:
    """Draw what happens to each student on each school day: arrays (students, days)."""
    generator = np.random.default_rng(seed)
    skill = generator.normal(size=(students, 1))
    shape = (students, DAYS)

    def events(mean: float, spread: float) -> Any:
        return generator.poisson(
            generator.gamma(spread, mean / spread / DAYS, (students, 1)), shape
        )

    due = generator.random(shape) < 0.35
    work = generator.random((students, 6, DAYS)) < 0.25
    return {
        "num_views": events(150, 2),
        "num_contacts": events(5, 1.5),
        "num_incidents": events(0.4, 0.5),
        "absent": generator.random(shape) < generator.beta(1, 18, (students, 1)),
        "due": due,
        "handed_in": due & (generator.random(shape) < 1 / (1 + np.exp(-2.4 - 0.85 * skill))),
        "work": work,
        "points": work
        * np.clip(80 + 8 * skill[:, :, None] + 9 * generator.normal(size=work.shape), 0, 100),
        "failures": generator.poisson(0.3, students),
        "grade": generator.integers(9, 13, students),
    }


def as_of(year: Year, day: int) -> pd.DataFrame:
    """Return the features of a school day; those that are not made up here are not known."""
    first = 0 if day <= TERM else TERM
    so_far, recent, term = slice(0, day), slice(max(day - 20, 0), day), slice(first, day)
    frame = pd.DataFrame(np.nan, range(len(year["grade"])), FEATURES)
    for name in drift.EVENTS:
        frame[name] = year[name][:, so_far].sum(1) if name in year else 0
    frame["num_recent_views"] = year["num_views"][:, recent].sum(1)
    frame["num_homeworks"] = year["due"][:, so_far].sum(1)
    frame["num_failures"], frame["grade_number"] = year["failures"], year["grade"]
    frame["attendance_rate"] = 1 - year["absent"][:, so_far].mean(1)
    frame["recent_attendance_rate"] = 1 - year["absent"][:, recent].mean(1)
    frame["attendance_trend"] = frame["recent_attendance_rate"] - frame["attendance_rate"]
    with np.errstate(invalid="ignore"):
        rates = [
            year["handed_in"][:, d].sum(1) / year["due"][:, d].sum(1) for d in (so_far, recent)
        ]
        percent = year["points"][:, :, term].sum(2) / year["work"][:, :, term].sum(2)
        points = year["points"][:, :, so_far].sum((1, 2))
        frame["mean_percent"] = points / year["work"][:, :, so_far].sum((1, 2))
    frame["submission_rate"], frame["submission_trend"] = rates[0], rates[1] - rates[0]
    courses = pd.DataFrame(percent)
    frame["math_percent"], frame["lowest_course_percent"] = courses[0], courses.min(axis=1)
    frame["num_failing_now"] = (courses < 60).sum(axis=1)
    frame["avg_gpa"] = ((courses - 50) // 10).clip(0, 4).mean(axis=1)
    return frame.astype(np.float32).assign(school_days=day, term_school_days=day - first)


@pytest.fixture(scope="module")
def reference() -> drift.Reference:
    cuts = [as_of(school_year(seed), day) for seed in (1, 2) for day in CUTS]
    return drift.learn_reference(pd.concat(cuts, ignore_index=True), FEATURES)


def refused(reference: drift.Reference, today: pd.DataFrame) -> set[str]:
    table = drift.stability(reference, today)
    return set(table.loc[table["psi"] > PSI_LIMIT + table["by_chance"], "feature"])


@pytest.mark.parametrize("students", [STUDENTS, 60])
def test_no_week_of_an_ordinary_year_is_refused(reference: drift.Reference, students: int) -> None:
    year = school_year(3, students)
    assert {day: refused(reference, as_of(year, day)) for day in WEEKS} == dict.fromkeys(
        WEEKS, set()
    )


def test_half_a_feed_is_refused_in_every_week(reference: drift.Reference) -> None:
    year = school_year(3)
    half = np.random.default_rng(0).binomial(year["num_views"], 0.5)
    for day in WEEKS:
        assert "num_views" in refused(reference, as_of(year | {"num_views": half}, day)), day


def test_what_has_not_settled_is_not_compared(reference: drift.Reference) -> None:
    def compared(day: int) -> set[str]:
        return set(drift.stability(reference, as_of(school_year(3), day))["feature"])

    assert compared(10) == {*drift.EVENTS, *drift.STANDING}
    assert compared(TERM + 10) == set(FEATURES) - set(drift.OF_TERM)
    assert compared(60) == set(FEATURES)


def test_fall_from_the_value_that_most_have_is_seen(reference: drift.Reference) -> None:
    """Nobody fails a course; then everybody has failed a little, which is no value at all."""
    today = as_of(school_year(3), TERM)
    assert today["num_failing_now"].median() == 0
    moved = today.assign(num_failures=today["num_failures"].clip(lower=0.1))
    assert refused(reference, moved) == {"num_failures"}


def test_bins_keep_apart_what_lies_below_at_and_above_a_common_value() -> None:
    bins = drift.Bins.of(np.r_[np.full(60, 1.0), np.linspace(0.5, 0.9, 40)])
    assert bins.atoms.tolist() == [1.0]
    for below in (0.99, 0.1):
        assert bins.shares(np.array([1.0])) @ bins.shares(np.array([below])) == 0
    full, almost = np.ones(100), np.full(100, 0.99)
    assert drift.stability_of(np.r_[full, 0.5, 0.6], almost) > 1


def test_psi_by_chance_covers_small_districts() -> None:
    """Of 200 nights of 30 students drawn from those learned from, none is refused."""
    generator = np.random.default_rng(5)
    known = pd.DataFrame(generator.normal(size=(5_000, 2)), columns=["tardy_rate", "on_time_rate"])
    known = known.assign(school_days=90, term_school_days=90)
    reference = drift.learn_reference(known, ["tardy_rate", "on_time_rate"])
    nights = [known.sample(30, random_state=one) for one in range(200)]
    assert not any(refused(reference, night) for night in nights)
    assert refused(reference, nights[0].assign(tardy_rate=nights[0]["tardy_rate"] + 2))
