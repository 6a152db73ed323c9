"""The same models, learned by Spark ML from all rows and handed back as models of scikit-learn.

What is learned is small (medians, coefficients, trees), so it moves: scoring, explanations, reports
and the model that is kept are the same with either engine.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyspark.ml.classification import GBTClassifier, LogisticRegression
from pyspark.ml.clustering import KMeans
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import DecisionTreeRegressor
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql.functions import avg, broadcast, col, desc, row_number, stddev_pop
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeRegressor as Regressor
from sklearn.tree._tree import NODE_DTYPE, Tree

from python_jobs.early_warning import clusters, models
from python_jobs.early_warning.data import FEATURES, KEY, LABEL, TODAY, Release, matrix
from python_jobs.early_warning.models import BOOSTING, LOGISTIC, SEED, TREE, Trained, new_model

Array = npt.NDArray[Any]
HELD_OUT = 0.2  # of the students in memory; they choose and calibrate
MEDIAN_ERROR = 0.001  # of the rank
STARTS = 5  # of k-means, of which the best is kept
BINS = 255
_OF_TREE, _OF_LOGISTIC, _OF_BOOSTING = (
    models.PARAMETERS[name] for name in (TREE, LOGISTIC, BOOSTING)
)
# regParam is 1 / (C x rows). Spark has no l2_regularization of leaves.
PARAMETERS: dict[str, dict[str, Any]] = {
    TREE: {
        "maxDepth": _OF_TREE["max_depth"],
        "minInstancesPerNode": _OF_TREE["min_samples_leaf"],
        "maxBins": BINS,
        "seed": SEED,
    },
    LOGISTIC: {"C": _OF_LOGISTIC["C"], "maxIter": _OF_LOGISTIC["max_iter"]},
    BOOSTING: {
        "maxDepth": _OF_BOOSTING["max_depth"],
        "stepSize": _OF_BOOSTING["learning_rate"],
        "maxIter": _OF_BOOSTING["max_iter"],
        "minInstancesPerNode": _OF_BOOSTING["min_samples_leaf"],
        "maxBins": BINS,
        "seed": SEED,
    },
}


def learning_rows(spark: SparkSession, release: Release, test_year: int) -> DataFrame:
    """Return all rows whose outcome was known before the test year."""
    outcomes = release.table(spark, "ml.student_outcomes").select(*KEY, LABEL)
    rows = release.table(spark, "ml.student_features").join(outcomes, KEY)
    known = (col("cut_type") != TODAY) & col(LABEL).isNotNull()
    return rows.where(known & (col("label_school_year") < test_year))


def train_all(rows: DataFrame, sample: pd.DataFrame) -> dict[str, Trained]:
    """Fit each model on all rows; choose and calibrate on students whom it has not seen.

    rows: as of learning_rows. sample: those of them that are in memory.
    """
    groups = sample["student_id"]
    splitter = GroupShuffleSplit(1, test_size=HELD_OUT, random_state=SEED)
    held_out = sample.iloc[next(splitter.split(sample, groups=groups))[1]]
    students = pd.DataFrame({"student_id": held_out["student_id"].unique()})
    of_others = rows.sparkSession.createDataFrame(students)
    tried = fit_all(rows.join(broadcast(of_others), "student_id", "left_anti"))
    final = fit_all(rows)
    x, y = matrix(held_out), held_out[LABEL].to_numpy(int)
    trained = {}
    for name, model in final.items():
        raw = tried[name].predict_proba(x)[:, 1]
        line = models.calibration_line(raw, y)
        auc = float(roc_auc_score(y, raw))
        trained[name] = Trained(name, list(FEATURES), model, *line, auc)
    return trained


def fit_all(rows: DataFrame) -> dict[str, Any]:
    """Return the three models, learned from rows with student_id, cut_id, features and outcome."""
    filled, medians = prepared(rows, FEATURES, LABEL)
    try:
        return {
            TREE: tree_of(filled, medians),
            LOGISTIC: logistic_of(filled, medians),
            BOOSTING: boosting_of(filled, medians),
        }
    finally:
        filled.unpersist()


def prepared(rows: DataFrame, features: list[str], *others: str) -> tuple[DataFrame, Array]:
    """Return rows (features as a vector, and by name; others as numbers), cached, and medians.

    Rows lie and are sorted by key, so that two runs see them, and add them up, in the same order.
    """
    parallel = rows.sparkSession.sparkContext.defaultParallelism
    plain = rows.select(
        *KEY,
        *(col(name).cast("float").cast("double").alias(name) for name in features),
        *(col(name).cast("double").alias(name) for name in others),
    )
    ordered = plain.repartition(parallel, "student_id").sortWithinPartitions(*KEY).drop(*KEY)
    found = ordered.approxQuantile(features, [0.5], MEDIAN_ERROR)
    medians = np.array([one[0] if one else 0.0 for one in found])
    filled = ordered.fillna(dict(zip(features, map(float, medians), strict=True)))
    return VectorAssembler(inputCols=features, outputCol="features").transform(
        filled
    ).cache(), medians


def means_of(rows: DataFrame, features: list[str]) -> tuple[Array, Array]:
    """Return mean and standard deviation of each feature; 1 for one that is the same for all."""
    asked = [one(name) for one in (avg, stddev_pop) for name in features]
    mean, deviation = np.array(rows.agg(*asked).collect()[0], float).reshape(2, -1)
    return mean, np.where(deviation > 0, deviation, 1.0)


def logistic_of(rows: DataFrame, medians: Array) -> Any:
    parameters = PARAMETERS[LOGISTIC]
    learner = LogisticRegression(
        labelCol=LABEL,
        regParam=1 / (parameters["C"] * rows.count()),
        maxIter=parameters["maxIter"],
    )
    learned = learner.fit(rows)
    mean, deviation = means_of(rows, FEATURES)
    weights = learned.coefficients.toArray()
    model = _shell(new_model(LOGISTIC), medians)
    scaler, logistic = model.steps[1][1], model.steps[2][1]
    scaler.mean_, scaler.scale_, scaler.var_ = mean, deviation, deviation**2
    logistic.coef_ = (weights * deviation).reshape(1, -1)
    logistic.intercept_ = np.array([learned.intercept + float(weights @ mean)])
    return model


def tree_of(rows: DataFrame, medians: Array) -> Any:
    """Return the readable tree.

    It is a regression on 0 and 1, which splits as Gini does (variance is half of it): Spark's
    classifier merges leaves of one class, and with them their different risks.
    """
    learned = DecisionTreeRegressor(labelCol=LABEL, **PARAMETERS[TREE]).fit(rows)
    model = _shell(new_model(TREE), medians)
    model.steps[-1][1].tree_ = _tree(learned._java_obj.rootNode(), classes=2)
    return model


def boosting_of(rows: DataFrame, medians: Array) -> Any:
    """Return gradient boosting; Spark's risk is 1 / (1 + exp(-2 x sum of weighted trees))."""
    learned = GBTClassifier(labelCol=LABEL, **PARAMETERS[BOOSTING]).fit(rows)
    imputer = SimpleImputer(strategy="median", keep_empty_features=True)
    shell = GradientBoostingClassifier(n_estimators=1, learning_rate=1.0, random_state=SEED)
    model = _shell(make_pipeline(imputer, shell), medians)
    found = []
    for tree, weight in zip(learned.trees, learned.treeWeights, strict=True):
        one = Regressor().fit(*_two_rows(len(medians)))
        one.tree_ = _tree(tree._java_obj.rootNode(), classes=1, scale=2 * weight)
        found.append([one])
    last = model.steps[-1][1]
    last.estimators_ = np.array(found, dtype=object)
    last.n_estimators = last.n_estimators_ = len(found)
    return model


def _two_rows(features: int) -> tuple[Array, Array]:
    return np.zeros((2, features), np.float32), np.array([0, 1])


def _shell(model: Any, medians: Array) -> Any:
    """Return the model with all its parts there, to be filled with what Spark has learned.

    One row of each class: boosting starts from log odds of 0, as Spark does.
    """
    model.fit(*_two_rows(len(medians)))
    model.steps[0][1].statistics_ = medians.astype(np.float32)
    return model


def _tree(root: Any, classes: int, scale: float = 1.0) -> Tree:
    """Return a regression tree of Spark as one of scikit-learn, nodes in preorder."""
    nodes: list[list[Any]] = []  # left, right, feature, threshold, impurity, rows, mean

    def add(node: Any) -> tuple[int, int]:
        """Add the node and what is below; return its place and its depth below itself."""
        place, rows = len(nodes), node.impurityStats().count()
        nodes.append([-1, -1, -2, -2.0, float(node.impurity()), rows, float(node.prediction())])
        if node.subtreeDepth() == 0:
            return place, 0
        split = node.split()
        left, left_depth = add(node.leftChild())
        right, right_depth = add(node.rightChild())
        nodes[place][:4] = left, right, split.featureIndex(), split.threshold()
        return place, 1 + max(left_depth, right_depth)

    _, depth = add(root)
    columns = np.array(nodes, float).T
    made = np.zeros(len(nodes), NODE_DTYPE)
    made["left_child"], made["right_child"], made["feature"] = columns[:3]
    made["threshold"], made["impurity"] = columns[3:5]
    made["n_node_samples"] = made["weighted_n_node_samples"] = columns[5]
    mean = scale * columns[6]
    values = np.stack([1 - mean, mean] if classes == 2 else [mean], axis=1)
    tree = Tree(len(FEATURES), np.array([classes], np.intp), 1)
    tree.__setstate__(
        {
            "max_depth": depth,
            "node_count": len(nodes),
            "nodes": made,
            "values": np.ascontiguousarray(values[:, None, :]),
        }
    )
    return tree


def students_of_today(spark: SparkSession, release: Release) -> DataFrame:
    """Return the rows of today, one per student, as data.latest_cut."""
    rows = release.table(spark, "ml.student_features").where(col("cut_type") == TODAY)
    latest = Window.partitionBy("student_id").orderBy(desc("cut_date"), desc("cut_id"))
    return rows.withColumn("place", row_number().over(latest)).where("place = 1")


def cluster_centres(rows: DataFrame) -> Array:
    """Return the centres of the clusters of students, (clusters, features), standardised."""
    features = list(clusters.CLUSTER_FEATURES)
    filled, _ = prepared(rows, features)
    mean, deviation = means_of(filled, features)
    scaled = filled.select(
        *((col(name) - mean[at]) / deviation[at] for at, name in enumerate(features))
    ).toDF(*features)
    vectors = (
        VectorAssembler(inputCols=features, outputCol="features")
        .transform(scaled)
        .select("features")
        .cache()
    )
    learners = [KMeans(k=clusters.CLUSTERS, seed=clusters.SEED + n) for n in range(STARTS)]
    best = min((one.fit(vectors) for one in learners), key=lambda one: one.summary.trainingCost)
    vectors.unpersist()
    filled.unpersist()
    return np.array(best.clusterCenters())
