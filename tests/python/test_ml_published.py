"""What of early warning is published gives no small count away; no Spark."""

import json
import re
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from test_ml import students

from python_jobs.early_warning import clusters, figures, published, training
from python_jobs.early_warning.data import LABEL, latest_cut
from python_jobs.early_warning.models import LOGISTIC, TREE
from python_jobs.early_warning.training import AT_RULE, CAPACITY, RULE, Results

MIN_N = 10


def results_with(flags: dict[tuple[str, str], Any], label: Any) -> Results:
    """Return the parts of results that thresholds need: a row per student."""
    test = pd.DataFrame(
        {"student_id": np.arange(len(label)), "cut_id": "c", LABEL: np.asarray(label, float)}
    )
    names = [name for threshold in published.AT.values() for name in threshold]
    metrics = pd.DataFrame(
        [(model, name, 0.5, 0.4, 0.6) for model in {m for m, _ in flags} for name in names],
        columns=["model", "metric", "value", "low", "high"],
    )
    split = SimpleNamespace(test=test)
    return cast(Results, SimpleNamespace(split=split, flags=flags, metrics=metrics))


@pytest.fixture(scope="module")
def small() -> Results:
    """60 of 200 students are in trouble; the tree flags 40, of them 5 in vain, else many."""
    label = np.arange(200) < 60
    of_tree = (np.arange(200) >= 25) & (np.arange(200) < 65)
    large = (np.arange(200) >= 30) & (np.arange(200) < 90)
    return results_with(
        {(TREE, CAPACITY): of_tree, (TREE, AT_RULE): large, (RULE, AT_RULE): large}, label
    )


def test_one_small_count_hides_the_threshold_and_what_is_made_of_it(small: Results) -> None:
    assert published.hidden_thresholds(small, MIN_N) == {(TREE, CAPACITY)}
    table = published.metrics(small, MIN_N).set_index(["model", "metric"])["value"]
    assert table[TREE][published.AT[CAPACITY]].isna().all()
    assert table[TREE][published.AT[AT_RULE]].notna().all()
    assert published.hidden_thresholds(small, 5) == set()


def test_hidden_counts_of_the_rule_hide_every_lift() -> None:
    label = np.arange(200) < 60
    few, large = np.arange(200) < 3, (np.arange(200) >= 30) & (np.arange(200) < 90)
    results = results_with({(TREE, AT_RULE): large, (RULE, AT_RULE): few}, label)
    table = published.metrics(results, MIN_N).set_index(["model", "metric"])["value"]
    assert np.isnan(table[TREE, "lift_over_rule"])
    assert not np.isnan(table[TREE, "recall_at_rule"])


def test_students_count_and_not_rows() -> None:
    results = results_with({(TREE, CAPACITY): np.arange(80) % 2 == 0}, np.arange(80) < 40)
    assert not published.hidden_thresholds(results, MIN_N)
    results.split.test["student_id"] = np.arange(80) // 8
    assert published.hidden_thresholds(results, MIN_N)


def test_points_of_a_curve_beside_small_counts_are_left_out(small: Results) -> None:
    curve = pd.DataFrame(
        {"false_positive_rate": [0, 1 / 140, 20 / 140, 139 / 140, 1], "recall": [0, 0.5, 0.5, 1, 1]}
    )
    assert published.is_shown(curve, small, MIN_N).tolist() == [True, False, True, False, True]


def test_cluster_that_could_be_subtracted_is_hidden_too() -> None:
    assert published.hidden_clusters(np.array([300, 200, 4, 50]), MIN_N).tolist() == [
        False, False, True, True,
    ]  # fmt: skip
    assert not published.hidden_clusters(np.array([300, 200, 40, 50]), MIN_N).any()


def test_cell_of_a_table_is_hidden_with_those_that_its_sums_would_need() -> None:
    hidden = published.hidden_cells(np.array([[40, 3, 30], [30, 40, 20], [20, 50, 60]]), MIN_N)
    assert hidden[0, 1]
    assert (hidden.sum(axis=0)[hidden.any(axis=0)] >= 2).all()
    assert (hidden.sum(axis=1)[hidden.any(axis=1)] >= 2).all()
    assert not hidden.all()


@pytest.fixture(scope="module")
def results() -> Results:
    return training.train(students(), 0.1, MIN_N)


def test_picture_of_a_hidden_threshold_holds_no_share(results: Results) -> None:
    """With more students than there are as the limit, all is hidden, in the data as well."""
    for trace in figures.confusion(results, 10_000).data:
        assert np.isnan(np.asarray(trace.z, float)).all()
    shown = json.loads(figures.confusion(results, 1).to_json())
    assert any(re.search(r"\d", str(trace["text"])) for trace in shown["data"])


def test_node_of_few_students_hides_another_of_its_split(results: Results) -> None:
    nodes = training.tree_nodes(results.models[TREE], results.split.train)
    assert published.hidden_nodes(results, nodes, 10_000).all()
    hidden = published.hidden_nodes(results, nodes, 60)
    for _, pair in nodes[nodes["parent_node_id"] >= 0].groupby("parent_node_id"):
        parent = pair["parent_node_id"].iloc[0]
        family = [*pair.index, *nodes.index[nodes["node_id"] == parent]]
        assert hidden[family].sum() != 1


def test_point_of_gpa_by_homework_is_hidden_with_its_complements() -> None:
    latest = latest_cut(students(200))
    segments = clusters.find_clusters(latest)
    figure = figures.gpa_by_homework(segments, latest, MIN_N)
    points = sum(len(trace.x) for trace in figure.data)
    fifths = pd.qcut(latest["num_homeworks"].rank(method="first"), 5, labels=False)
    counts = pd.crosstab(segments.students["cluster"].to_numpy(), fifths.to_numpy()).to_numpy()
    hidden = published.hidden_cells(counts, MIN_N)
    assert points == int((~hidden & (counts > 0)).sum())
    assert hidden.sum() != 1


@pytest.mark.parametrize(
    ("lift", "auc_low", "said"),
    [((1.5, 1.2), 0.1, None), ((1.1, 0.9), 0.1, "lift 1.10"), ((np.nan, np.nan), 0.1, None),
     ((np.nan, np.nan), -0.1, training.NO_LIFT)],
)  # fmt: skip
def test_rule_that_flags_nobody_is_compared_by_auc(
    lift: tuple[float, float], auc_low: float, said: str | None
) -> None:
    metrics = pd.DataFrame(
        {
            "model": LOGISTIC,
            "metric": ["lift_over_rule", "roc_auc_over_rule"],
            "value": [lift[0], 0.2],
            "low": [lift[1], auc_low],
            "high": [2.0, 0.3],
        }
    )
    warning = training.warning_of(metrics, LOGISTIC)
    assert warning is None if said is None else said in str(warning)
