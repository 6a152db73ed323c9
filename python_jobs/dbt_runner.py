"""dbt in this process, on the session that is already open."""

import os
import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from python_jobs.console import progress
from python_jobs.errors import DistrictError
from python_jobs.spark import PROJECT, get_spark, profiles_dir

if TYPE_CHECKING:  # dbt takes seconds to import; verbs that do not build never do
    from dbt.cli.main import dbtRunner, dbtRunnerResult
    from dbt.contracts.graph.manifest import Manifest
    from dbt_common.events.base_types import EventMsg

FAILED = {"error", "fail", "runtime error", "partial success"}


class DataTestsFailed(DistrictError):
    """The build ran, and tests say that the data is not as promised."""


def run_dbt(arguments: Sequence[str], *, title: str) -> "dbtRunnerResult":
    """Run one dbt command and show its progress, node by node.

    Raises DataTestsFailed when only tests failed, DistrictError when a node could not be built;
    both name the nodes, never a value of the data.
    """
    get_spark()
    with progress(title) as step:

        def show(event: "EventMsg") -> None:
            if event.info.name == "NodeStart":
                step(event.data.node_info.node_name)

        result = _runner(manifest=manifest(), callbacks=[show]).invoke(
            [*arguments, "--quiet", "--log-level", "none"]
        )
    _raise_on_failure(result)
    return result


def _runner(**settings: Any) -> "dbtRunner":
    """Return a runner that finds the project and the profile wherever the user stands."""
    from dbt.cli.main import dbtRunner

    os.environ["DBT_PROJECT_DIR"] = str(PROJECT)
    os.environ["DBT_PROFILES_DIR"] = str(profiles_dir())
    return dbtRunner(**settings)


@cache
def manifest() -> "Manifest":
    """Parse the project once per process."""
    result = _runner().invoke(["parse", "--quiet", "--log-level", "none"])
    if not result.success:
        raise DistrictError(f"the dbt project cannot be read: {result.exception}", "run: dbt parse")
    parsed: Manifest = result.result
    return parsed


def _raise_on_failure(result: "dbtRunnerResult") -> None:
    if result.success:
        return
    nodes = [node for node in getattr(result.result, "results", []) if node.status in FAILED]
    if not nodes:
        raise DistrictError(f"dbt stopped: {result.exception}", "run the same with: dbt")
    tests = [node for node in nodes if node.node.resource_type in ("test", "unit_test")]
    lines = [f"  {node.node.name}: {_reason(node)}" for node in nodes]
    if len(tests) == len(nodes):
        raise DataTestsFailed(
            "\n".join([f"{len(tests)} tests failed", *lines]),
            "see the failing rows with: dbt test --select NAME --store-failures",
        )
    raise DistrictError(
        "\n".join([f"{len(nodes)} nodes failed", *lines]), "see target/run for the statements"
    )


def _reason(node: Any) -> str:
    """Return the count of failing rows, or Spark's error class; values of rows stay out."""
    if node.failures:
        return f"{node.failures} rows, in {node.node.original_file_path}"
    error = re.search(r"\[[A-Z_.0-9]+\]", node.message or "")
    return f"{error[0] if error else 'error'} in {node.node.original_file_path}"
