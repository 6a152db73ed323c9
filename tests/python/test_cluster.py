"""A cluster that loses a worker makes the tables that a laptop makes; slow, so: make test-slow."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pyspark
import pytest
from pyhive import hive
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from servers import free_port, is_open, started, wait_until

from python_jobs.serving.metastore import VARIABLES, make_database, make_tables
from python_jobs.serving.server import Server, find_programs

pytestmark = pytest.mark.slow

SPARK = Path(pyspark.__file__).parent
DISTRICT = str(Path(sys.executable).with_name("district"))
RUN = [DISTRICT, "run", "--preset", "seed"]
MINUTES = 60  # seconds
VOLATILE = {  # when something was done, and ids that are made of that
    "batch_id", "checked_at", "dbt_scd_id", "finished_at", "invocation_id", "landed_at",
    "last_batch_id", "released_at", "run_id", "tested_at", "up_to_batch_id",
}  # fmt: skip


@dataclass
class Cluster:
    """A master, two workers, and what a process needs to know of them."""

    environment: dict[str, str]
    workers: list[subprocess.Popen[bytes]]
    folder: Path


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    if find_programs() is None:
        pytest.skip("PostgreSQL 15 or later is not on this machine")
    folder = Path(tempfile.mkdtemp(prefix="district-"))
    folder.chmod(0o755)
    server = Server(folder / "pg", free_port())
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(server.stop)
        server.start()
        metastore = (f"jdbc:postgresql://127.0.0.1:{server.port}/metastore", "metastore", "secret")
        with server.as_administrator("postgres") as connection:
            make_database(connection, metastore[2])
        make_tables(*metastore)
        make_tables(*metastore)  # again: it changes nothing
        port = free_port()
        environment = os.environ | {
            **dict(zip(VARIABLES, metastore, strict=True)),
            "WAREHOUSE_DIR": str(folder / "cluster"),
            "DISTRICT_TARGET": "cluster",
            "DISTRICT_DRIVER_MEMORY": "2g",
            "PYSPARK_PYTHON": sys.executable,
            "SHUFFLE_PARTITIONS": "2",
            "SNAPSHOT_PARTITIONS": "2",
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_MASTER": f"spark://127.0.0.1:{port}",
        }

        def start(name: str, *arguments: str) -> subprocess.Popen[bytes]:
            kind = f"org.apache.spark.deploy.{name}"
            shared = ["--host", "127.0.0.1", "--webui-port", "0"]
            command = [str(SPARK / "bin" / "spark-class"), kind, *shared, *arguments]
            log = folder / f"{kind}{len(workers)}.log"
            return stack.enter_context(started(command, environment, log))

        workers: list[subprocess.Popen[bytes]] = []
        master = start("master.Master", "--port", str(port))
        wait_until(
            lambda: is_open(port), master, folder / "org.apache.spark.deploy.master.Master0.log"
        )
        for number in range(2):
            work = ["--cores", "1", "--memory", "1g", "--work-dir", str(folder / f"work{number}")]
            workers.append(start("worker.Worker", *work, environment["SPARK_MASTER"]))
        yield Cluster(environment, workers, folder)


def test_a_cluster_that_loses_a_worker_makes_the_same_tables(
    cluster: Cluster, spark: SparkSession
) -> None:
    folder = cluster.folder
    laptop = os.environ | {"WAREHOUSE_DIR": str(folder / "laptop"), "DISTRICT_TARGET": "laptop"}
    log = folder / "run.log"
    built = folder / "cluster" / "tables" / "core.db"
    port = free_port()
    with started(RUN, cluster.environment, log) as run:
        wait_until(lambda: len(list(built.glob("*"))) > 3, run, log, 30 * MINUTES)
        executors = list((folder / "work1").glob("app-*/*"))
        assert executors, "the worker that is to be killed had no work"
        cluster.workers[1].kill()
        # Meanwhile others read the same warehouse, through the same metastore.
        thrift = cluster.environment | {"DISTRICT_TARGET": "server", "DISTRICT_DRIVER_MEMORY": "1g"}
        serve = [DISTRICT, "serve", "thrift", "--port", str(port)]
        with started(serve, thrift, folder / "thrift.log") as server:
            wait_until(lambda: is_open(port), server, folder / "thrift.log")
            with closing(hive.connect("127.0.0.1", port)) as connection:
                cursor = connection.cursor()
                cursor.execute("select count(*) from raw.batches")
                assert cursor.fetchall()[0][0] > 0
            assert run.poll() is None, "the run was over before others read"
        assert run.wait(60 * MINUTES) == 0, log.read_text()
    with started(RUN, laptop, folder / "laptop.log") as run:
        assert run.wait(30 * MINUTES) == 0, (folder / "laptop.log").read_text()

    different = differences(spark, folder / "cluster" / "tables", folder / "laptop" / "tables")
    assert different == {}


def differences(spark: SparkSession, ours: Path, theirs: Path) -> dict[str, list[str]]:
    """Return tables that are not the same, with the columns in which they differ."""
    names = tables_in(ours)
    assert names == tables_in(theirs)
    assert len(names) > 50
    found = {}
    for name in names:
        frames = [spark.read.format("delta").load(str(folder / name)) for folder in (ours, theirs)]
        columns = [c for c in frames[0].columns if c not in VOLATILE]
        if hash_of(frames[0], columns) != hash_of(frames[1], columns):
            apart = [c for c in columns if hash_of(frames[0], [c]) != hash_of(frames[1], [c])]
            found[name] = apart or ["how columns belong together"]
    return found


def tables_in(folder: Path) -> list[str]:
    logs = folder.glob("*.db/*/_delta_log")
    return sorted(str(log.parent.relative_to(folder)) for log in logs)


def hash_of(frame: DataFrame, columns: list[str]) -> Row:
    """Return rows and the sum of their hashes; a row is written as text, as maps have no hash."""
    of_row = F.xxhash64(F.to_json(F.struct(*columns))).cast("decimal(38, 0)")
    return frame.agg(F.count("*"), F.sum(of_row)).collect()[0]
