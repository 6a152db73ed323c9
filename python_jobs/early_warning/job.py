"""The work of `district ml`: read a release, train or score, write tables and reports."""

from pathlib import Path
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession

from python_jobs.console import err, print_table, progress
from python_jobs.early_warning import (
    clusters,
    data,
    drift,
    figures,
    reports,
    spark_models,
    tables,
    training,
)
from python_jobs.early_warning.models import PARAMETERS, SEED, TREE
from python_jobs.errors import DistrictError


def minimum_shown(spark: SparkSession) -> int:
    """Return the publication threshold min_n."""
    rows = spark.sql(
        "select max(value) as value from reference.kpi_thresholds "
        "where kpi = 'publication' and threshold = 'min_n'"
    ).collect()
    return int(rows[0].value)


def train(
    spark: SparkSession,
    release: data.Release,
    frame: pd.DataFrame,
    share: float,
    output: Path,
    engine: str,
) -> None:
    """Train, test, write tables and reports; without enough data, what needs no outcome."""
    run = tables.start_run(spark, "train", release, engine)
    min_n = minimum_shown(spark)
    latest = data.latest_cut(frame)
    with progress("Segmenting students"):
        centres = None
        if engine == data.SPARK and len(latest) >= 2 * clusters.CLUSTERS:
            centres = spark_models.cluster_centres(spark_models.students_of_today(spark, release))
        segments = clusters.find_clusters(latest, centres)
    missing = data.shortcomings(frame)
    results = None
    if not missing:
        with progress("Training and testing"):
            models = None
            if engine == data.SPARK:
                split = data.split_by_year(frame)
                rows = spark_models.learning_rows(spark, release, split.test_year)
                models = spark_models.train_all(rows, split.train)
            results = training.train(frame, share, min_n, models)
            if engine == data.SPARK:
                results.learned_rows = rows.count()
                results.parameters = parameters_of(engine)[results.best.name]
    with progress("Writing tables"):
        found = [of_segments(run, segments)]
        if results:
            found += of_results(run, results, frame)
        tables.write_tables(spark, found)
        if results:
            write_model(spark, run, results)
        else:
            write_no_model(spark, run, missing)
    with progress("Drawing reports"):
        drawn = figures.of_segments(segments, latest, min_n)
        if results:
            drawn |= figures.of_models(results, min_n)
        reports.write_pictures(output, drawn)
        for name in figures.OF_MODELS - drawn.keys():
            for kind in reports.KINDS:
                (output / f"{name}.{kind}").unlink(missing_ok=True)
        readme = reports.readme(release, segments, results, missing, drawn, min_n)
        (output / "README.md").write_text(readme)
        card = output / "MODEL_CARD.md"
        card.unlink(missing_ok=True)
        if results:
            card.write_text(reports.model_card(release, results, min_n, run.run_id))
    if results is None:
        err.print("No model was trained: too little data.")
        for one in missing:
            err.print(f"  missing: {one}", soft_wrap=True)
        err.print("Segments of the students are written all the same.")
    else:
        show(results)
    err.print(f"Open {output / 'index.html'} in a browser", soft_wrap=True)


def of_segments(run: tables.Run, segments: clusters.Segments) -> tables.Written:
    students = segments.students.assign(release_id=run.release.release_id, run_id=run.run_id)
    return tables.Written("student_clusters", students)


def of_results(
    run: tables.Run, results: training.Results, frame: pd.DataFrame
) -> list[tables.Written]:
    """Return what a training found; scores and reasons of earlier releases stay."""
    test, tree = results.split.test, results.models[TREE]
    tested = test[["student_id", "cut_id"]].assign(is_at_risk=test[data.LABEL].astype(bool))
    of_tree = results.confusion[results.confusion["model"] == TREE]
    written = {
        "dt_predictions": tested.assign(
            risk=results.tree_risk, is_flagged=results.flags[TREE, training.CAPACITY]
        ),
        "dt_confusion_matrix": of_tree.drop(columns="model"),
        "dt_metrics": results.metrics[results.metrics["model"] == TREE].drop(columns="model"),
        "dt_tree_debug": training.tree_nodes(tree, results.split.train),
        "early_warning_metrics": pd.concat(
            [
                results.metrics.assign(school_year=results.split.test_year),
                results.years.rename(columns={"roc_auc": "value"}).assign(
                    metric="roc_auc_of_year", guidance="By a model of the years before it."
                ),
            ],
            ignore_index=True,
        ),
        "early_warning_fairness": results.fairness,
        "early_warning_calibration": results.calibration,
        "early_warning_defects": results.defects,
    }
    found = [tables.Written(name, rows.assign(run_id=run.run_id)) for name, rows in written.items()]
    scores, reasons = training.score(results.best, frame, results.capacity)
    return found + of_scores(run, run.run_id, scores, reasons)


def parameters_of(engine: str) -> dict[str, Any]:
    return dict(spark_models.PARAMETERS if engine == data.SPARK else PARAMETERS)


def write_model(spark: SparkSession, run: tables.Run, results: training.Results) -> None:
    """Keep the model that won, then the line that says how it was made."""
    tables.save_model(
        spark,
        run,
        {
            "model": results.best,
            "reference": results.reference,
            "capacity": results.capacity,
            "engine": run.engine,
        },
    )
    own = results.metrics[results.metrics["model"] == results.best.name]
    tables.write_run(
        spark,
        run,
        {
            "label": data.LABEL,
            "model_name": results.best.name,
            "parameters": parameters_of(run.engine) | {"capacity": results.capacity},
            "seeds": {"models": SEED, "clusters": clusters.SEED},
            "metrics": dict(zip(own["metric"], own["value"], strict=True)),
            "warning": results.warning,
        },
    )


def write_no_model(spark: SparkSession, run: tables.Run, missing: list[str]) -> None:
    """Keep the line of a run that had too little data: segments were written, no model."""
    details = {
        "label": data.LABEL,
        "model_name": None,
        "parameters": {},
        "seeds": {"clusters": clusters.SEED},
        "metrics": {},
        "warning": "too little data: " + "; ".join(missing),
    }
    tables.write_run(spark, run, details)


def of_scores(
    run: tables.Run, model_run_id: int, scores: pd.DataFrame, reasons: pd.DataFrame
) -> list[tables.Written]:
    """Return scores and reasons, under the release that they were made from."""
    pinned = {
        "release_id": run.release.release_id,
        "run_id": run.run_id,
        "model_run_id": model_run_id,
    }
    return [
        tables.Written(f"early_warning_{name}", table.assign(**pinned), run.release.release_id)
        for name, table in (("scores", scores), ("reasons", reasons))
    ]


def score_today(
    spark: SparkSession, release: data.Release, frame: pd.DataFrame, share: float, limit: float
) -> None:
    """Score the students of today with the last model that was trained.

    Raises DistrictError when there is none, or a feature has drifted beyond the limit.
    """
    loaded = tables.load_model(spark)
    run = tables.start_run(spark, "score", release, loaded.get("engine", data.SCIKIT_LEARN))
    model = loaded["model"]
    with progress("Comparing with the students learned from"):
        today = data.latest_cut(frame)
        psi = drift.stability(loaded["reference"], today)
        drifted = psi[psi["psi"] > limit + psi["by_chance"]]
    if len(drifted):
        worst = ", ".join(f"{row.feature} {row.psi:.2f}" for row in data.rows_of(drifted.head(5)))
        raise DistrictError(
            f"{len(drifted)} features have drifted beyond a PSI of {limit:g} and chance: {worst}",
            "look at the data of these features; if they are right, train anew: district ml",
        )
    with progress("Scoring"):
        scores, reasons = training.score(model, frame, share)
        tables.write_tables(spark, of_scores(run, loaded["run_id"], scores, reasons))
        details: dict[str, Any] = {
            "label": data.LABEL,
            "model_name": model.name,
            "parameters": {"capacity": share, "psi_limit": limit},
            "seeds": {},
            "metrics": dict(zip(psi["feature"] + ".psi", psi["psi"], strict=True)),
        }
        tables.write_run(spark, run, details)
    err.print(
        f"{len(scores):,} students scored by the model of run {loaded['run_id']}, "
        f"{int(scores['is_flagged'].sum()):,} flagged; largest drift {psi['psi'].max():.2f} "
        f"of {len(psi)} features compared",
        soft_wrap=True,
    )


def show(results: training.Results) -> None:
    """Print the verdict first, then the measures of each model."""
    if results.warning:
        err.print(results.warning, soft_wrap=True)
    wide = results.metrics.pivot_table(index="metric", columns="model", values="value", sort=False)
    rows = [
        [name, *(None if pd.isna(one) else round(float(one), 3) for one in row)]
        for name, row in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    print_table(f"Tested on school year {results.split.test_year}", ["metric", *wide.columns], rows)
