"""From a frame of features to all that tables and reports show; it needs no Spark."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.model_selection import GroupShuffleSplit
from threadpoolctl import threadpool_limits

from python_jobs.early_warning.data import (
    FEATURES,
    LABEL,
    SECOND_LABEL,
    TODAY,
    Split,
    latest_cut,
    learnable,
    shortcomings,
    split_by_year,
)
from python_jobs.early_warning.drift import Reference, learn_reference
from python_jobs.early_warning.evaluation import (
    Bootstrap,
    Flagged,
    Ranking,
    brier,
    flag_counts,
    flag_share,
    measures,
    ratio,
    reliability,
)
from python_jobs.early_warning.explanations import (
    EXPLAINED_ROWS,
    contributions,
    global_importance,
    reasons,
)
from python_jobs.early_warning.fairness import audit, data_defects, with_protected
from python_jobs.early_warning.models import (
    PARAMETERS,
    SEED,
    TREE,
    Trained,
    best_of,
    train_model,
)

Array = npt.NDArray[Any]
RULE, GRADES_ALONE = "abc_rule", "avg_gpa_alone"
CAPACITY, AT_RULE = "capacity", "rule"  # thresholds: who is flagged
SMALL_ROWS = 50_000
NO_LIFT = "the rule flags nobody, nobody rightly, or too few to compare precision"
LEARNING_SHARES = (0.1, 0.2, 0.4, 0.7, 1.0)
GUIDANCE = {
    "roc_auc": "Chance that a student who gets into trouble is ranked above one who does not.",
    "average_precision": "Mean precision over all students who get into trouble; "
    "compare with at_risk_rate.",
    "precision_at_capacity": "Of the students whom the staff can see, the share who would have "
    "got into trouble. Low: time is spent on students who need none.",
    "recall_at_capacity": "Of the students who get into trouble, the share the staff would have "
    "seen. Low: raise the capacity, or accept that most are missed.",
    "precision_at_rule": "Precision with as many flags as the ABC rule raises.",
    "recall_at_rule": "Recall with as many flags as the ABC rule raises.",
    "lift_over_rule": "Precision by that of the ABC rule, with as many flags; 1 is no better.",
    "roc_auc_over_rule": "AUC less that of the ABC rule's points; 0 is no better.",
    "brier": "Mean squared error of the risk; 0 is best.",
    "mean_risk_less_rate": "Mean risk less the observed rate; 0 is calibrated as a whole.",
}


@dataclass
class Results:
    """All that a training found; frames are as the tables of schema ml."""

    split: Split
    models: dict[str, Trained]
    best: Trained
    reference: Reference
    metrics: pd.DataFrame
    calibration: pd.DataFrame
    confusion: pd.DataFrame
    years: pd.DataFrame
    learning: pd.DataFrame
    fairness: pd.DataFrame
    protected: pd.DataFrame
    defects: pd.DataFrame
    importance: pd.DataFrame
    shap_values: Array
    shap_frame: pd.DataFrame
    curves: dict[str, tuple[pd.DataFrame, pd.DataFrame]]
    test_risk: Array
    flags: dict[tuple[str, str], Array]  # of model and threshold
    tree_risk: Array
    second: pd.DataFrame
    capacity: float
    learned_rows: int
    parameters: dict[str, Any]  # of the best model
    warning: str | None = None
    notes: list[str] = field(default_factory=list)


def train(
    frame: pd.DataFrame, capacity: float, min_n: int, models: dict[str, Trained] | None = None
) -> Results:
    """Train, test, explain and audit. Raises DistrictError when there is too little data.

    models: those that Spark has trained on the years to learn from; trained here when none.
    """
    # Threads that share small work mostly wait for each other, and on a busy machine for long.
    with threadpool_limits(1 if len(frame) < SMALL_ROWS else None):
        return _train(frame, capacity, min_n, models)


def _train(
    frame: pd.DataFrame, capacity: float, min_n: int, models: dict[str, Trained] | None
) -> Results:
    split = split_by_year(frame)
    models = models or {name: train_model(name, split.train) for name in PARAMETERS}
    best = best_of(models)
    test = split.test
    label = test[LABEL].to_numpy(int)
    risks = {name: one.risk(test) for name, one in models.items()}
    scores = risks | {
        RULE: test["rule_points"].to_numpy(float),
        GRADES_ALONE: -test["avg_gpa"].fillna(test["avg_gpa"].median()).to_numpy(float),
    }
    metrics = pd.concat(
        [
            _metrics_of(name, test, score, risks.get(name), capacity)
            for name, score in scores.items()
        ],
        ignore_index=True,
    )
    risk = risks[best.name]
    flags = _flags(scores, test, capacity)
    flag = flags[best.name, CAPACITY]
    sample = test.iloc[_sample(len(test), EXPLAINED_ROWS)].reset_index(drop=True)
    values = contributions(best, sample)
    return Results(
        split=split,
        learned_rows=len(split.train),
        parameters=PARAMETERS[best.name],
        models=models,
        best=best,
        reference=learn_reference(_population(frame), FEATURES),
        metrics=metrics,
        calibration=_calibration(models, test, label),
        confusion=_confusion(risks, flags, label),
        years=_years(best.name, frame),
        learning=_learning(best.name, split),
        fairness=audit(test, risk, flag, min_n),
        protected=_with_protected(best.name, split, flag, risk, capacity),
        defects=data_defects(frame),
        importance=global_importance(best, values, sample),
        shap_values=values,
        shap_frame=sample,
        curves={
            name: (Ranking(label, score).roc(), Ranking(label, score).precision_recall())
            for name, score in scores.items()
        },
        test_risk=risk,
        flags=flags,
        tree_risk=risks[TREE],
        second=_second_label(best.name, frame),
        capacity=capacity,
        warning=warning_of(metrics, best.name),
    )


def _population(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the cuts of the years with outcomes: those who leave have none, and are there too."""
    years = learnable(frame)["school_year"].unique()
    return frame[(frame["cut_type"] != TODAY) & frame["school_year"].isin(years)]


def warning_of(metrics: pd.DataFrame, name: str) -> str | None:
    """Return what the first line of every report says when the model does not beat the rule.

    Without a lift (the rule flags nobody, or nobody rightly) the AUC alone decides.
    """
    own = metrics[metrics["model"] == name].set_index("metric")[["value", "low", "high"]]
    lift, lift_low, lift_high = own.loc["lift_over_rule"].to_numpy(float)
    auc, auc_low, auc_high = own.loc["roc_auc_over_rule"].to_numpy(float)
    if auc_low > 0 and (np.isnan(lift) or lift_low > 1):
        return None
    if np.isnan(lift):
        return (
            f"The model does not beat the ABC rule beyond chance: AUC {auc:+.3f} ({auc_low:+.3f} "
            f"to {auc_high:+.3f}); {NO_LIFT}."
        )
    return (
        f"The model does not beat the ABC rule beyond chance: lift {lift:.2f} ({lift_low:.2f} to "
        f"{lift_high:.2f}), AUC {auc:+.3f} ({auc_low:+.3f} to {auc_high:+.3f}). Use the rule."
    )


def _metrics_of(
    name: str, test: pd.DataFrame, score: Array, risk: Array | None, capacity: float
) -> pd.DataFrame:
    table = measures(
        test[LABEL].to_numpy(int),
        test["student_id"],
        test["cut_id"],
        score,
        risk,
        test[["rule_level", "rule_points"]],
        capacity,
    )
    table.insert(0, "model", name)
    return table.assign(guidance=table["metric"].map(GUIDANCE))


def _calibration(models: dict[str, Trained], test: pd.DataFrame, label: Array) -> pd.DataFrame:
    """Return reliability and Brier score of each model, before and after its recalibration."""
    parts = []
    for name, model in models.items():
        raw = model.raw(test)
        for stage, risk in (("raw", raw), ("recalibrated", model.calibrated(raw))):
            table = reliability(risk, label)
            table.insert(0, "stage", stage)
            table.insert(0, "model", name)
            parts.append(table.assign(brier=brier(risk, label)))
    return pd.concat(parts, ignore_index=True)


def _flags(
    scores: dict[str, Array], test: pd.DataFrame, capacity: float
) -> dict[tuple[str, str], Array]:
    """Return who is flagged by model and threshold; the rule itself is a model."""
    cuts = test["cut_id"]
    rule_flag = test["rule_level"].to_numpy() >= 1
    counts = pd.Series(rule_flag).groupby(cuts.to_numpy()).sum().to_dict()
    flags = {}
    for name, score in scores.items():
        flags[name, CAPACITY] = flag_share(score, cuts, capacity)
        flags[name, AT_RULE] = flag_counts(score, cuts, counts)
    return flags | {(RULE, AT_RULE): rule_flag}


def _confusion(
    risks: dict[str, Array], flags: dict[tuple[str, str], Array], label: Array
) -> pd.DataFrame:
    """Return model, threshold and the four counts; of the rule at its own threshold only."""
    rows = []
    for (name, threshold), flag in flags.items():
        if name not in risks and (name, threshold) != (RULE, AT_RULE):
            continue
        found = Flagged.count(label.astype(bool), flag)
        lowest = float(risks[name][flag].min()) if name in risks and flag.any() else np.nan
        rows.append(
            (
                name, threshold, lowest, int(found.true_positive), int(found.false_positive),
                int(found.false_negative), int(found.true_negative), found.precision, found.recall,
            )
        )  # fmt: skip
    columns = [
        "model", "threshold", "lowest_risk", "true_positive", "false_positive", "false_negative",
        "true_negative", "precision", "recall",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def _years(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the AUC of each school year by a model of the years before it, with interval."""
    rows = []
    years = sorted(frame["label_school_year"].dropna().unique())
    for year in years[1:]:
        part = frame[frame["label_school_year"] <= year]
        if shortcomings(part) or split_by_year(part).test_year != year:
            continue
        split = split_by_year(part)
        ranking_scores = {
            name: train_model(name, split.train).raw(split.test),
            RULE: split.test["rule_points"].to_numpy(float),
        }
        for model, score in ranking_scores.items():
            rows.append((int(year), model, *_auc(split.test, score)))
    return pd.DataFrame(rows, columns=["school_year", "model", "roc_auc", "low", "high"])


def _auc(test: pd.DataFrame, score: Array, label: str = LABEL) -> tuple[float, float, float]:
    ranking = Ranking(test[label].to_numpy(int), score)
    limits = Bootstrap(test["student_id"]).intervals(lambda w: {"auc": ranking.auc(w)})
    return ranking.auc(), *limits["auc"]


def _learning(name: str, split: Split) -> pd.DataFrame:
    """Return the test AUC of models that learned from a share of the students."""
    rows = []
    for share in LEARNING_SHARES:
        part = split.train
        if share < 1:
            chosen, _ = next(
                GroupShuffleSplit(1, train_size=share, random_state=SEED).split(
                    part, groups=part["student_id"]
                )
            )
            part = part.iloc[chosen]
        if part[LABEL].sum() < 10 or part["student_id"].nunique() < 10:
            continue
        auc = _auc(split.test, train_model(name, part).raw(split.test))
        rows.append((share, part["student_id"].nunique(), *auc))
    return pd.DataFrame(rows, columns=["share", "student_count", "roc_auc", "low", "high"])


def _with_protected(
    name: str, split: Split, flag: Array, risk: Array, capacity: float
) -> pd.DataFrame:
    """Return what would change if the protected attributes were features."""
    both, features = with_protected(pd.concat([split.train, split.test], ignore_index=True))
    train_part, test = both.iloc[: len(split.train)], both.iloc[len(split.train) :]
    model = train_model(name, train_part, features=features)
    other = model.risk(test)
    other_flag = flag_share(other, split.test["cut_id"], capacity)
    label = split.test[LABEL].to_numpy(int)
    rows = []
    for who, score, flagged in (("without", risk, flag), ("with", other, other_flag)):
        counted = Flagged.count(label.astype(bool), flagged)
        rows.append((who, Ranking(label, score).auc(), counted.precision, counted.recall))
    table = pd.DataFrame(rows, columns=["protected", "roc_auc", "precision", "recall"])
    return table.assign(flags_that_differ=ratio(float((flag != other_flag).sum()) / 2, flag.sum()))


def _second_label(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Return how well the next term's high performers are ranked, beside the GPA of now."""
    if shortcomings(frame, SECOND_LABEL):
        return pd.DataFrame(columns=["model", "roc_auc", "low", "high"])
    split = split_by_year(frame, SECOND_LABEL)
    scores = {
        name: train_model(name, split.train, SECOND_LABEL).raw(split.test),
        GRADES_ALONE: split.test["avg_gpa"].fillna(0).to_numpy(float),
    }
    rows = []
    for model, score in scores.items():
        rows.append((model, *_auc(split.test, score, SECOND_LABEL)))
    return pd.DataFrame(rows, columns=["model", "roc_auc", "low", "high"])


def _sample(count: int, most: int) -> Array:
    if count <= most:
        return np.arange(count)
    return np.sort(np.random.default_rng(SEED).choice(count, most, replace=False))


def score(
    model: Trained, frame: pd.DataFrame, capacity: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return scores and reasons of the students of today, who are enrolled."""
    today = latest_cut(frame)
    risk = model.risk(today)
    order = pd.Series(-risk).rank(method="first").astype(int)
    scores = today[["student_id", "cut_id", "cut_date", "school_id", "rule_level"]].assign(
        model=model.name,
        risk=risk,
        risk_rank=order,
        is_flagged=flag_share(risk, pd.Series(["today"] * len(today)), capacity),
    )
    return scores, reasons(model, today)


def tree_nodes(model: Trained, train_frame: pd.DataFrame) -> pd.DataFrame:
    """Return the tree row by row: node, parent, split, students learned from, and their risk."""
    tree = model.model.steps[-1][1].tree_
    parents, sides = {0: -1}, {0: ""}
    depth = {0: 0}
    for node in range(tree.node_count):
        for side, child in (("yes", tree.children_left[node]), ("no", tree.children_right[node])):
            if child > 0:
                parents[child], sides[child], depth[child] = node, side, depth[node] + 1
    rows = []
    for node in range(tree.node_count):
        is_leaf = tree.children_left[node] < 0
        feature = None if is_leaf else model.features[tree.feature[node]]
        threshold = np.nan if is_leaf else float(tree.threshold[node])
        at_risk = float(tree.value[node][0][1])
        rows.append(
            (
                node, parents[node], sides[node], depth[node], feature, threshold,
                int(tree.n_node_samples[node]), at_risk,
                "at risk" if at_risk >= 0.5 else "not at risk",
            )
        )  # fmt: skip
    columns = [
        "node_id", "parent_node_id", "answer", "depth", "feature", "threshold", "row_count",
        "at_risk_rate", "class_name",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)
