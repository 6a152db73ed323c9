"""Segments of students: k-means on standardised features, named by what sets them apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import pairwise_distances_argmin, silhouette_score
from sklearn.preprocessing import StandardScaler

from python_jobs.errors import DistrictError

CLUSTERS = 4
SEED = 7
CHECKED = range(2, 9)  # numbers of clusters whose silhouette is shown beside that of four
SAMPLE = 5_000  # students; a silhouette compares each with each
NOTABLE = 0.4  # standard deviations from the mean of all, from which a name mentions it
# Feature: what a cluster is called that lies low, and high.
CLUSTER_FEATURES = {
    "avg_gpa": ("", ""),  # the order of the clusters, always in the name
    "num_homeworks": ("less homework due", "more homework due"),
    "num_courses": ("fewer courses", "more courses"),
    "num_changes": ("few course changes", "many course changes"),
    "attendance_rate": ("often absent", "seldom absent"),
    "submission_rate": ("homework often missing", "homework handed in"),
}
GRADES = ("lowest grades", "lower grades", "good grades", "highest grades")


@dataclass(frozen=True)
class Segments:
    """Students with their cluster, the means of the clusters, and the silhouette of each k."""

    students: pd.DataFrame
    means: pd.DataFrame
    silhouettes: pd.DataFrame


def with_known(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the features of clusters with the median in place of what is not known."""
    known = frame[list(CLUSTER_FEATURES)].astype(float)
    return known.fillna(known.median()).fillna(0.0)


def find_clusters(latest: pd.DataFrame, centres: np.ndarray | None = None) -> Segments:
    """Put each student into one of four clusters, numbered by rising mean of avg_gpa.

    latest: one row per student. students has student_id, cut_id, cluster, cluster_name; means has
    a row per cluster with student_count, and the means of all features in their own units.
    centres: those that Spark has found; found here when none.
    Raises DistrictError when there are fewer than two students for each cluster.
    """
    if len(latest) < 2 * CLUSTERS:
        raise DistrictError(
            f"{len(latest)} students are enrolled; {CLUSTERS} clusters need at least "
            f"{2 * CLUSTERS}",
            "land a roster with enrollments, then build",
        )
    known = with_known(latest)
    scaled = StandardScaler().fit_transform(known)
    if centres is None:
        found = KMeans(CLUSTERS, random_state=SEED, n_init=10).fit_predict(scaled)
    else:
        found = pairwise_distances_argmin(scaled, centres)
    order = known["avg_gpa"].groupby(found).mean().sort_values(kind="stable").index
    number = {old: new for new, old in enumerate(order)}
    cluster = np.array([number[one] for one in found])
    deviations = pd.DataFrame(scaled, columns=list(known)).groupby(cluster).mean()
    names = {
        one: cluster_name(one, row)
        for one, row in zip(deviations.index, deviations.to_dict("records"), strict=True)
    }
    students = latest[["student_id", "cut_id"]].assign(
        cluster=cluster, cluster_name=[names[one] for one in cluster]
    )
    means = known.groupby(cluster).mean()
    means.insert(0, "student_count", known.groupby(cluster).size())
    means.insert(0, "cluster_name", [names[one] for one in means.index])
    return Segments(students, means.rename_axis("cluster").reset_index(), silhouettes(scaled))


def cluster_name(number: int, deviations: Mapping[Any, float]) -> str:
    """Name a cluster by its place in grades and by the feature that sets it most apart."""
    others = {str(name): value for name, value in deviations.items() if name != "avg_gpa"}
    feature = max(others, key=lambda name: abs(others[name]))
    if abs(others[feature]) < NOTABLE:
        return GRADES[number]
    return f"{GRADES[number]}, {CLUSTER_FEATURES[feature][others[feature] > 0]}"


def silhouettes(scaled: np.ndarray) -> pd.DataFrame:
    """Return the mean silhouette for each number of clusters, on at most SAMPLE students.

    Source: Rousseeuw (1987), J. Comput. Appl. Math. 20, 53-65; 1 is best, 0 is no structure.
    """
    generator = np.random.default_rng(SEED)
    if len(scaled) > SAMPLE:
        scaled = scaled[generator.choice(len(scaled), SAMPLE, replace=False)]
    rows = []
    for k in CHECKED:
        labels = KMeans(k, random_state=SEED, n_init=3).fit_predict(scaled)
        if 1 < len(set(labels)) < len(scaled):
            rows.append((k, float(silhouette_score(scaled, labels))))
    return pd.DataFrame(rows, columns=["k", "silhouette"])
