"""How well a ranking finds the students: measures, and intervals that count students, not rows.

A student has several rows (cuts); the bootstrap draws students. Source: Field and Welsh (2007),
Bootstrapping clustered data, J. R. Stat. Soc. B 69(3), 369-390.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Array = npt.NDArray[Any]
SEED = 11
DRAWS = 500
MOST_DRAWN_ROWS = 100_000_000  # rows x draws; larger frames get fewer draws
FEWEST_DRAWS = 50
INTERVAL = (2.5, 97.5)


class Ranking:
    """Labels in the order of a score, the highest first; ties share a place."""

    def __init__(self, label: Array, score: Array) -> None:
        """Sort once; the measures are then asked for many weights."""
        self.order = np.argsort(-score, kind="stable")
        self.label = label[self.order].astype(float)
        sorted_score = score[self.order]
        self.starts = np.flatnonzero(np.r_[True, sorted_score[1:] != sorted_score[:-1]])

    def _steps(self, weight: Array | None) -> tuple[Array, Array]:
        """Return the weight of positives and of negatives at each place."""
        w = np.ones(len(self.label)) if weight is None else weight[self.order].astype(float)
        return (
            np.add.reduceat(w * self.label, self.starts),
            np.add.reduceat(w * (1 - self.label), self.starts),
        )

    def auc(self, weight: Array | None = None) -> float:
        """Return the chance that a positive stands above a negative; ties count half."""
        positive, negative = self._steps(weight)
        below = negative.sum() - np.cumsum(negative)
        total = positive.sum() * negative.sum()
        if total == 0:
            return float("nan")
        return float((positive * (below + negative / 2)).sum() / total)

    def average_precision(self, weight: Array | None = None) -> float:
        """Return the mean precision over the positives, at the place of each."""
        positive, negative = self._steps(weight)
        if positive.sum() == 0:
            return float("nan")
        found = np.cumsum(positive)
        precision = found / np.maximum(found + np.cumsum(negative), 1e-12)
        return float((precision * positive).sum() / positive.sum())

    def roc(self) -> pd.DataFrame:
        """Return the ROC curve: false_positive_rate and recall at each place."""
        positive, negative = (np.r_[0, np.cumsum(one)] for one in self._steps(None))
        return pd.DataFrame(
            {
                "false_positive_rate": negative / max(negative[-1], 1),
                "recall": positive / max(positive[-1], 1),
            }
        )

    def precision_recall(self) -> pd.DataFrame:
        """Return the precision-recall curve: recall and precision at each place."""
        positive, negative = (np.cumsum(one) for one in self._steps(None))
        return pd.DataFrame(
            {
                "recall": positive / max(positive[-1], 1),
                "precision": positive / (positive + negative),
            }
        )


class Bootstrap:
    """Weights of rows in draws of students with replacement; the same seed, the same draws."""

    def __init__(self, students: pd.Series) -> None:
        """Number the students; draw nothing yet."""
        self.codes, uniques = pd.factorize(students)
        self.count = len(uniques)
        rows = max(len(self.codes), 1)
        self.draws = int(np.clip(MOST_DRAWN_ROWS // rows, FEWEST_DRAWS, DRAWS))

    def weights(self) -> Iterator[Array]:
        generator = np.random.default_rng(SEED)
        for _ in range(self.draws):
            drawn = np.bincount(generator.integers(self.count, size=self.count), None, self.count)
            yield drawn[self.codes]

    def intervals(
        self, measure: Callable[[Array], Mapping[str, float]]
    ) -> dict[str, tuple[float, float]]:
        """Return low and high (95 %) of each measure; NaN where no draw has a value."""
        found = pd.DataFrame([measure(weight) for weight in self.weights()])
        limits = {}
        for name in found:
            values = found[name].dropna()
            low, high = np.percentile(values, INTERVAL) if len(values) else (np.nan, np.nan)
            limits[str(name)] = (float(low), float(high))
        return limits


@dataclass(frozen=True)
class Flagged:
    """Weighted counts of a flag against the outcome."""

    true_positive: float
    false_positive: float
    false_negative: float
    true_negative: float

    @classmethod
    def count(cls, label: Array, flag: Array, weight: Array | None = None) -> "Flagged":
        w = np.ones(len(label)) if weight is None else weight.astype(float)
        return cls(
            float(w[label & flag].sum()),
            float(w[~label & flag].sum()),
            float(w[label & ~flag].sum()),
            float(w[~label & ~flag].sum()),
        )

    @property
    def precision(self) -> float:
        return ratio(self.true_positive, self.true_positive + self.false_positive)

    @property
    def recall(self) -> float:
        return ratio(self.true_positive, self.true_positive + self.false_negative)

    @property
    def false_positive_rate(self) -> float:
        return ratio(self.false_positive, self.false_positive + self.true_negative)

    @property
    def selection_rate(self) -> float:
        flagged = self.true_positive + self.false_positive
        return ratio(flagged, flagged + self.false_negative + self.true_negative)


def ratio(numerator: float, denominator: float) -> float:
    """Return the quotient, NaN when there is nothing to count."""
    return numerator / denominator if denominator else float("nan")


def flag_share(score: Array, cuts: pd.Series, share: float) -> Array:
    """Flag the students with the highest scores, the given share of each cut, rounded down.

    The order of the rows decides between equal scores, so the same rows give the same flags.
    """
    counts = cuts.groupby(cuts).size() * share + 1e-9
    return flag_counts(score, cuts, counts.astype(int).to_dict())


def flag_counts(score: Array, cuts: pd.Series, counts: Mapping[Any, int]) -> Array:
    """Flag so many rows of each cut, the highest scores first."""
    ranks = pd.Series(-score).groupby(cuts.to_numpy()).rank(method="first").to_numpy()
    flag: Array = ranks <= cuts.map(counts).fillna(0).to_numpy(int)
    return flag


def reliability(risk: Array, label: Array, bins: int = 10) -> pd.DataFrame:
    """Compare predicted risk with the observed rate, in bins of equally many rows.

    Returns one row per bin: bin, row_count, mean_risk, observed_rate, low, high (Wilson, 95 %).
    Source: reliability diagram, Murphy and Winkler (1977), Applied Statistics 26(1), 41-47.
    """
    order = np.argsort(risk, kind="stable")
    rows = []
    for number, part in enumerate(np.array_split(order, bins), 1):
        if len(part):
            rate = float(label[part].mean())
            low, high = wilson(rate, len(part))
            rows.append((number, len(part), float(risk[part].mean()), rate, low, high))
    names = ["bin", "row_count", "mean_risk", "observed_rate", "low", "high"]
    return pd.DataFrame(rows, columns=names)


def wilson(rate: float, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share. Source: Wilson (1927), JASA 22, 209-212."""
    middle = (rate + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(rate * (1 - rate) / count + z * z / (4 * count**2))
    return float(max(0.0, middle - half)), float(min(1.0, middle + half))


def brier(risk: Array, label: Array, weight: Array | None = None) -> float:
    """Return the mean squared difference of risk and outcome; lower is better."""
    return float(np.average((risk - label) ** 2, weights=weight))


def measures(
    label: Array, students: pd.Series, cuts: pd.Series, score: Array, risk: Array | None,
    rule: pd.DataFrame, capacity: float,
) -> pd.DataFrame:  # fmt: skip
    """Return metric, value, low, high of one score beside the rule.

    label: outcome, 0 or 1; score: what ranks the rows; risk: calibrated probability, None for a
    rule that has none. rule: columns rule_level and rule_points of the same rows. The rule flags
    from level 1; at_rule flags as many rows of each cut by the score, so both cost the same.
    """
    y = label.astype(bool)
    rule_flag = rule["rule_level"].to_numpy() >= 1
    rule_counts = pd.Series(rule_flag).groupby(cuts.to_numpy()).sum().to_dict()
    at_capacity = flag_share(score, cuts, capacity)
    at_rule = flag_counts(score, cuts, rule_counts)
    ranking = Ranking(label, score)
    rule_ranking = Ranking(label, rule["rule_points"].to_numpy(float))

    def measure(weight: Array | None = None) -> dict[str, float]:
        own, theirs = Flagged.count(y, at_rule, weight), Flagged.count(y, rule_flag, weight)
        first = Flagged.count(y, at_capacity, weight)
        auc, rule_auc = ranking.auc(weight), rule_ranking.auc(weight)
        found = {
            "roc_auc": auc,
            "average_precision": ranking.average_precision(weight),
            "roc_auc_over_rule": auc - rule_auc,
            "precision_at_capacity": first.precision,
            "recall_at_capacity": first.recall,
            "false_positive_rate_at_capacity": first.false_positive_rate,
            "precision_at_rule": own.precision,
            "recall_at_rule": own.recall,
            "lift_over_rule": ratio(own.precision, theirs.precision),
        }
        if risk is not None:
            found["brier"] = brier(risk, label, weight)
            found["mean_risk_less_rate"] = float(np.average(risk - label, weights=weight))
        return found

    limits = Bootstrap(students).intervals(measure)
    rows = [(name, value, *limits[name]) for name, value in measure().items()]
    counts = {
        "row_count": len(label),
        "student_count": students.nunique(),
        "at_risk_rate": float(label.mean()),
        "flagged_by_rule_rate": float(rule_flag.mean()),
        "capacity": capacity,
    }
    rows += [(name, float(value), np.nan, np.nan) for name, value in counts.items()]
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high"])
