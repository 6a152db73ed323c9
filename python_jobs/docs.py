"""Write dbt's documentation, lineage included, as one HTML file."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from python_jobs.console import err
from python_jobs.dbt_runner import run_dbt
from python_jobs.spark import PROJECT

PAGE = PROJECT / "reports" / "docs.html"


def command(
    output: Annotated[Path, typer.Option(help="The file to write.")] = PAGE,
) -> None:
    """Write the documentation and lineage of every table as one HTML file."""
    docs(output)


def docs(output: Path) -> None:
    """Write dbt's static documentation page to `output`."""
    run_dbt(["docs", "generate", "--static"], title="Documenting")
    output.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PROJECT / "target" / "static_index.html", output)
    err.print(f"Open {output} in a browser")


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
