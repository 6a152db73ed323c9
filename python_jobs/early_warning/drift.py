"""Whether students of today still look like those that the model learned from."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from python_jobs.early_warning.data import matrix

Array = npt.NDArray[Any]
BINS = 10
STAGE_DAYS = 21  # cuts closer than this, in any year, are of one stage
LEAST_SHARE = 1e-3  # of an empty bin


@dataclass(frozen=True)
class Reference:
    """Shares of the students learned from in the bins of each feature, by day of the school year.

    Features grow in the course of a year; today is compared with the nearest day learned from.
    """

    features: list[str]
    edges: list[Array]
    shares: dict[int, list[Array]] = field(default_factory=dict)

    def nearest(self, day: int) -> int:
        return min(self.shares, key=lambda one: (abs(one - day), one))


def day_of_year(frame: pd.DataFrame) -> pd.Series:
    """Return how many days after 1 August before the school year's end the cut lies."""
    cuts = pd.to_datetime(frame["cut_date"])
    starts = pd.to_datetime((frame["school_year"] - 1).astype(str) + "-08-01")
    return (cuts - starts).dt.days


def learn_reference(known: pd.DataFrame, features: list[str]) -> Reference:
    """Take the bins from all rows, by deciles, and the shares from the cuts of one stage of
    the school year, over all years."""
    x = matrix(known, features)
    edges = [_edges(x[:, place]) for place in range(len(features))]
    days = day_of_year(known)
    shares = {
        int(days.iloc[rows].median()): [
            _shares(x[rows, place], edges[place]) for place in range(len(features))
        ]
        for rows in _stages(days)
    }
    return Reference(features, edges, shares)


def _stages(days: pd.Series) -> list[Array]:
    """Return the rows of each stage of a school year; years differ by some days."""
    ordered = np.sort(days.unique())
    stage = np.cumsum(np.r_[0, np.diff(ordered) > STAGE_DAYS])
    of_rows = days.map(dict(zip(ordered, stage, strict=True))).to_numpy()
    return [np.flatnonzero(of_rows == one) for one in range(int(stage[-1]) + 1)]


def _edges(values: Array) -> Array:
    known = values[~np.isnan(values)]
    if not len(known):
        return np.array([])
    inner: Array = np.unique(np.quantile(known, np.linspace(0, 1, BINS + 1)[1:-1]))
    return inner


def _shares(values: Array, edges: Array) -> Array:
    """Return the share of each bin; the last one is of what is not known."""
    place = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, "left"))
    counts = np.bincount(place, minlength=len(edges) + 2)
    shares: Array = np.maximum(counts / max(len(values), 1), LEAST_SHARE)
    return shares


def stability(reference: Reference, today: pd.DataFrame) -> pd.DataFrame:
    """Return feature and psi, the greatest first.

    PSI = sum over bins of (share today - share then) x log(share today / share then). Source:
    Siddiqi (2006), Credit Risk Scorecards, chapter 9.
    """
    then = reference.shares[reference.nearest(int(day_of_year(today).median()))]
    x = matrix(today, reference.features)
    rows = []
    for place, feature in enumerate(reference.features):
        now = _shares(x[:, place], reference.edges[place])
        rows.append((feature, float(((now - then[place]) * np.log(now / then[place])).sum())))
    table = pd.DataFrame(rows, columns=["feature", "psi"])
    return table.sort_values(["psi", "feature"], ascending=[False, True], ignore_index=True)


def stability_of(then: Array, now: Array) -> float:
    """Return the PSI of one feature between two groups, in the deciles of the first."""
    edges = _edges(then)
    first, second = _shares(then, edges), _shares(now, edges)
    return float(((second - first) * np.log(second / first)).sum())
