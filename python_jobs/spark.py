"""The one place that opens a Spark session, from the same profile that dbt uses."""

import logging
import os
import re
import shutil
import subprocess
import sys
from bisect import bisect
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import yaml
from delta.tables import DeltaTable
from filelock import FileLock, Timeout
from pyspark.errors.exceptions.captured import CapturedException
from pyspark.sql import SparkSession

from python_jobs.errors import DistrictError

# What Spark says of a value that it cannot read holds the value, which may be a name.
_VALUE_ERROR = re.compile(r"(\[[A-Z_.0-9]+\]).*?(SQLSTATE: (?:22|23|P0)\w{3})", re.DOTALL)
_said_by_spark = CapturedException.__str__


def without_values(text: str) -> str:
    """Return what Spark says of an error, without the values of rows."""
    return _VALUE_ERROR.sub(r"\1 a value of a row is not what its column needs. \2", text)


CapturedException.__str__ = lambda self: without_values(_said_by_spark(self))  # type: ignore[method-assign]
# PySpark logs failed statements with their values; ours say what went wrong without them.
for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
    logging.getLogger(name).setLevel(logging.CRITICAL + 1)

PROJECT = Path(__file__).resolve().parent.parent
PROFILE = "school_district_warehouse"
METASTORE_URL = "spark.hadoop.javax.jdo.option.ConnectionURL"
MINIMUM_JAVA = 17
MINIMUM_FREE_BYTES = 200 * 1024 * 1024
SIZES = (300_000, 10_000_000)  # rows of all raw tables: fewer are small, more are large
# What Spark does to be quick on large data costs more than it saves while tables are smaller.
BY_SIZE = {  # setting: (small, medium, large)
    "spark.sql.codegen.wholeStage": ("false", "true", "true"),
    "spark.sql.codegen.factoryMode": ("NO_CODEGEN", "FALLBACK", "FALLBACK"),
    "spark.sql.adaptive.enabled": ("false", "false", "true"),
    "spark.sql.shuffle.partitions": ("1", "2", "4"),
    # False: rows that lie together by student are not moved again to be joined by more columns.
    "spark.sql.requireAllClusterKeysForCoPartition": ("false", "false", "true"),
    "spark.databricks.delta.stats.skipping": ("false", "true", "true"),
    "spark.databricks.delta.writeChecksumFile.enabled": ("false", "true", "true"),
    "spark.databricks.delta.properties.defaults.enableDeletionVectors": ("false", "true", "true"),
}


def profiles_dir() -> Path:
    return Path(os.environ.get("DBT_PROFILES_DIR", PROJECT / "profiles"))


def warehouse_dir() -> Path:
    """Return the warehouse folder as an absolute path, and tell Spark and dbt of it."""
    path = Path(os.environ.get("WAREHOUSE_DIR", PROJECT / "warehouse")).absolute()
    os.environ["WAREHOUSE_DIR"] = str(path)
    return path


def profile() -> tuple[str, dict[str, Any]]:
    """Return the chosen target's name and its settings, with environment variables filled in."""
    path = profiles_dir() / "profiles.yml"
    if not path.is_file():
        raise DistrictError(f"no profile at {path}", "set DBT_PROFILES_DIR to its folder")
    warehouse_dir()
    template = jinja2.Environment(autoescape=False).from_string(path.read_text())
    text = template.render(env_var=lambda name, default="": os.environ.get(name, default))
    chosen = yaml.safe_load(text)[PROFILE]
    target, outputs = chosen["target"], chosen["outputs"]
    if target not in outputs:
        raise DistrictError(
            f"target {target!r} is not in {path}",
            f"choose one of: {', '.join(outputs)}",
        )
    return target, outputs[target]


def uses_embedded_metastore(settings: dict[str, Any]) -> bool:
    url = settings["server_side_parameters"].get(METASTORE_URL, "")
    return str(url).startswith("jdbc:derby:")


def java_version() -> int:
    """Return Java's major version. Raises DistrictError when there is none, or it is too old."""
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    hint = "install Java 17 or later (Debian: apt-get install openjdk-17-jre-headless)"
    if not java or not Path(java).is_file():
        raise DistrictError("Java was not found (JAVA_HOME and PATH were searched)", hint)
    shown = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)
    match = re.search(r'version "(?:1\.)?(\d+)', shown.stderr + shown.stdout)
    if not match:
        raise DistrictError(f"{java} does not tell its version", hint)
    if int(match[1]) < MINIMUM_JAVA:
        raise DistrictError(f"Java {match[1]} is too old for Spark 4 ({java})", hint)
    return int(match[1])


def check_jars() -> None:
    """Raise DistrictError when Delta's jars are not beside Spark's own."""
    import pyspark

    jars = Path(pyspark.__file__).parent / "jars"
    if not list(jars.glob("delta-spark_*.jar")):
        raise DistrictError(f"Delta's jars are not in {jars}", "run: make setup")


def free_bytes(path: Path) -> int:
    """Return the free space where `path` is or would be made."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def check_disk(path: Path) -> None:
    free = free_bytes(path)
    if free < MINIMUM_FREE_BYTES:
        raise DistrictError(
            f"only {free // 2**20} MiB of disk are free at {path}",
            f"free at least {MINIMUM_FREE_BYTES // 2**20} MiB, or set WAREHOUSE_DIR elsewhere",
        )


def check_format() -> None:
    """Raise DistrictError when a newer Delta than ours has written the warehouse."""
    marker = warehouse_dir() / "delta.version"
    if not marker.is_file():
        return
    theirs, ours = marker.read_text().strip(), version("delta-spark")
    if _release(theirs) > _release(ours):
        raise DistrictError(
            f"the warehouse {marker.parent} was written by Delta {theirs}, this is {ours}",
            "update this project, or use a new warehouse (--warehouse FOLDER)",
        )


def _release(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


@cache
def lock_warehouse() -> FileLock:
    """Take the warehouse for this process until it ends.

    The operating system holds the lock, so a dead process's lock file never blocks anybody.
    Raises DistrictError at once when another process has it.
    """
    folder = warehouse_dir()
    folder.mkdir(parents=True, exist_ok=True)
    owner = folder / "lock.owner"
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DistrictError(
            f"another process has the warehouse {folder} open ({owner.read_text().strip()})",
            "wait until it ends, or use the target server, which many processes share",
        ) from None
    owner.write_text(f"process {os.getpid()}: {Path(sys.argv[0]).name} {' '.join(sys.argv[1:2])}")
    return lock


def prepare() -> dict[str, Any]:
    """Check the machine, take the lock if the metastore is embedded, return Spark's settings."""
    _, settings = profile()
    java_version()
    check_jars()
    os.environ.setdefault("SPARK_CONF_DIR", str(profiles_dir()))  # log4j2.properties
    url = settings["server_side_parameters"].get(METASTORE_URL)
    if url == "":
        raise DistrictError(
            "METASTORE_URL does not name the metastore of this target",
            'make one: eval "$(district serve metastore)"',
        )
    if uses_embedded_metastore(settings):
        check_format()
        check_disk(warehouse_dir())
        lock_warehouse()
        (warehouse_dir() / "delta.version").write_text(version("delta-spark"))
    return {name: str(value) for name, value in settings["server_side_parameters"].items()}


def get_spark() -> SparkSession:
    """Return the running session, or open one as the profile says.

    Raises DistrictError when Java, the jars, disk space or the warehouse's lock cannot be had.
    """
    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    builder = SparkSession.builder.enableHiveSupport()
    for name, value in prepare().items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def table_version(spark: SparkSession, table: str) -> tuple[int, datetime]:
    """Return a Delta table's version and its time, from the log itself: `describe history` is slow.

    The time is naive, as Spark's rows have it.
    """
    log: Any = DeltaTable.forName(spark, table)._jdt.deltaLog()  # noqa: SLF001
    none = spark.sparkContext._jvm.scala.Option.empty()  # type: ignore[union-attr]  # noqa: SLF001
    snapshot = log.update(False, none, none)
    return int(snapshot.version()), datetime.fromtimestamp(snapshot.timestamp() / 1000)  # noqa: DTZ006


def fit_to_size(spark: SparkSession, rows: int) -> None:
    """Set Spark up for so many rows; what the profile itself sets, stays."""
    given = spark.sparkContext.getConf()
    size = bisect(SIZES, rows)
    for name, values in BY_SIZE.items():
        if not given.contains(name):
            spark.conf.set(name, values[size])
