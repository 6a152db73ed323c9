"""Hold the seeds to their rules before a build: seconds instead of a broken table.

The rules are the dbt tests in tests/dbt/seeds; here SQLite runs the same files on the CSVs, without
Spark. So they keep to SQL that both know: texts, numbers, window functions, no functions of dates
(a date is compared as yyyy-mm-dd). Each returns one row per mistake: seed, place, problem, remedy.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import yaml

from python_jobs.errors import DistrictError
from python_jobs.seeds import read_seed, variables
from python_jobs.spark import PROJECT

RULES = PROJECT / "tests" / "dbt" / "seeds"
Mistake = tuple[str, str, str, str]


def check_rules() -> None:
    """Raise DistrictError with the first mistake in seeds and variables, and how to mend it."""
    found = mistakes(open_seeds(), variables())
    if found:
        seed, place, problem, remedy = found[0]
        file = seed if "." in seed else f"seeds/{seed}.csv"
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise DistrictError(f"{file}: {place}: {problem}{more}; nothing was built", remedy)


def mistakes(seeds: sqlite3.Connection, settings: Mapping[str, Any]) -> list[Mistake]:
    """Return what breaks a rule, in the order of the rules' names."""
    found: list[Mistake] = []
    for rule in sorted(RULES.glob("*.sql")):
        found += seeds.execute(_render(rule, settings)).fetchall()
    return found


def _render(rule: Path, settings: Mapping[str, Any]) -> str:
    template = jinja2.Template(rule.read_text(encoding="utf-8"))
    return template.render(ref=lambda name: name, var=lambda name: settings[name])


def open_seeds() -> sqlite3.Connection:
    """Return a database in memory with the seeds as tables, an empty cell as null."""
    database = sqlite3.connect(":memory:")
    text = (PROJECT / "seeds" / "_seeds.yml").read_text(encoding="utf-8")
    for seed in yaml.safe_load(text)["seeds"]:
        types = {
            name: "numeric" if kind.startswith(("decimal", "int")) else "text"
            for name, kind in seed["config"]["column_types"].items()
        }
        columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
        database.execute(f"create table {seed['name']} ({columns})")
        values = ", ".join(f"nullif(:{name}, '')" for name in types)
        database.executemany(
            f"insert into {seed['name']} values ({values})", read_seed(seed["name"])
        )
    return database
