"""dbt's own command line, behind the same checks and lock as `district`."""

import sys

from dbt.cli.main import cli

from python_jobs.build import fit_to_raw
from python_jobs.cli import guarded
from python_jobs.spark import get_spark

OPENS_SPARK = {
    "build", "clone", "compile", "debug", "retry", "run", "run-operation", "seed", "show",
    "snapshot", "source", "test",
}  # fmt: skip


def opens_spark(arguments: list[str]) -> bool:
    """Tell whether a dbt command line needs the warehouse (docs serve, list and parse do not)."""
    if "--help" in arguments:
        return False
    return bool(OPENS_SPARK & set(arguments)) or {"docs", "generate"} <= set(arguments)


def main() -> None:
    """Run dbt with this process's arguments."""
    if opens_spark(sys.argv[1:]):
        fit_to_raw(get_spark())
    cli(prog_name="dbt")


if __name__ == "__main__":
    guarded(main)
