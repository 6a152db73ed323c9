"""Measure landing and building at three sizes: a first night, then a second with 1 % changed.

Each size runs in a process and a warehouse of its own. Wall and CPU seconds, and the peak of the
resident memory of Python and the JVM together, per phase.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

SIZES = (30, 3_000, 30_000)
CHANGED_SHARE = 0.01
RESULTS = Path(__file__).parent / "results.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, nargs="+", default=SIZES, help="sizes to measure")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    phases = [phase for students in arguments.students for phase in in_own_process(students)]
    RESULTS.write_text(json.dumps({"cores": os.cpu_count(), "phases": phases}, indent=2) + "\n")
    show(phases)


def in_own_process(students: int) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="district-bench-") as folder:
        environment = os.environ | {"WAREHOUSE_DIR": folder}
        command = [sys.executable, __file__, "--one", str(students)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True)
    phases: list[dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
    return phases


def measure(students: int) -> list[dict[str, object]]:
    """Run all phases of one size in this process."""
    from python_jobs.build import build
    from python_jobs.dbt_runner import run_dbt
    from python_jobs.land import land_night, land_synthetic
    from python_jobs.release import release
    from python_jobs.spark import get_spark

    def land() -> None:
        if students == 30:
            land_synthetic("seed", None, 1, snapshot=False)
        else:
            land_synthetic("demo", students, 1, snapshot=False)

    def make_kpis() -> None:
        run_dbt(["run", "--select", "path:models/marts/kpi"], title="KPI marts")

    steps: dict[str, Callable[[], object]] = {
        "start": get_spark,
        "first night: land": land,
        "first night: build": build,
        "first night: release": release,
        "first night: KPI marts alone": make_kpis,
        "second night: land": lambda: land_night(CHANGED_SHARE, snapshot=False),
        "second night: build": build,
    }
    phases = []
    for name, step in steps.items():
        with metered() as meter:
            step()
        phases.append({"students": students, "phase": name, **meter})
    rows = get_spark().table("raw.batches").groupBy("entity").sum("rows_landed").collect()
    landed = {row[0]: row[1] for row in rows}
    for phase in phases:
        phase["gradebook_rows"] = landed["grades"] + landed["homeworks"]
    return phases


@contextmanager
def metered() -> Iterator[dict[str, object]]:
    """Fill a dict with the wall and CPU seconds and the peak memory of the block."""
    me, peak, stop = psutil.Process(), 0, threading.Event()

    def tree() -> list[psutil.Process]:
        return [me, *me.children()]  # the JVM's own short-lived forks would count its memory twice

    def cpu() -> float:
        total = 0.0
        for process in tree():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def watch() -> None:
        nonlocal peak
        while not stop.wait(0.2):
            resident = 0
            for process in tree():
                with suppress(psutil.NoSuchProcess):
                    resident += process.memory_info().rss
            peak = max(peak, resident)

    meter: dict[str, object] = {}
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    wall, used = time.perf_counter(), cpu()
    yield meter
    meter["wall_seconds"] = round(time.perf_counter() - wall, 1)
    meter["cpu_seconds"] = round(cpu() - used, 1)
    stop.set()
    watcher.join()
    meter["peak_mib"] = round(peak / 2**20)


def show(phases: list[dict[str, object]]) -> None:
    from python_jobs.console import print_table

    header = list(phases[0])
    print_table("", header, [[phase[name] for name in header] for phase in phases])


if __name__ == "__main__":
    main()
