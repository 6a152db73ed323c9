"""Whether the model serves groups of students alike; small groups are hidden."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from fairlearn.metrics import (
    MetricFrame,
    false_positive_rate,
    selection_rate,
    true_positive_rate,
)
from scipy.sparse import csr_array
from scipy.stats import norm
from sklearn.isotonic import IsotonicRegression

from python_jobs.early_warning.data import FEATURES, GROUPS, LABEL, PROTECTED
from python_jobs.early_warning.drift import stability_of
from python_jobs.early_warning.evaluation import Bootstrap
from python_jobs.early_warning.models import SEED
from python_jobs.suppression import primary, protect

Array = npt.NDArray[Any]
UNKNOWN = "not known"
RATES = ["selection_rate", "recall", "false_positive_rate", "mean_risk", "observed_rate"]
OF_FLAGS = ["selection_rate", "recall", "false_positive_rate"]
MARKS_GAP = "marks_beyond_work"  # in grade points
# Compared with all other students: from which gap on it is notable.
GAPS = {"recall": 0.05, "false_positive_rate": 0.05, "calibration_gap": 0.05, MARKS_GAP: 0.25}
ERROR_RATE = 0.05  # of all comparisons of the audit together (Bonferroni)
MOST_COMPARED = 20_000  # students, with whom those of a school are; deciles of more are no better
DEFECT_PSI = 0.5  # of one school against the others, for a feature that can be read off a file


def group_names(frame: pd.DataFrame, attribute: str) -> pd.Series:
    """Return the group of each row as text; an unknown one is a group."""
    named = (
        frame[attribute].map({True: "yes", False: "no"})
        if _is_flag(frame[attribute])
        else (frame[attribute])
    )
    return named.astype(object).where(named.notna(), UNKNOWN).astype(str)


def _is_flag(values: pd.Series) -> bool:
    return bool(values.notna().any() and values.dropna().isin([True, False]).all())


def audit(test: pd.DataFrame, risk: Array, flag: Array, min_n: int) -> pd.DataFrame:
    """Return one row per attribute, group and metric: value, low, high, gap to all others.

    flag: at the staff's capacity. calibration_gap is mean risk less observed rate;
    marks_beyond_work asks of the outcome itself, the marks: see there. A group is
    hidden (is_suppressed, no values, no counts) when itself, those at risk, or the others of it are
    1 to min_n - 1 students; what is made of flags also when those flagged, those found, or the
    rest of one of these are. Then the next smallest too, so that the others and all students do not
    give it away. is_finding: the gap is notable, and
    beyond chance over all comparisons together.
    """
    marks = marks_beyond_work(test)
    tables = [_audit_of(test, risk, flag, marks, attribute, min_n) for attribute in GROUPS]
    table = pd.concat(tables, ignore_index=True)
    tested = table["gap_z"].notna()
    limit = norm.ppf(1 - ERROR_RATE / 2 / max(tested.sum(), 1))
    table["is_finding"] = (
        tested & (table["gap_z"].abs() > limit) & (table["gap"].abs() >= table["metric"].map(GAPS))
    )
    return table.drop(columns="gap_z")


def marks_beyond_work(test: pd.DataFrame) -> Array:
    """Return by how many grade points each row's marks so far lie above those of equal work.

    prior_gpa, of course marks, less what isotonic regression on avg_gpa, of graded work, expects of
    all students; NaN where one is not known. A model that learns from biased marks calls their
    risk right: only this tells that a group is marked lower than others for the same work.
    """
    work, marks = test["avg_gpa"].to_numpy(float), test["prior_gpa"].to_numpy(float)
    beyond = np.full(len(test), np.nan)
    known = ~np.isnan(work) & ~np.isnan(marks)
    if known.any():
        expected = IsotonicRegression().fit_transform(work[known], marks[known])
        beyond[known] = marks[known] - expected
    return beyond


def _audit_of(
    test: pd.DataFrame, risk: Array, flag: Array, marks: Array, attribute: str, min_n: int
) -> pd.DataFrame:
    groups = group_names(test, attribute)
    codes, names = pd.factorize(groups, sort=True)
    label = test[LABEL].to_numpy(bool)
    counts = _students(test["student_id"], codes, len(names), label, flag, ~np.isnan(marks))
    of_group = ["student_count", "at_risk", "not_at_risk"]
    is_small = hidden_groups(counts[of_group], min_n)
    hides = dict.fromkeys(OF_FLAGS, is_small | hidden_groups(counts.drop(columns="marked"), min_n))
    hides[MARKS_GAP] = is_small | hidden_groups(counts[[*of_group, "marked"]], min_n)

    def measure(weight: Array | None = None) -> dict[str, Array]:
        w = np.ones(len(test)) if weight is None else weight.astype(float)
        return _rates(codes, len(names), w, label, flag, risk, marks)

    values = measure()
    official = MetricFrame(
        metrics={
            "selection_rate": selection_rate,
            "recall": true_positive_rate,
            "false_positive_rate": false_positive_rate,
        },
        y_true=label,
        y_pred=flag,
        sensitive_features=groups,
    ).by_group.loc[list(names)]
    draws: dict[str, list[Array]] = {}
    for weight in Bootstrap(test["student_id"]).weights():
        for name, one in measure(weight).items():
            draws.setdefault(name, []).append(one)
    rows = []
    for place, group in enumerate(names):
        for name in [*RATES, "calibration_gap", MARKS_GAP]:
            value = float(official[name].iloc[place]) if name in official else values[name][place]
            spread = np.array([one[place] for one in draws[name]])
            spread = spread[~np.isnan(spread)]
            low, high = np.percentile(spread, [2.5, 97.5]) if len(spread) else (np.nan, np.nan)
            gap, z = np.nan, np.nan
            if name in GAPS and len(names) > 1:
                gap = values[f"{name}_gap"][place]
                error = np.nanstd([one[place] for one in draws[f"{name}_gap"]])
                z = gap / error if error > 0 else np.nan
            hidden = hides.get(name, is_small)[place]
            shown = [value, low, high, gap, z] if not hidden else [np.nan] * 5
            student_count = counts.iloc[place]["student_count"] if not hidden else np.nan
            rows.append((attribute, group, name, student_count, *shown, bool(hidden)))
    columns = [
        "attribute", "group_name", "metric", "student_count", "value", "low", "high", "gap",
        "gap_z", "is_suppressed",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _students(
    students: pd.Series, codes: Array, group_count: int, label: Array, flag: Array, marked: Array
) -> pd.DataFrame:
    """Return distinct students of each group, at any cut: all, at risk or not, flagged or not, the
    four kinds that recall and false positive rate tell apart, with marks to compare."""
    frame = pd.DataFrame({"student": students.to_numpy(), "group": codes})
    masks = {
        "student_count": np.ones(len(frame), bool),
        "at_risk": label,
        "not_at_risk": ~label,
        "flagged": flag,
        "not_flagged": ~flag,
        "found": label & flag,
        "missed": label & ~flag,
        "seen_in_vain": ~label & flag,
        "left_alone": ~label & ~flag,
        "marked": marked,
    }
    counted = {
        name: frame[mask].groupby("group")["student"].nunique() for name, mask in masks.items()
    }
    return pd.DataFrame(counted).reindex(range(group_count)).fillna(0)


def hidden_groups(counts: pd.DataFrame, min_n: int) -> Array:
    """Return which groups of one attribute are hidden."""
    hidden = primary([counts[name].to_numpy(float) for name in counts], min_n)
    whole = csr_array(np.ones((1, len(counts))))  # all students, which is published
    students = counts["student_count"].to_numpy(float)
    return protect(whole, students, hidden, min_n, np.zeros(len(counts)))


def _rates(
    codes: Array,
    group_count: int,
    w: Array,
    label: Array,
    flag: Array,
    risk: Array,
    marks: Array,
) -> dict[str, Array]:
    """Return each rate per group, and its gap to all other groups together."""

    def total(values: Array) -> Array:
        return np.bincount(codes, w * values, group_count)

    sums = {
        "rows": total(np.ones(len(w))),
        "flagged": total(flag.astype(float)),
        "positive": total(label.astype(float)),
        "found": total((label & flag).astype(float)),
        "risk": total(risk),
        "marks": total(np.nan_to_num(marks)),
        "marked": total((~np.isnan(marks)).astype(float)),
    }

    def rates(part: dict[str, Array]) -> dict[str, Array]:
        negative = part["rows"] - part["positive"]
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                "selection_rate": part["flagged"] / part["rows"],
                "recall": part["found"] / part["positive"],
                "false_positive_rate": (part["flagged"] - part["found"]) / negative,
                "mean_risk": part["risk"] / part["rows"],
                "observed_rate": part["positive"] / part["rows"],
                "calibration_gap": (part["risk"] - part["positive"]) / part["rows"],
                MARKS_GAP: part["marks"] / part["marked"],
            }

    own = rates(sums)
    others = rates({name: one.sum() - one for name, one in sums.items()})
    return own | {f"{name}_gap": own[name] - others[name] for name in GAPS}


def with_protected(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Add the protected attributes as features, for the comparison that the report shows."""
    coded = pd.get_dummies(
        pd.DataFrame({name: group_names(frame, name) for name in PROTECTED}), dtype=np.float32
    )
    return pd.concat([frame, coded], axis=1), [*FEATURES, *coded.columns]


def data_defects(frame: pd.DataFrame) -> pd.DataFrame:
    """Return features of one school that lie apart from all other schools, and those of its grades.

    A defect of a file changes one school at once. Columns: school_id, feature, psi, mean_here,
    mean_elsewhere, of cuts of one day; the greatest first. Schools are compared with those that
    have the same grade levels, for grades differ between them; but of two schools, each lies apart
    from the other: hence with all others too, and the lesser of both counts.
    """
    latest = frame[frame["cut_date"] == frame["cut_date"].max()]
    whole = latest
    if len(latest) > MOST_COMPARED:
        whole = latest.sample(MOST_COMPARED, random_state=SEED)
    rows = []
    for school, own in latest.groupby("school_id"):
        elsewhere = whole[whole["school_id"] != school]
        others = elsewhere[elsewhere["grade_number"].isin(own["grade_number"].unique())]
        if len(others) < len(own) / 2 or len(own) < 30:
            others = elsewhere
        if min(len(own), len(others)) < 30:
            continue
        for feature in FEATURES[1:]:
            here = own[feature].to_numpy()
            psi = min(
                stability_of(group[feature].to_numpy(), here) for group in (others, elsewhere)
            )
            rows.append((str(school), feature, psi, own[feature].mean(), others[feature].mean()))
    names = ["school_id", "feature", "psi", "mean_here", "mean_elsewhere"]
    table = pd.DataFrame(rows, columns=names).sort_values(
        ["psi", "school_id", "feature"], ascending=[False, True, True]
    )
    # The school most apart; the others are compared with a whole that holds it.
    worst = table[table["psi"] > DEFECT_PSI].drop_duplicates("feature")
    return worst.reset_index(drop=True)
