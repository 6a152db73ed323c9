"""Whether students of today still look like those that the model learned from.

Features change in the course of a year though nothing is amiss: counts grow, rates settle. A night
is compared with what the learned cuts before and after it let expect on its school day.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import chi2

from python_jobs.early_warning.data import matrix

Array = npt.NDArray[Any]
BINS = 10
STAGE_DAYS = 15  # school days; cuts closer than this, in any year, are of one stage
LEAST_SHARE = 1e-3  # of an empty bin
LEAST_ATOM = 0.01  # share of the students, at each stage, of a value that has its own bin
FALSE_ALARMS = 1e-3  # chance of a refusal by luck alone, per night
# Counts since the school year began: events come one by one, homework is set for whole classes.
EVENTS = (
    "num_changes", "num_drops", "num_school_moves", "num_incidents", "num_severe_incidents",
    "num_contacts", "num_views",
)  # fmt: skip
SCHEDULED = ("num_homeworks",)
STANDING = ("grade_number", "num_courses", "prior_gpa", "num_failures")  # the same all year
OF_TERM = (
    "avg_gpa", "lowest_course_percent", "num_failing_now", "math_percent", "english_percent",
    "science_percent", "social_science_percent",
)  # fmt: skip
SETTLED = 0.9  # of the days of the first learned cut, from which all but events is compared
QUANTILES = np.linspace(0, 1, 201)
COPIES = 50  # of each quantile, in which chance has its say
SEED = 13


@dataclass(frozen=True)
class Bins:
    """Bins between edges, the outer ones open; atoms, which many students share, have their own."""

    edges: Array
    atoms: Array

    @classmethod
    def of(cls, values: Array) -> "Bins":
        """Take deciles as edges; a value that several deciles share is an atom."""
        known = values[~np.isnan(values)]
        if not len(known):
            return cls(np.array([]), np.array([]))
        deciles = np.quantile(known, np.linspace(0, 1, BINS + 1))
        atoms, counts = np.unique(deciles, return_counts=True)
        return cls(np.unique(deciles[1:-1]), atoms[counts > 1])

    def shares(self, values: Array) -> Array:
        """Return the share of each bin, of each atom, and last of what is not known."""
        place = np.searchsorted(self.edges, values, "left")
        first = len(self.edges) + 1
        for number, atom in enumerate(self.atoms):
            place[values == atom] = first + number
        place[np.isnan(values)] = first + len(self.atoms)
        counts = np.bincount(place, minlength=first + len(self.atoms) + 1)
        shares: Array = counts / max(len(values), 1)
        return shares


@dataclass(frozen=True)
class Stage:
    """Students learned from at one stage of the school year, over all years."""

    school_days: int
    term_school_days: int
    row_count: int
    shares: list[Array]  # of each feature, in its bins
    counts: dict[str, Array]  # quantiles of what grows


@dataclass(frozen=True)
class Reference:
    """The stages of a school year, in their order, and the bins of each feature."""

    features: list[str]
    bins: list[Bins]
    stages: list[Stage]

    def around(self, day: int) -> tuple[Stage, Stage, float]:
        """Return the stages before and after a school day, and how far it lies between them.

        Before the first stage is the first day of school, on which every count is 0.
        """
        first = self.stages[0]
        start = Stage(
            0, 0, first.row_count, first.shares, {one: 0 * x for one, x in first.counts.items()}
        )
        before = [one for one in (start, *self.stages) if one.school_days <= day][-1]
        after = next((one for one in self.stages if one.school_days > day), before)
        days = after.school_days - before.school_days
        return before, after, (day - before.school_days) / days if days else 0.0


def learn_reference(known: pd.DataFrame, features: list[str]) -> Reference:
    """Take the bins from all rows, and the shares from the cuts of one stage over all years."""
    x = matrix(known, features)
    stages = _stages(known["school_days"])
    bins, shares = [], []
    for values in x.T:
        # A rate as one day of 45 is common because of the day of the cut, not of the students.
        atoms = np.array(
            [
                atom
                for atom in Bins.of(values).atoms
                if atom == np.round(atom)
                and all(np.mean(values[rows] == atom) >= LEAST_ATOM for rows in stages)
            ]
        )
        spread = [_spread(values[rows], atoms) for rows in stages]
        one = Bins(Bins.of(np.concatenate(spread)).edges, atoms)
        bins.append(one)
        shares.append([one.shares(part) for part in spread])
    return Reference(
        features,
        bins,
        [
            Stage(
                int(known["school_days"].iloc[rows].median()),
                int(known["term_school_days"].iloc[rows].median()),
                len(rows),
                [of_stages[number] for of_stages in shares],
                {
                    name: np.quantile(
                        x[rows, features.index(name)], QUANTILES, method="inverted_cdf"
                    )
                    for name in (*EVENTS, *SCHEDULED)
                    if name in features
                },
            )
            for number, rows in enumerate(stages)
        ],
    )


def _spread(values: Array, atoms: Array) -> Array:
    """Move each value, save atoms, by chance at most half of the way to the next ones.

    Rates of 45 and of 50 days have no value in common, and lie alike all the same.
    """
    loose = ~np.isnan(values) & ~np.isin(values, atoms)
    steps, place = np.unique(values[loose], return_inverse=True)
    if len(steps) < 2:
        return values
    middles = (steps[1:] + steps[:-1]) / 2
    low, high = np.r_[steps[0], middles][place], np.r_[middles, steps[-1]][place]
    moved = values.copy()
    moved[loose] = np.random.default_rng(SEED).uniform(low, high)
    return moved


def _stages(days: pd.Series) -> list[Array]:
    """Return the rows of each stage of a school year; years differ by some days."""
    ordered = np.sort(days.unique())
    stage = np.cumsum(np.r_[0, np.diff(ordered) > STAGE_DAYS])
    of_rows = days.map(dict(zip(ordered, stage, strict=True))).to_numpy()
    return [np.flatnonzero(of_rows == one) for one in range(int(stage[-1]) + 1)]


def stability(reference: Reference, today: pd.DataFrame) -> pd.DataFrame:
    """Return feature, psi and by_chance, the greatest first; without those that are not settled.

    by_chance: the PSI that luck alone exceeds on one night in 1 / FALSE_ALARMS, over all features.
    Source: Yurdakul and Naranjo (2020), J. Risk Model Validation 14(4): without a change, PSI is
    distributed as chi-square of (bins - 1) times (1 / students today + 1 / students learned from).
    """
    day, term_day = (int(today[name].median()) for name in ("school_days", "term_school_days"))
    before, after, share = reference.around(day)
    is_settled = day >= SETTLED * reference.stages[0].school_days
    term_is_settled = term_day >= SETTLED * min(one.term_school_days for one in reference.stages)
    spread = 1 / max(len(today), 1) + 1 / min(before.row_count, after.row_count)
    x = matrix(today, reference.features)
    rows = []
    for place, feature in enumerate(reference.features):
        values, bins = x[:, place], reference.bins[place]
        if not (
            feature in (*EVENTS, *STANDING)
            or (term_is_settled if feature in OF_TERM else is_settled)
        ):
            continue
        if feature in before.counts:
            then = _grown(feature, before.counts[feature], after.counts[feature], share)
            bins = Bins.of(then)
            expected = bins.shares(then)
        else:
            values = _spread(values, bins.atoms)
            expected = (1 - share) * before.shares[place] + share * after.shares[place]
        freedom = max(int((expected > 0).sum()) - 1, 1)
        by_chance = spread * chi2.ppf(1 - FALSE_ALARMS / len(reference.features), freedom)
        rows.append((feature, _psi(expected, bins.shares(values)), float(by_chance)))
    table = pd.DataFrame(rows, columns=["feature", "psi", "by_chance"])
    return table.sort_values(["psi", "feature"], ascending=[False, True], ignore_index=True)


def _grown(feature: str, before: Array, after: Array, share: float) -> Array:
    """Return the counts that students would have part of the way between two stages."""
    generator = np.random.default_rng(SEED)
    first = np.repeat(before, COPIES)
    more = np.repeat(np.maximum(after - before, 0), COPIES)
    if feature in EVENTS:
        grown: Array = first + generator.binomial(more.astype(int), share)
    else:
        grown = first + np.floor(share * more + generator.random(len(more)))
    return grown


def _psi(then: Array, now: Array) -> float:
    """Return the sum over bins of (share now - share then) x log(share now / share then).

    Source: Siddiqi (2006), Credit Risk Scorecards, chapter 9.
    """
    then, now = np.maximum(then, LEAST_SHARE), np.maximum(now, LEAST_SHARE)
    return float(((now - then) * np.log(now / then)).sum())


def stability_of(then: Array, now: Array) -> float:
    """Return the PSI of one feature between two groups, in the bins of the first."""
    bins = Bins.of(then)
    return _psi(bins.shares(then), bins.shares(now))
