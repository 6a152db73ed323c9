"""Spark ML and scikit-learn: the same results within a stated tolerance, on students made up."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from pyspark.ml.classification import GBTClassifier
from pyspark.sql import DataFrame, SparkSession
from test_ml import students

from python_jobs.early_warning import clusters, data, models, spark_models, training
from python_jobs.early_warning.data import FEATURES, KEY, LABEL, latest_cut, matrix, split_by_year
from python_jobs.early_warning.explanations import contributions
from python_jobs.early_warning.models import BOOSTING, LOGISTIC, TREE, Trained

ROUNDS = 12  # of boosting, with either engine; each costs Spark some jobs
AUC_TOLERANCE = 0.02
Models = dict[str, Trained]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return students()


@pytest.fixture(scope="module")
def few_rounds() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for parameters, name in (
            (models.PARAMETERS, "max_iter"),
            (spark_models.PARAMETERS, "maxIter"),
        ):
            patch.setitem(parameters[BOOSTING], name, ROUNDS)
        yield


def rows_of(spark: SparkSession, frame: pd.DataFrame) -> DataFrame:
    return spark.createDataFrame(frame[[*KEY, *FEATURES, LABEL]])


@pytest.fixture(scope="module")
def by_spark(spark: SparkSession, frame: pd.DataFrame, few_rounds: None) -> Models:
    train = split_by_year(frame).train
    return spark_models.train_all(rows_of(spark, train), train)


@pytest.fixture(scope="module")
def by_scikit_learn(frame: pd.DataFrame, few_rounds: None) -> Models:
    return models.train_all(split_by_year(frame).train)


def test_each_model_ranks_the_test_year_as_well(
    frame: pd.DataFrame, by_spark: Models, by_scikit_learn: Models
) -> None:
    test = split_by_year(frame).test
    for name, model in by_spark.items():
        ours, theirs = (
            training._auc(test, one.raw(test))[0] for one in (model, by_scikit_learn[name])
        )
        assert ours == pytest.approx(theirs, abs=AUC_TOLERANCE), name


def test_logistic_regression_has_the_same_coefficients_and_risk(
    frame: pd.DataFrame, by_spark: Models, by_scikit_learn: Models
) -> None:
    test = split_by_year(frame).test
    ours, theirs = by_spark[LOGISTIC], by_scikit_learn[LOGISTIC]
    one, other = (model.model.steps[-1][1].coef_ for model in (ours, theirs))
    np.testing.assert_allclose(one, other, atol=0.01)
    np.testing.assert_allclose(ours.raw(test), theirs.raw(test), atol=0.01)


def test_tree_asks_the_same_first_question_of_the_same_students(
    frame: pd.DataFrame, by_spark: Models, by_scikit_learn: Models
) -> None:
    train = split_by_year(frame).train
    ours, theirs = (training.tree_nodes(one[TREE], train) for one in (by_spark, by_scikit_learn))
    assert ours.loc[0, "feature"] == theirs.loc[0, "feature"]
    assert ours.loc[0, "row_count"] == theirs.loc[0, "row_count"] == len(train)
    assert ours.loc[0, "at_risk_rate"] == pytest.approx(float(train[LABEL].mean()))
    assert ours["depth"].max() == 3
    assert ours.loc[ours["feature"].isna(), "row_count"].sum() == len(train)


def test_boosting_moved_to_scikit_learn_gives_what_spark_gives(
    spark: SparkSession, frame: pd.DataFrame, few_rounds: None
) -> None:
    """The same risk from Spark itself; and Shapley values add up to it."""
    train = split_by_year(frame).train
    rows, medians = spark_models.prepared(rows_of(spark, train), FEATURES, LABEL)
    learner = GBTClassifier(labelCol=LABEL, **spark_models.PARAMETERS[BOOSTING])
    learned = learner.fit(rows).transform(rows).select("features", "probability").collect()
    model = spark_models.boosting_of(rows, medians)
    x = np.array([row.features.toArray() for row in learned], np.float32)
    risk = model.predict_proba(x)[:, 1]
    np.testing.assert_allclose(risk, [row.probability[1] for row in learned], atol=1e-6)
    trained = Trained(BOOSTING, FEATURES, model)
    values = contributions(trained, train)
    log_odds = model.decision_function(matrix(train))
    rest = log_odds - values.sum(axis=1)
    np.testing.assert_allclose(rest, rest.mean(), atol=1e-4)


def test_two_runs_of_spark_are_the_same(
    spark: SparkSession, frame: pd.DataFrame, by_spark: Models
) -> None:
    split = split_by_year(frame)
    again = spark_models.fit_all(rows_of(spark, split.train))
    for name, model in again.items():
        raw = model.predict_proba(matrix(split.test))[:, 1]
        np.testing.assert_array_equal(raw, by_spark[name].raw(split.test))


def test_segments_have_the_same_sizes_names_and_means(spark: SparkSession) -> None:
    generator = np.random.default_rng(0)
    gpa = np.repeat([0.5, 1.5, 2.5, 3.5], [40, 30, 20, 10])
    latest = pd.DataFrame(
        {name: gpa + generator.normal(0, 0.05, 100) for name in clusters.CLUSTER_FEATURES}
    ).assign(student_id=[f"s{n:03d}" for n in range(100)], cut_id="t:today")
    centres = spark_models.cluster_centres(spark.createDataFrame(latest))
    ours, theirs = clusters.find_clusters(latest, centres), clusters.find_clusters(latest)
    pd.testing.assert_frame_equal(ours.means, theirs.means, rtol=0.01)
    again = spark_models.cluster_centres(spark.createDataFrame(latest))
    np.testing.assert_array_equal(again, centres)


def test_models_of_spark_go_all_the_way_and_score_students_of_today(
    frame: pd.DataFrame, by_spark: Models
) -> None:
    results = training.train(frame, 0.1, 10, by_spark)
    scores, reasons = training.score(results.best, frame, 0.1)
    assert results.models is by_spark
    assert len(scores) == len(latest_cut(frame))
    assert len(reasons)


@pytest.mark.parametrize(
    ("asked", "rows", "engine"),
    [
        ("auto", data.MOST_ROWS, "scikit-learn"),
        ("auto", data.MOST_ROWS + 1, "spark"),
        ("spark", 1, "spark"),
        ("scikit-learn", data.MOST_ROWS + 1, "scikit-learn"),
    ],
)
def test_auto_is_spark_when_there_is_more_than_fits(asked: str, rows: int, engine: str) -> None:
    assert data.engine_for(asked, rows) == engine
