"""Each mistake ends with one clear line, exit code 2, and leaves the warehouse as it was."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from python_jobs import check, cli, spark
from python_jobs.errors import DistrictError

Run = namedtuple("Run", ["code", "out", "error"])
Call = Callable[..., Run]


@pytest.fixture
def district(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Run the command line in this process, on a warehouse of its own that does not exist yet."""
    monkeypatch.setenv("WAREHOUSE_DIR", str(tmp_path / "warehouse"))
    monkeypatch.setenv("DISTRICT_TARGET", "laptop")
    monkeypatch.setenv("COLUMNS", "500")
    monkeypatch.setattr(SparkSession, "getActiveSession", lambda: None)

    def run(*arguments: str) -> Run:
        monkeypatch.setattr(sys, "argv", ["district", *arguments])
        spark.lock_warehouse.cache_clear()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return Run(ended.value.code, shown.out, shown.err)

    return run


def bundle(folder: Path, manifest: str | None) -> Path:
    folder.mkdir()
    if manifest is not None:
        (folder / "manifest.csv").write_text(manifest)
    return folder


def test_bundle_that_cannot_be_read_is_refused(district: Call, tmp_path: Path) -> None:
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 this is no archive")
    with zipfile.ZipFile(tmp_path / "outside.zip", "w") as archive:
        archive.writestr("../manifest.csv", "propertyName,value\n")
    other = bundle(tmp_path / "other", None)
    (other / "orgs.csv").write_text("sourcedId,name,type\n")
    unknown = "propertyName,value\nmanifest.version,1.0\noneroster.version,9.9\n"
    for path, said in {
        tmp_path / "nowhere": "nowhere",
        bundle(tmp_path / "empty", None): "empty is empty",
        other: "does not say which system it comes from",
        bundle(tmp_path / "future", unknown): "9.9",
        tmp_path / "broken.zip": "broken.zip",
        tmp_path / "outside.zip": "outside.zip",
    }.items():
        for verb in (["land", "oneroster", str(path)], ["run", "--oneroster", str(path)]):
            run = district(*verb)
            lines = run.error.strip().splitlines()
            assert run.code == 2
            assert lines[0].startswith("error: ")
            assert said in lines[0]
            assert len(lines) == 2, "one line, and a hint"
    assert not (tmp_path / "warehouse").exists()


def test_target_without_a_metastore_says_how_to_make_one(
    district: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("METASTORE_URL", raising=False)
    run = district("--target", "server", "sql", "select 1")
    assert run.code == 2
    assert "METASTORE_URL does not name the metastore" in run.error
    assert "district serve metastore" in run.error


def test_unknown_target_is_refused(district: Call) -> None:
    run = district("--target", "moon", "sql", "select 1")
    assert run.code == 2
    assert "target 'moon' is not in" in run.error
    assert "laptop, server, cluster" in run.error


def test_missing_java_is_told(
    district: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    run = district("sql", "select 1")
    assert run.code == 2
    assert "Java was not found" in run.error
    assert "install Java 17" in run.error


def test_old_java_is_told(district: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.22\" 2024-01-16' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    run = district("sql", "select 1")
    assert run.code == 2
    assert "Java 11 is too old" in run.error


def test_full_disk_is_told_before_anything_is_written(
    district: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10 * 2**20))
    run = district("land", "synthetic")
    assert run.code == 2
    assert "only 10 MiB of disk are free" in run.error
    assert not (tmp_path / "warehouse").exists()


def test_warehouse_of_a_newer_delta_is_refused(district: Call, tmp_path: Path) -> None:
    (tmp_path / "warehouse").mkdir()
    (tmp_path / "warehouse" / "delta.version").write_text("99.1.0")
    run = district("sql", "select 1")
    assert run.code == 2
    assert "was written by Delta 99.1.0, this is 4." in run.error
    assert sorted(path.name for path in (tmp_path / "warehouse").iterdir()) == ["delta.version"]


def test_only_questions_are_asked(district: Call) -> None:
    assert district("sql", "drop table raw.users").code == 2
    assert district("sql", "").code == 2


def test_unknown_preset_is_refused(district: Call) -> None:
    run = district("land", "synthetic", "--preset", "huge")
    assert run.code == 2
    assert "no preset 'huge'" in run.error


def test_check_says_what_is_wrong_and_how_to_mend_it(
    district: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = district("check", "--json")
    assert run.code == 0
    assert {one["check"]: one["ok"] for one in json.loads(run.out)} == {
        "Java": True, "Delta": True, "Chromium": True,
        "Disk": True, "Profile": True, "Warehouse": True,
    }  # fmt: skip

    def no_java() -> int:
        raise DistrictError("Java was not found", "install Java")

    monkeypatch.setitem(check.CHECKS, "Java", lambda: str(no_java()))
    run = district("check")
    assert run.code == 2
    assert "Java was not found" in run.out
    assert "install Java" in run.out


HOLD = """
import time
from python_jobs.spark import lock_warehouse
lock_warehouse()
print("held", flush=True)
time.sleep(60)
"""


def test_second_process_is_refused_at_once_and_a_dead_one_holds_nothing(
    district: Call, tmp_path: Path
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    try:
        assert holder.stdout
        assert holder.stdout.readline() == "held\n"
        started = time.monotonic()
        run = district("sql", "select 1")
        waited = time.monotonic() - started
        assert run.code == 2
        assert f"open (process {holder.pid}:" in run.error
        assert waited < 1
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    spark.lock_warehouse.cache_clear()
    spark.lock_warehouse().release()


def test_help_shows_every_verb(district: Call) -> None:
    run = district("--help")
    assert run.code == 0
    for verb in ("run", "land", "gate", "build", "kpis", "sql", "docs", "check"):
        assert f" {verb} " in run.out
