"""The gate's results and what waits in quarantine, as one page that needs nothing else."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pyspark.sql import Row

from python_jobs.landing.rules import explain
from python_jobs.quality.suites import Checked
from python_jobs.schemas import ENTITIES


def write_page(
    path: Path, checked: Sequence[Checked], waiting: Sequence[Row], checked_at: datetime
) -> None:
    """Write the page. waiting: as `python_jobs.quarantine.open_faults` gives it.

    Whatever a source wrote into its ids is shown as text.
    """
    folder = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    faults = [
        (row, *explain(":".join(filter(None, (row.rule_id, row.column_name))))) for row in waiting
    ]
    stopped = [(one, result) for one in checked for result in one.failures("stop")]
    warned = [(one, result) for one in checked for result in one.failures("warn")]
    page = environment.get_template("page.html.j2").render(
        checked=[one for one in checked if one.row_count],
        unchanged=sorted(ENTITIES.keys() - {one.entity for one in checked if one.row_count}),
        stopped=stopped,
        warned=warned,
        waiting=faults,
        waiting_rows=sum(row.row_count for row in waiting if row.severity == "reject"),
        checked_at=f"{checked_at:%Y-%m-%d %H:%M} UTC",
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, encoding="utf-8")
