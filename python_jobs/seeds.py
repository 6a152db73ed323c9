"""The seeds as the build will read them: rows of seeds/*.csv, and the variables of the project."""

import csv
from typing import Any

import yaml

from python_jobs.spark import PROJECT

Row = dict[str, str]


def read_seed(name: str) -> list[Row]:
    """Return the rows of one seed; all values are texts."""
    with (PROJECT / "seeds" / f"{name}.csv").open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def variables() -> dict[str, Any]:
    """Return the variables of dbt_project.yml: jurisdiction, grading_scale, as_of."""
    text = (PROJECT / "dbt_project.yml").read_text(encoding="utf-8")
    settings: dict[str, Any] = yaml.safe_load(text)["vars"]
    return settings


def thresholds_in_force(day: str, jurisdiction: str) -> list[Row]:
    """Return the rows of kpi_thresholds that hold on a day (yyyy-mm-dd) in a jurisdiction.

    Where the jurisdiction has no row of a threshold, that of default holds, as in the macro
    rules_in_force.
    """
    rows = read_seed("kpi_thresholds")
    own = {(row["kpi"], row["threshold"]) for row in rows if row["jurisdiction"] == jurisdiction}
    return [
        row
        for row in rows
        if row["effective_from"] <= day < row["effective_to"]
        and (
            row["jurisdiction"] == jurisdiction
            or row["jurisdiction"] == "default"
            and (row["kpi"], row["threshold"]) not in own
        )
    ]
