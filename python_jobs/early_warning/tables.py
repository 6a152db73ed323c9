"""Tables of schema ml that are written here; those of dbt are in models/ml."""

import hashlib
import io
import json
import platform
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from python_jobs.early_warning.data import FEATURES, Release
from python_jobs.errors import DistrictError
from python_jobs.spark import PROJECT

RUNS = "ml.model_runs"
PARALLEL_TABLES = 4
FILES = "ml.model_files"
PACKAGES = ("fairlearn", "numpy", "pandas", "pyspark", "scikit-learn", "scipy", "shap")
FEATURE_CODE = "models/ml"
CODE = ("python_jobs/early_warning", FEATURE_CODE)
# Columns about a student, of any table here: they say so in their comments (docs/privacy.md).
PERSONAL = {"student_id": "identifier"} | dict.fromkeys(
    (
        "cluster", "cluster_name", "risk", "is_at_risk", "is_flagged", "risk_rank", "rule_level",
        "feature_value", "contribution", "reason", "decision", "support_given", "outcome",
    ),
    "sensitive",
)  # fmt: skip
RUN_COLUMNS = (
    "run_id int, started_at timestamp, kind string, release_id int, tested_at timestamp, "
    "as_of_date date, table_versions string, engine string, label string, model_name string, "
    "code_version string, code_hash string, parameters string, seeds string, packages string, "
    "metrics string, warning string"
)


@dataclass(frozen=True)
class Run:
    """One run: what it read, with what it was made, and what came out; a row of ml.model_runs."""

    run_id: int
    started_at: datetime
    kind: str  # train or score
    release: Release
    engine: str

    def row(self, details: Mapping[str, Any]) -> tuple[Any, ...]:
        """Return the row; details: the columns from label on that the run knows."""
        release = self.release
        return (
            self.run_id, self.started_at, self.kind, release.release_id, release.tested_at,
            release.as_of_date, to_json(release.versions), self.engine, details["label"],
            details["model_name"], code_version(), code_hash(), to_json(details["parameters"]),
            to_json(details["seeds"]), to_json(packages()), to_json(details["metrics"]),
            details.get("warning"),
        )  # fmt: skip


def start_run(spark: SparkSession, kind: str, release: Release, engine: str) -> Run:
    last = 0
    if spark.catalog.tableExists(RUNS):
        last = spark.table(RUNS).agg({"run_id": "max"}).collect()[0][0] or 0
    return Run(last + 1, datetime.now(UTC).replace(microsecond=0), kind, release, engine)


def write_run(spark: SparkSession, run: Run, details: Mapping[str, Any]) -> None:
    frame = spark.createDataFrame([run.row(details)], RUN_COLUMNS).coalesce(1)
    frame.write.format("delta").mode("append").saveAsTable(RUNS)


def packages() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}


def code_version() -> str:
    """Return git's commit, with + when files differ from it; the version without git."""
    try:
        shown = subprocess.run(
            ["git", "describe", "--always", "--dirty=+", "--abbrev=12"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        return shown.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return version("school-district-warehouse")


def code_hash() -> str:
    """Return a hash of the code that makes features and models."""
    return hash_of(*CODE)


def hash_of(*folders: str) -> str:
    found = hashlib.sha256()
    for folder in folders:
        for path in sorted(Path(PROJECT, folder).rglob("*")):
            if path.suffix in (".py", ".sql"):
                found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()[:16]


def to_json(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=_plain)


def _plain(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else str(value)


@dataclass(frozen=True)
class Written:
    """Rows of a table of schema ml: all of it, or those of a release when one is named."""

    name: str
    rows: pd.DataFrame
    release_id: int | None = None


def write_tables(spark: SparkSession, found: list[Written]) -> None:
    """Replace tables, or rows of them; NaN is null."""

    def write(one: Written) -> None:
        writer = marked(spark, one.rows).coalesce(1).write.format("delta").mode("overwrite")
        table = f"ml.{one.name}"
        if one.release_id is not None and spark.catalog.tableExists(table):
            writer = writer.option("replaceWhere", f"release_id = {one.release_id}")
        else:
            writer = writer.option("overwriteSchema", "true")
        writer.saveAsTable(table)

    with ThreadPoolExecutor(PARALLEL_TABLES) as pool:
        list(pool.map(write, found))


def marked(spark: SparkSession, rows: pd.DataFrame) -> DataFrame:
    """Return the rows as Spark's, columns about a student with a comment that says so."""
    frame = spark.createDataFrame(pa.Table.from_pandas(rows, preserve_index=False))
    if "student_id" in rows:
        for name in frame.columns:
            if name in PERSONAL:
                frame = frame.withMetadata(name, {"comment": f"personal: {PERSONAL[name]}"})
    return frame


def merge_table(spark: SparkSession, name: str, rows: pd.DataFrame, key: list[str]) -> None:
    """Put rows in the place of those with the same key; all others stay."""
    table = f"ml.{name}"
    frame = marked(spark, rows)
    if not spark.catalog.tableExists(table):
        frame.coalesce(1).write.format("delta").saveAsTable(table)
        return
    same = " and ".join(f"kept.{column} = brought.{column}" for column in key)
    frame.createOrReplaceTempView("brought")
    spark.sql(
        f"merge into {table} as kept using brought on {same} "
        "when matched then update set * when not matched then insert *"
    )
    spark.catalog.dropTempView("brought")


def save_model(spark: SparkSession, run: Run, parts: Mapping[str, Any]) -> None:
    """Keep a model beside its run, as one row: it lives, and is backed up, with the warehouse."""
    content = io.BytesIO()
    joblib.dump(dict(parts) | made_from(), content, compress=3)
    data = content.getvalue()
    frame = spark.createDataFrame(
        [(run.run_id, bytearray(data), hashlib.sha256(data).hexdigest(), version("scikit-learn"))],
        "run_id int, content binary, sha256 string, scikit_learn string",
    )
    frame.coalesce(1).write.format("delta").mode("append").saveAsTable(FILES)


def made_from() -> dict[str, Any]:
    """Return what a model is tied to: the features, and a hash of the SQL that makes them."""
    return {"features": FEATURES, "feature_code": hash_of(FEATURE_CODE)}


def load_model(spark: SparkSession) -> dict[str, Any]:
    """Return the last model that was trained, with its run_id.

    Raises DistrictError when there is none, it was changed, another scikit-learn has made it, or
    its features are made in another way now.
    """
    again = "train one: district ml"
    if not spark.catalog.tableExists(FILES):
        raise DistrictError("no model is trained yet", again)
    row = spark.sql(f"select * from {FILES} order by run_id desc limit 1").collect()[0]
    if hashlib.sha256(row.content).hexdigest() != row.sha256:
        raise DistrictError(f"the model of run {row.run_id} is damaged", again)
    if row.scikit_learn != version("scikit-learn"):
        raise DistrictError(
            f"the model of run {row.run_id} was made with scikit-learn {row.scikit_learn}, "
            f"this is {version('scikit-learn')}",
            again,
        )
    loaded: dict[str, Any] = joblib.load(io.BytesIO(bytes(row.content)))
    for name, value in made_from().items():
        if loaded.get(name) != value:
            raise DistrictError(
                f"the model of run {row.run_id} has learned from features that were made in "
                f"another way ({FEATURE_CODE} has changed)",
                again,
            )
    return loaded | {"run_id": row.run_id}
