"""Say whether this machine can run the warehouse, and how to mend what is amiss."""

import json
import shutil
from collections.abc import Callable
from typing import Annotated

import typer

from python_jobs.console import print_table
from python_jobs.errors import DistrictError
from python_jobs.spark import (
    check_disk,
    check_format,
    check_jars,
    free_bytes,
    java_version,
    lock_warehouse,
    profile,
    uses_embedded_metastore,
    warehouse_dir,
)


def _java() -> str:
    return f"Java {java_version()}"


def _jars() -> str:
    check_jars()
    return "Delta's jars are beside Spark's"


def _chromium() -> str:
    for name in ("chromium", "google-chrome", "chromium-browser"):
        if shutil.which(name):
            return f"{name} is installed"
    raise DistrictError("no Chromium; charts cannot be drawn", "Debian: apt-get install chromium")


def _disk() -> str:
    check_disk(warehouse_dir())
    return f"{free_bytes(warehouse_dir()) / 2**30:.0f} GiB free at {warehouse_dir()}"


def _profile() -> str:
    target, settings = profile()
    return f"target {target}, master {settings['server_side_parameters']['spark.master']}"


def _warehouse() -> str:
    _, settings = profile()
    check_format()
    if not warehouse_dir().exists():
        return "not made yet"
    if uses_embedded_metastore(settings):
        lock_warehouse()
    return "free to use"


CHECKS: dict[str, Callable[[], str]] = {
    "Java": _java,
    "Delta": _jars,
    "Chromium": _chromium,
    "Disk": _disk,
    "Profile": _profile,
    "Warehouse": _warehouse,
}


def command(
    as_json: Annotated[bool, typer.Option("--json", help="JSON, for scripts.")] = False,
) -> None:
    """Check Java, Delta's jars, Chromium, disk, profile and the warehouse's lock."""
    results = [_result(name, check) for name, check in CHECKS.items()]
    if as_json:
        print(json.dumps(results))
    else:
        print_table(
            "",
            ["check", "", "what", "how to mend it"],
            [[r["check"], "ok" if r["ok"] else "NO", r["what"], r["hint"]] for r in results],
        )
    if not all(result["ok"] for result in results):
        raise typer.Exit(2)


def _result(name: str, check: Callable[[], str]) -> dict[str, object]:
    try:
        return {"check": name, "ok": True, "what": check(), "hint": ""}
    except DistrictError as problem:
        return {
            "check": name,
            "ok": False,
            "what": problem.message,
            "hint": problem.hint,
        }


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
