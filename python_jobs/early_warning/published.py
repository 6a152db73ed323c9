"""What of the results may be published: no count of few students, and nothing that gives one away.

Students are counted, not rows. Of the four counts behind a threshold the margins are known (those
in trouble, those flagged), so one that is small hides all four, and what is made of them.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array

from python_jobs.early_warning.data import LABEL, matrix
from python_jobs.early_warning.models import TREE
from python_jobs.early_warning.training import RULE, Results
from python_jobs.suppression import primary, protect

Array = npt.NDArray[Any]
AT = {
    "capacity": [
        "precision_at_capacity", "recall_at_capacity", "false_positive_rate_at_capacity"
    ],
    "rule": ["precision_at_rule", "recall_at_rule", "lift_over_rule"],
}  # fmt: skip


def hidden_thresholds(results: Results, min_n: int) -> set[tuple[str, str]]:
    """Return model and threshold whose four counts are hidden; with the rule's all beside it."""
    students = results.split.test["student_id"]
    label = results.split.test[LABEL].to_numpy(bool)
    hidden = set()
    for key, flag in results.flags.items():
        cells = [students[a & b].nunique() for a in (label, ~label) for b in (flag, ~flag)]
        if primary([np.array(cells, float)], min_n).any():
            hidden.add(key)
    return hidden


def metrics(results: Results, min_n: int) -> pd.DataFrame:
    """Return the metrics, NaN where a threshold is hidden.

    A lift and the precision of one model give that of the rule, so the rule's hides all lifts.
    """
    table = results.metrics.copy()
    hidden = hidden_thresholds(results, min_n)
    for model, threshold in hidden:
        own = (table["model"] == model) & table["metric"].isin(AT[threshold])
        table.loc[own, ["value", "low", "high"]] = np.nan
    if (RULE, "rule") in hidden:
        table.loc[table["metric"] == "lift_over_rule", ["value", "low", "high"]] = np.nan
    return table


def is_shown(curve: pd.DataFrame, results: Results, min_n: int) -> Array:
    """Return which points of a curve (recall and the other share) have no small count beside them.

    A student has at most one row per cut, so min_n rows of each cut are min_n students.
    """
    test = results.split.test
    least = min_n * test["cut_id"].nunique()
    positives = float(test[LABEL].sum())
    found = curve["recall"].to_numpy() * positives
    if "false_positive_rate" in curve:
        in_vain = curve["false_positive_rate"].to_numpy() * (len(test) - positives)
    else:
        in_vain = found / np.maximum(curve["precision"].to_numpy(), 1e-12) - found
    counts = [found, positives - found, in_vain, len(test) - positives - in_vain]
    small = primary([np.round(one) for one in counts], least)
    return ~small


def hidden_clusters(student_count: Array, min_n: int) -> Array:
    """Return which clusters are hidden: small ones, and another where one could be subtracted."""
    students = student_count.astype(float)
    whole = csr_array(np.ones((1, len(students))))
    return protect(whole, students, primary([students], min_n), min_n, np.zeros(len(students)))


def hidden_cells(students: Array, min_n: int) -> Array:
    """Return which cells of a table of counts, (rows, columns), are hidden: its sums are known."""
    rows, columns = students.shape
    sums = np.vstack(
        [np.kron(np.eye(rows), np.ones(columns)), np.kron(np.ones(rows), np.eye(columns))]
    )
    counts = students.ravel().astype(float)
    hidden = protect(
        csr_array(sums), counts, primary([counts], min_n), min_n, np.zeros(len(counts))
    )
    return hidden.reshape(students.shape)


def hidden_nodes(results: Results, nodes: pd.DataFrame, min_n: int) -> Array:
    """Return which nodes of the tree are hidden: few students, few in trouble or few others in
    them, or a node that its parent and its sister would give away.
    """
    train = results.split.train
    model = results.models[TREE]
    x = matrix(train, model.features)
    *before, (_, last) = model.model.steps
    for _, step in before:
        x = step.transform(x)
    path = last.tree_.decision_path(np.asarray(x, np.float32)).toarray().astype(bool)
    label = train[LABEL].to_numpy(bool)
    students = train["student_id"]
    groups = [
        np.array([students[path[:, node] & mask].nunique() for node in nodes["node_id"]], float)
        for mask in (np.ones(len(train), bool), label, ~label)
    ]
    parents = sorted(set(nodes["parent_node_id"]) - {-1})
    splits = np.zeros((len(parents), len(nodes)))
    for number, parent in enumerate(parents):
        splits[number, nodes["parent_node_id"] == parent] = 1
        splits[number, nodes["node_id"] == parent] = -1
    worth = -nodes["depth"].to_numpy(float)
    return protect(csr_array(splits), groups[0], primary(groups, min_n), min_n, worth)
