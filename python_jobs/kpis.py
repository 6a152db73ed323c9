"""Say what each KPI means: definition, formula, source, owner, and the thresholds in force."""

import json
import re
from datetime import date
from typing import Annotated

import typer

from python_jobs.console import err, out, print_table
from python_jobs.errors import DistrictError
from python_jobs.seeds import Row, read_seed, thresholds_in_force, variables
from python_jobs.spark import PROJECT

DOCS = PROJECT / "models" / "marts" / "kpi" / "kpi_definitions.md"
LABELS = {
    "definition": "Definition",
    "formula": "Formula",
    "numerator": "Numerator",
    "denominator": "Denominator",
    "unit": "Unit",
    "better": "Better",
    "part_of": "Part of",
    "how_to_read": "How to read it",
    "decision": "It helps to decide",
    "mart": "Table",
    "source": "Source",
    "owner": "Owner",
}


def command(
    kpi: Annotated[str, typer.Argument(help="A KPI, such as a_b_rate; none: all of them.")] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per KPI, for scripts.")
    ] = False,
    write_docs: Annotated[
        bool, typer.Option(help="Write the texts that dbt's documentation shows.")
    ] = False,
) -> None:
    """Say what a KPI means, where it comes from, and which thresholds hold today."""
    if write_docs:
        DOCS.write_text(docs_blocks(), encoding="utf-8")
        err.print(f"Wrote {DOCS.relative_to(PROJECT)}")
        return
    definitions = select(kpi)
    if as_json:
        for definition in definitions:
            thresholds = thresholds_of(definition)
            print(json.dumps({**definition, "thresholds": thresholds}, ensure_ascii=False))
    elif kpi:
        show(definitions[0])
    else:
        rows = [[row["kpi"], row["name"], row["unit"], row["definition"]] for row in definitions]
        print_table("", ["kpi", "name", "unit", "definition"], rows)


def select(kpi: str) -> list[Row]:
    """Return the definition of one KPI, or of all; raise DistrictError for an unknown one."""
    definitions = read_seed("kpi_definitions")
    chosen = [row for row in definitions if kpi in ("", row["kpi"])]
    if not chosen:
        raise DistrictError(f"there is no KPI {kpi!r}", "list them with: district kpis")
    return chosen


def thresholds_of(definition: Row) -> list[Row]:
    """Return the thresholds that hold today for the mart of a KPI, and those of publication."""
    rows = thresholds_in_force(date.today().isoformat(), variables()["jurisdiction"])
    return [row for row in rows if row["kpi"] in (definition["mart"], "publication")]


def show(definition: Row) -> None:
    """Print one definition and its thresholds."""
    rows = [[label, definition[column]] for column, label in LABELS.items() if definition[column]]
    print_table(f"{definition['name']} ({definition['kpi']})", ["", ""], rows)
    thresholds = [
        [row["kpi"], row["threshold"], row["value"], row["jurisdiction"], row["source"]]
        for row in thresholds_of(definition)
    ]
    header = ["of", "threshold", "value", "jurisdiction", "source"]
    title = f"Thresholds in force, jurisdiction {variables()['jurisdiction']}"
    print_table(title, header, thresholds)
    out.print("Its numbers: " + _question(definition["kpi"]), soft_wrap=True, markup=False)


def _question(kpi: str) -> str:
    return f"district sql \"select * from kpi.kpi_values where kpi = '{kpi}'\""


def docs_blocks() -> str:
    """Return the page of docs blocks, one per KPI, that models' descriptions point at."""
    return "\n".join(docs_block(row) for row in read_seed("kpi_definitions"))


def docs_block(definition: Row) -> str:
    """Return one docs block."""
    lines = [
        definition["definition"],
        f"Formula: {definition['formula']} ({definition['unit']})"
        + ("; null when the denominator is 0." if definition["denominator"] else "."),
        *(
            f"{LABELS[column]}: {definition[column]}."
            for column in ("numerator", "denominator")
            if definition[column]
        ),
        definition["how_to_read"],
        f"Source: {definition['source']}.",
    ]
    text = "\n".join(lines)
    return f"{{% docs {block_name(definition['kpi'])} %}}\n{text}\n{{% enddocs %}}\n"


def block_name(kpi: str) -> str:
    """Return the name of a KPI's docs block; a name may hold no plus or minus."""
    word = kpi.replace("+", "_plus")
    word = re.sub("-$", "_minus", word)
    return f"kpi_{word}"


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
