"""Compare a model's ranking with the best possible: the risk that synthetic students truly have.

    district land synthetic --preset demo && district build && district release
    python bench/early_warning_truth.py

Fails when the AUC on the test year is 0.03 or more below that of the generator's own risk, or above
it beyond chance, for then the draws do not tell the risk. Few draws rank students worse than their
true risk does, which flatters the model: with 12, a best possible AUC of 0.83 comes out as 0.78.
The same students sit in the same courses many times, and only what nobody could know before the
term is drawn anew: moods, luck, what is handed in, and when.
"""

import argparse
import sys
from dataclasses import replace

import pandas as pd
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from python_jobs.early_warning.data import LABEL, read_frame, read_release, split_by_year
from python_jobs.early_warning.evaluation import Bootstrap, Ranking
from python_jobs.early_warning.models import PARAMETERS, best_of, train_model
from python_jobs.landing.synthetic_gradebook import grades
from python_jobs.landing.synthetic_plan import District, Export
from python_jobs.landing.synthetic_roster import students
from python_jobs.spark import fit_to_size, get_spark

DROPS = (0.06, 0.08, -0.7)  # of the first term: share, and how many more below which ability
GPA_AT_RISK = 2.0
LIMIT = 0.03


def true_risk(
    spark: SparkSession, district: District, school_year: int, draws: int
) -> pd.DataFrame:
    """Return student_id, label_term_id, true_risk: how often a student gets into trouble.

    In trouble: an F, a mean of grade points below 2.0, or a drop (by its known chance); as a
    share of the draws of one school year.
    """
    points = spark.table("reference.letter_grade_points").where("scale_id = 'plus_minus'")
    points = points.select("letter", "points").dropDuplicates(["letter"])
    parts = []
    for draw in range(1, draws + 1):
        export = Export(replace(district, luck=draw), school_year)
        marks = grades(spark, export).where("assignment_id is null").join(points, "letter")
        in_trouble = F.expr(f"int(count_if(letter = 'F') > 0 or avg(points) < {GPA_AT_RISK})")
        parts.append(marks.groupBy("student_id", "term_id").agg(in_trouble.alias("r")).toPandas())
    share = pd.concat(parts).groupby(["student_id", "term_id"], as_index=False)["r"].mean()
    plain = Export(district, school_year)
    rate, more, below = DROPS
    drops = students(spark, plain).selectExpr(
        "student_id", f"{rate} + if(ability < {below}, {more}, 0) as drop_rate"
    )
    joined = share.merge(drops.toPandas(), on="student_id")
    is_first = joined["term_id"] == plain.calendar.terms[0].id
    stays = 1 - joined["drop_rate"].astype(float) * is_first
    joined["true_risk"] = 1 - (1 - joined["r"]) * stays
    named = joined.rename(columns={"term_id": "label_term_id"})
    return pd.DataFrame(named[["student_id", "label_term_id", "true_risk"]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1, help="of the district that has landed")
    arguments = parser.parse_args()
    spark = get_spark()
    fit_to_size(spark, 0)
    split = split_by_year(read_frame(spark, read_release(spark)))
    model = best_of({name: train_model(name, split.train) for name in PARAMETERS})
    district = District.presets(arguments.seed)["demo"]
    truth = true_risk(spark, district, split.test_year, arguments.draws)
    test = split.test.assign(risk=model.risk(split.test))
    test = test.merge(truth, on=["student_id", "label_term_id"])
    label = test[LABEL].to_numpy(int)
    ours, best = (Ranking(label, test[name].to_numpy(float)) for name in ("risk", "true_risk"))
    low, high = Bootstrap(test["student_id"]).intervals(
        lambda weight: {"gap": best.auc(weight) - ours.auc(weight)}
    )["gap"]
    gap = best.auc() - ours.auc()
    print(f"model {ours.auc():.3f}, best possible {best.auc():.3f}")
    print(f"difference {gap:.3f} ({low:.3f} to {high:.3f}), at most {LIMIT}")
    if high < 0:
        print("the model ranks better than the truth: take more --draws")
    sys.exit(int(gap >= LIMIT or high < 0))


if __name__ == "__main__":
    main()
