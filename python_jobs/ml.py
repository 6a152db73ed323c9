"""Segment the students, and learn who may fail in the next term from what this term shows.

Reads schema core; writes ml.student_features, ml.student_clusters, ml.dt_predictions,
ml.dt_confusion_matrix, ml.dt_metrics and ml.dt_tree_debug.

A row of features is a student at the end of a term; it holds nothing that is dated later. The
label comes from the student's next term. The tree learns from earlier school years and is tested
on the last one, which it never sees.
"""

import pandas as pd
from pyspark.sql import SparkSession
from sklearn.cluster import KMeans
from sklearn.metrics import confusion_matrix, precision_score, recall_score, roc_auc_score
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, export_text

from python_jobs.console import err, print_table, progress
from python_jobs.errors import DistrictError
from python_jobs.spark import get_spark

FEATURES = [
    "num_courses",
    "num_homeworks",
    "avg_gpa",
    "num_changes",
    "attendance_rate",
    "submission_rate",
    "num_failures",
]
CLUSTERS = 4
TREE_DEPTH = 3
SEED = 7

# The terms of a student in order; what is counted in a term is dated within it.
FEATURES_SQL = """
with marks as (
    select
        student_id, term_id, school_year,
        avg(grade_points) as avg_gpa,
        count_if(grade_letter = 'F') as num_failures
    from core.fact_grade
    where grade_type = 'course_mark' and grade_points is not null
    group by student_id, term_id, school_year
),

courses as (
    select student_id, term_id, count(distinct course_id) as num_courses
    from core.fact_enrollment
    group by student_id, term_id
),

homeworks as (
    select
        fact_homework.student_id, fact_homework.term_id,
        count_if(not is_exempt) as num_homeworks,
        avg(if(is_exempt, null, submitted_flag)) as submission_rate
    from core.fact_homework
    cross join core.reporting_date
    where due_date <= as_of_date
    group by fact_homework.student_id, fact_homework.term_id
),

changes as (
    select student_id, term_id, sum(change_count) as num_changes
    from core.fact_course_load_change
    group by student_id, term_id
),

attendance as (
    select student_id, term_id, 1 - avg(absent_fraction) as attendance_rate
    from core.fact_attendance
    where is_recorded and is_enrolled
    group by student_id, term_id
)

select
    marks.student_id,
    marks.school_year,
    marks.term_id,
    dim_term.start_date as term_start_date,
    coalesce(num_courses, 0) as num_courses,
    coalesce(num_homeworks, 0) as num_homeworks,
    cast(avg_gpa as double) as avg_gpa,
    coalesce(num_changes, 0) as num_changes,
    cast(attendance_rate as double) as attendance_rate,
    cast(submission_rate as double) as submission_rate,
    num_failures,
    lead(if(num_failures > 0 or avg_gpa < 2, 1, 0)) over student_terms as is_at_risk,
    lead(marks.school_year) over student_terms as label_school_year
from marks
inner join core.dim_term on marks.term_id = dim_term.term_id
left join courses on marks.student_id = courses.student_id and marks.term_id = courses.term_id
left join homeworks on marks.student_id = homeworks.student_id and marks.term_id = homeworks.term_id
left join changes on marks.student_id = changes.student_id and marks.term_id = changes.term_id
left join attendance
    on marks.student_id = attendance.student_id and marks.term_id = attendance.term_id
window student_terms as (partition by marks.student_id order by dim_term.start_date)
"""


def with_known_features(features: pd.DataFrame) -> pd.DataFrame:
    """Return the features with the median in place of what is not known, no other column."""
    known = features[FEATURES].astype(float)
    return known.fillna(known.median()).fillna(0.0)


def cluster(features: pd.DataFrame) -> pd.DataFrame:
    """Put each student's latest term into one of four segments, by standardised features.

    Returns student_id and cluster (0 to 3), numbered by rising mean of avg_gpa.
    Raises DistrictError when there are fewer students than segments.
    """
    latest = features.sort_values("term_start_date").groupby("student_id").tail(1)
    if len(latest) < CLUSTERS:
        raise DistrictError(
            f"{len(latest)} students have course marks; {CLUSTERS} segments need more",
            "land a gradebook with course or term marks, then build",
        )
    scaled = StandardScaler().fit_transform(with_known_features(latest))
    found = KMeans(CLUSTERS, random_state=SEED, n_init=10).fit_predict(scaled)
    order = latest.groupby(found)["avg_gpa"].mean().sort_values().index
    number = {old: new for new, old in enumerate(order)}
    return pd.DataFrame(
        {"student_id": latest["student_id"], "cluster": [number[one] for one in found]}
    )


def split_by_year(features: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the labelled rows of earlier school years, and those of the last one.

    Raises DistrictError when either has only one kind of label.
    """
    labelled = features.dropna(subset=["is_at_risk"])
    last = labelled["label_school_year"].max()
    train = labelled[labelled["label_school_year"] < last]
    test = labelled[labelled["label_school_year"] == last]
    if train["is_at_risk"].nunique() < 2 or test["is_at_risk"].nunique() < 2:
        raise DistrictError(
            "the tree needs course marks of two school years, with students at risk in both",
            "land more history; segments (ml.student_clusters) are written already",
        )
    return train, test


def train_tree(train: pd.DataFrame) -> DecisionTreeClassifier:
    """Fit the readable tree: depth 3, both kinds of students weighing the same."""
    tree = DecisionTreeClassifier(
        max_depth=TREE_DEPTH, class_weight="balanced", min_samples_leaf=10, random_state=SEED
    )
    return tree.fit(with_known_features(train), train["is_at_risk"].astype(int))


def evaluate(test: pd.DataFrame, risk: pd.Series) -> dict[str, float]:
    """Return the measures at risk >= 0.5; the rule to beat flags who failed or is below 2.0 now."""
    actual = test["is_at_risk"].astype(int)
    flagged = (risk >= 0.5).astype(int)
    rule = ((test["num_failures"] > 0) | (test["avg_gpa"] < 2)).astype(int)
    return {
        "student_count": float(len(test)),
        "at_risk_share": float(actual.mean()),
        "roc_auc": float(roc_auc_score(actual, risk)),
        "precision": float(precision_score(actual, flagged, zero_division=0)),
        "recall": float(recall_score(actual, flagged, zero_division=0)),
        "rule_roc_auc": float(roc_auc_score(actual, rule)),
        "rule_precision": float(precision_score(actual, rule, zero_division=0)),
        "rule_recall": float(recall_score(actual, rule, zero_division=0)),
    }


def _write(spark: SparkSession, frame: pd.DataFrame, name: str) -> None:
    spark.createDataFrame(frame).write.format("delta").mode("overwrite").option(
        "overwriteSchema", "true"
    ).saveAsTable(f"ml.{name}")


def command() -> None:
    """Build features, segments and the decision tree; print how well it does."""
    spark = get_spark()
    if not spark.catalog.tableExists("core.fact_grade"):
        raise DistrictError("the star schema is not built yet", "run: district build")
    if not spark.catalog.databaseExists("ml"):
        spark.sql("create schema ml")
    with progress("Building features"):
        spark.sql(FEATURES_SQL).write.format("delta").mode("overwrite").option(
            "overwriteSchema", "true"
        ).saveAsTable("ml.student_features")
        features = spark.table("ml.student_features").toPandas()
    with progress("Segmenting students"):
        segments = cluster(features)
        _write(spark, segments, "student_clusters")
    with progress("Learning who is at risk"):
        train, test = split_by_year(features)
        tree = train_tree(train)
        risk = pd.Series(tree.predict_proba(with_known_features(test))[:, 1], index=test.index)
        metrics = evaluate(test, risk)
        predictions = test[["student_id", "term_id", "is_at_risk"]].assign(
            risk=risk, is_flagged=(risk >= 0.5)
        )
        matrix = confusion_matrix(test["is_at_risk"].astype(int), risk >= 0.5, labels=[0, 1])
        cells = [
            {"is_at_risk": actual, "is_flagged": flagged, "row_count": int(matrix[actual][flagged])}
            for actual in (0, 1)
            for flagged in (0, 1)
        ]
        rules = export_text(tree, feature_names=FEATURES).splitlines()
        _write(spark, predictions, "dt_predictions")
        _write(spark, pd.DataFrame(cells), "dt_confusion_matrix")
        _write(spark, pd.DataFrame(metrics.items(), columns=["metric", "value"]), "dt_metrics")
        _write(spark, pd.DataFrame({"line": range(len(rules)), "rule": rules}), "dt_tree_debug")
    if metrics["roc_auc"] <= metrics["rule_roc_auc"]:
        err.print("The tree does not beat the plain rule (failed a course, or GPA below 2.0).")
    print_table(
        f"Decision tree, tested on school year {int(test['label_school_year'].max())}",
        ["metric", "value"],
        [[name, round(value, 3)] for name, value in metrics.items()],
    )


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
