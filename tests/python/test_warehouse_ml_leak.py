"""No feature sees a day after its cut: later rows are changed at will, and nothing moves."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from lineage import PROJECT, render
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import expr

from python_jobs.dbt_runner import manifest
from python_jobs.early_warning.data import FEATURES, KEY, PROTECTED

VARIABLES = {"jurisdiction": "default", "grading_scale": "plus_minus", "as_of": None}
CUT = "date '2026-01-23'"  # the first term of preset seed ends
# Of each fact: the day that dates a row, and what rows dated later are changed to.
LATER = {
    "fact_grade": ("graded_date", {"points_earned": "0", "grade_numeric": "0", "grade_points": "0",
                                   "grade_letter": "'F'"}),
    "fact_homework": ("due_date", {"submitted_flag": "0", "is_on_time": "false"}),
    "fact_attendance": ("attendance_date", {"is_absent_day": "1", "is_tardy": "true"}),
    "fact_incident": ("cast(occurred_at as date)", {"incident_count": "9"}),
    "fact_communication": ("cast(occurred_at as date)", {"communication_count": "9"}),
    "fact_content_access": ("access_date", {"access_count": "99"}),
    "fact_course_load_change": ("cast(occurred_at as date)", {"change_count": "9"}),
}  # fmt: skip
FIXED = f"cut_date <= {CUT} and cut_type <> 'today'"


def models() -> dict[str, str]:
    """Return the SQL of each model of schema ml, in an order in which each finds its parents."""
    nodes = {n.unique_id: n for n in manifest().nodes.values() if n.schema == "ml"}
    nodes = {key: node for key, node in nodes.items() if node.resource_type == "model"}
    ordered: dict[str, str] = {}
    while len(ordered) < len(nodes):
        for node in nodes.values():
            above = {nodes[one].name for one in node.depends_on.nodes if one in nodes}
            if node.name not in ordered and above <= ordered.keys():
                ordered[node.name] = render(node.raw_code, VARIABLES)
    return ordered


def parents() -> dict[str, str]:
    """Return what the models of ml read of other schemas: name -> schema.name."""
    nodes = manifest().nodes
    ours = [node for node in nodes.values() if node.schema == "ml"]
    names = {one for node in ours for one in node.depends_on.nodes}
    found = [nodes[one] for one in names if nodes[one].schema != "ml"]
    return {node.name: f"{node.schema}.{node.name}" for node in found}


def features(
    spark: SparkSession, changed: dict[str, DataFrame], leak: tuple[str, str] | None = None
) -> DataFrame:
    """Compute the features of cuts up to CUT, some tables replaced.

    leak: a text of the SQL and what stands in its place, to see that the test can fail.
    """
    ours = models()
    if leak:
        assert any(leak[0] in sql for sql in ours.values())
        ours = {name: sql.replace(*leak) for name, sql in ours.items()}
    for name, table in parents().items():
        changed.get(name, spark.table(table)).createOrReplaceTempView(name)
    for name, sql in ours.items():
        spark.sql(sql).localCheckpoint().createOrReplaceTempView(name)
    return spark.table("student_features").where(FIXED)


@pytest.fixture(scope="module")
def views(seed_warehouse: SparkSession) -> Iterator[SparkSession]:
    yield seed_warehouse
    for name in [*parents(), *models()]:
        seed_warehouse.catalog.dropTempView(name)


@pytest.fixture(scope="module")
def untouched(views: SparkSession) -> DataFrame:
    return features(views, {})


def differ(one: DataFrame, other: DataFrame) -> int:
    other = other.select(one.columns)
    return one.exceptAll(other).count() + other.exceptAll(one).count()


def replaced(frame: DataFrame, values: dict[str, str]) -> DataFrame:
    types = {name: frame.schema[name].dataType for name in values}
    return frame.withColumns({name: expr(sql).cast(types[name]) for name, sql in values.items()})


def rewritten(spark: SparkSession) -> dict[str, DataFrame]:
    """Return the facts with all later rows changed, and all that ends later ending at once."""
    changed = without_later(spark)
    for fact, (day, values) in LATER.items():
        later = spark.table(f"core.{fact}").where(f"{day} > {CUT}")
        changed[fact] = changed[fact].unionByName(replaced(later, values))
    enrollments = spark.table("core.fact_enrollment").where(f"begin_date <= {CUT}")
    ends = {"end_date": f"least(end_date, date_add({CUT}, 1))"}
    changed["fact_enrollment"] = replaced(enrollments, ends)
    students = spark.table("core.dim_student")
    soon = "timestamp '2026-02-01'"
    moved = {"effective_from": soon, "school_id": "'elsewhere'", "grade_level": "'12'"}
    changed["dim_student"] = replaced(
        students, {"effective_to": f"least(effective_to, {soon})"}
    ).unionByName(replaced(students.where("is_current"), moved))
    return changed


def without_later(spark: SparkSession) -> dict[str, DataFrame]:
    return {
        fact: spark.table(f"core.{fact}").where(f"not coalesce({day} > {CUT}, false)")
        for fact, (day, _) in LATER.items()
    }


def handed_in_later(spark: SparkSession) -> dict[str, DataFrame]:
    later = "if(submitted_flag = 1, submitted_at, timestamp '2026-02-01')"
    values = {"submitted_at": later, "submitted_flag": "1"}
    return {"fact_homework": replaced(spark.table("core.fact_homework"), values)}


def graded_later(
    spark: SparkSession, day: str = "date '2026-02-02'", chosen: str = "true"
) -> dict[str, DataFrame]:
    """Return the facts as they are when missing work comes in after the cut and is right."""
    homework = spark.table("core.fact_homework").select("student_id", "assignment_id", "due_date")
    grades = spark.table("core.fact_grade")
    columns = grades.columns
    grades = grades.join(homework, ["student_id", "assignment_id"], "left")
    missing = f"coalesce(status = 'not submitted' and {chosen}, false)"
    values = {
        "points_earned": "points_possible",
        "grade_numeric": "100",
        "is_counted": "true",
        "graded_date": day,
        "status": "'fully graded'",
    }
    graded = replaced(grades.where(missing), values).unionByName(grades.where(f"not {missing}"))
    return handed_in_later(spark) | {"fact_grade": graded.select(columns)}


def graded_without_a_day(spark: SparkSession) -> dict[str, DataFrame]:
    """As graded_later; the day on which the homework was due stands for that of its score."""
    return graded_later(spark, "due_date", "due_date is not null")


CHANGES: dict[str, Callable[[SparkSession], dict[str, DataFrame]]] = {
    "changed": rewritten,
    "missing": without_later,
    "handed in after the cut": handed_in_later,
    "graded after the cut": graded_later,
    "graded without a day": graded_without_a_day,
}


def test_features_of_a_cut_are_there(untouched: DataFrame) -> None:
    assert untouched.count() > 0
    known = untouched.selectExpr(*[f"count({name}) as {name}" for name in FEATURES]).collect()[0]
    unknown = {name for name in FEATURES if not known[name]}
    assert unknown <= {"prior_gpa"}  # nobody has a mark before the first term ends


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_dated_after_the_cut_moves_no_feature(
    views: SparkSession, untouched: DataFrame, change: str
) -> None:
    assert differ(untouched, features(views, CHANGES[change](views))) == 0


@pytest.mark.parametrize(
    ("change", "here", "there"),
    [
        (
            "changed",
            "sequence(year_start_date, cut_date)",
            "sequence(year_start_date, current_date())",
        ),
        ("missing", "on marks.graded_date <= cuts.cut_date", "on true"),
        ("handed in after the cut", "homework.submitted_date <= cut_days.cut_date", "true"),
        (
            "graded after the cut",
            "results.until_date > cut_days.cut_date",
            "results.until_date > current_date()",
        ),
        (
            "graded without a day",
            "greatest(scores.graded_date, homework.submitted_date)",
            "scores.graded_date",
        ),
        ("changed", "enrollments.end_date >", "date_sub(enrollments.end_date, 90) >"),
    ],
)
def test_a_feature_that_looks_ahead_is_found(
    views: SparkSession, change: str, here: str, there: str
) -> None:
    leak = (here, there)
    assert differ(features(views, {}, leak), features(views, CHANGES[change](views), leak)) > 0


def test_features_are_those_of_the_contract_and_none_is_protected() -> None:
    node = next(n for n in manifest().nodes.values() if n.name == "student_features")
    made = [name for name, column in node.columns.items() if column.data_type == "double"]
    assert made == FEATURES
    assert not set(PROTECTED) & set(node.columns)
    assert KEY == ["student_id", "cut_id"]


def test_models_of_ml_have_no_file_without_a_node() -> None:
    assert {path.stem for path in Path(PROJECT, "models", "ml").glob("*.sql")} == models().keys()
