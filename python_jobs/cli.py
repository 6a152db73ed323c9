"""The command line `district`.

Exit codes: 0 done; 1 data tests failed, or totals differ without a reason; 2 something the user can
mend; 3 a defect of ours.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from python_jobs import (
    backfill,
    build,
    charts,
    check,
    docs,
    export,
    forget,
    gate,
    kpis,
    land,
    ml,
    quarantine,
    reconcile,
    release,
    run,
    serve,
    sql,
)
from python_jobs.console import err
from python_jobs.dbt_runner import DataTestsFailed
from python_jobs.errors import DistrictError, explain

app: typer.Typer = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A reporting warehouse for school districts. Start with: district run",
)


@app.callback()
def settings(
    warehouse: Annotated[
        Path | None,
        typer.Option(help="Folder of the warehouse (or set WAREHOUSE_DIR)."),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help="Target of profiles.yml: laptop, server or cluster."),
    ] = None,
    debug: Annotated[bool, typer.Option(help="Show the traceback of an error.")] = False,
) -> None:
    """Take the settings that all verbs share."""
    if warehouse:
        os.environ["WAREHOUSE_DIR"] = str(warehouse.absolute())
    if target:
        os.environ["DISTRICT_TARGET"] = target


app.command("run")(run.command)
app.add_typer(land.app, name="land")
app.command("backfill")(backfill.command)
app.add_typer(export.app, name="export")
app.command("quarantine")(quarantine.command)
app.command("gate")(gate.command)
app.command("build")(build.command)
app.command("release")(release.command)
app.add_typer(serve.app, name="serve")
app.command("reconcile")(reconcile.command)
app.command("kpis")(kpis.command)
app.command("forget")(forget.command)
app.command("retain")(forget.retain_command)
app.command("charts")(charts.command)
app.command("sql")(sql.command)
app.command("docs")(docs.command)
app.command("check")(check.command)
app.command("ml")(ml.command)


def guarded(program: Callable[[], object]) -> None:
    """Run a program; end with one line and a hint on an error, not with a traceback."""
    debug = "--debug" in sys.argv
    try:
        program()
    except DistrictError as problem:
        if debug:
            raise
        _print_error(problem)
        sys.exit(1 if isinstance(problem, DataTestsFailed) else 2)
    except Exception as problem:
        if debug:
            raise
        known = explain(problem)
        _print_error(
            known
            or DistrictError(
                f"a defect of this program: {type(problem).__name__}",
                "run the same with: district --debug",
            )
        )
        sys.exit(2 if known else 3)


def _print_error(problem: DistrictError) -> None:
    err.print("[bold red]error:[/]", escape(problem.message), soft_wrap=True)
    if problem.hint:
        err.print(f"  {problem.hint}", markup=False, soft_wrap=True)


def main() -> None:
    """Run `district`."""
    guarded(app)


def run_verb(command: Callable[..., None]) -> None:
    """Run one verb as a script of its own."""
    single = typer.Typer(pretty_exceptions_enable=False)
    single.command()(command)
    guarded(single)


if __name__ == "__main__":
    main()
