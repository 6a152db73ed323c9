"""The rules of the house, checked on dbt's own manifest."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from python_jobs.dbt_runner import manifest
from python_jobs.landing.rules import RULES
from python_jobs.release_tables import PublishedTable, _makers, facts_behind, published_tables
from python_jobs.schemas import ENTITIES

PROJECT = Path(__file__).resolve().parents[2]
# A layer may read itself and the layers named here, nothing else.
MAY_READ = {
    "staging": {"source"},
    "snapshots": {"staging"},
    "core": {"staging", "snapshots", "reference", "core"},
    "intermediate": {"core", "intermediate", "kpi", "reference"},  # steps of the marts
    "kpi": {"core", "intermediate", "kpi", "reference"},
    "ml": {"core", "intermediate", "kpi", "reference", "ml"},
    "quality": {"source", "staging", "core", "intermediate", "kpi", "quality"},  # compares them
}


@pytest.fixture(scope="module")
def nodes() -> dict[str, Any]:
    parsed = manifest()
    return {**parsed.nodes, **parsed.sources}


@pytest.fixture(scope="module")
def models(nodes: dict[str, Any]) -> list[Any]:
    return [node for node in nodes.values() if node.resource_type in ("model", "snapshot")]


def layer(node: Any) -> str:
    return "source" if node.resource_type == "source" else str(node.schema)


def test_data_flows_one_way(models: list[Any], nodes: dict[str, Any]) -> None:
    for model in models:
        read = {layer(nodes[parent]) for parent in model.depends_on.nodes}
        assert read <= MAY_READ[layer(model)], model.name


def test_every_model_states_its_grain_and_describes_every_column(models: list[Any]) -> None:
    for model in models:
        if model.resource_type == "model":
            assert model.description.strip().startswith("One row"), model.name
            assert model.columns, model.name
            bare = [column.name for column in model.columns.values() if not column.description]
            assert not bare, f"{model.name}: {bare}"


def test_marts_are_under_contract_and_their_keys_are_tested(
    models: list[Any], nodes: dict[str, Any]
) -> None:
    tested = {
        node.attached_node
        for node in nodes.values()
        if node.resource_type == "test" and node.name.startswith("rows_hold")
    }
    for model in models:
        if (
            layer(model) in ("core", "intermediate", "kpi", "ml", "quality")
            and model.config.materialized != "view"
        ):
            assert model.config.contract.enforced, model.name
            assert model.unique_id in tested, model.name


def test_kpi_holds_no_personal_data(models: list[Any]) -> None:
    for model in models:
        if layer(model) in ("intermediate", "kpi"):
            metas = {c.name: c.config.meta for c in model.columns.values()}
            marked = [name for name, meta in metas.items() if meta.get("pii") == "direct"]
            assert not marked, f"{model.name}: {marked}"


def test_every_raw_entity_is_a_source_and_landings_are_watched_for_freshness(
    nodes: dict[str, Any],
) -> None:
    sources = {node.name: node for node in nodes.values() if node.resource_type == "source"}
    assert set(sources) == {*ENTITIES, "batches", "source_totals", "quarantine"}
    # A row that has not changed keeps its landed_at; only the log of landings tells a stale feed.
    assert sources["batches"].freshness.warn_after.count
    assert sources["batches"].loaded_at_field == "landed_at"


def test_readme_lists_every_kpi_mart(models: list[Any]) -> None:
    readme = (PROJECT / "README.md").read_text()
    for model in models:
        if layer(model) == "kpi":
            assert f"| {model.name} |" in readme, model.name


def test_lock_file_names_no_host_and_pins_every_package() -> None:
    lock = (PROJECT / "requirements.lock").read_text()
    assert "://" not in lock
    names = re.findall(r"^([a-z0-9._-]+)==[^ ]+", lock, flags=re.MULTILINE)
    assert {"pyspark", "delta-spark", "dbt-core", "dbt-spark"} <= set(names)


def test_profile_has_the_three_targets() -> None:
    text = re.sub(r"\{\{.*?\}\}", "x", (PROJECT / "profiles" / "profiles.yml").read_text())
    outputs = yaml.safe_load(text)["school_district_warehouse"]["outputs"]
    assert list(outputs) == ["laptop", "server", "cluster"]


def test_every_rule_of_the_quarantine_is_documented() -> None:
    page = (PROJECT / "docs" / "quarantine.md").read_text()
    documented = set(re.findall(r"^\| (\w+) \| (?:reject|warn)", page, flags=re.MULTILINE))
    assert documented == RULES.keys()


@pytest.fixture(scope="module")
def published() -> list[PublishedTable]:
    return published_tables()


def test_every_mart_is_published(models: list[Any], published: list[PublishedTable]) -> None:
    marts = {model.name for model in models if layer(model) == "kpi"}
    assert marts <= {table.node.name for table in published}
    names = [table.name for table in published]
    assert len(set(names)) == len(names)


def test_every_published_column_says_what_hides_it(published: list[PublishedTable]) -> None:
    for table in published:
        assert not table.undeclared, table.name
        assert set(table.columns) <= set(table.node.columns), table.name


def test_a_new_column_is_not_published_before_it_says_what_hides_it(
    published: list[PublishedTable],
) -> None:
    for table in published:
        columns = {**table.node.columns, "new_count": None}
        changed = replace(table, node=type("Changed", (), {"columns": columns})())
        is_open = table.students or table.open == "all"
        assert changed.undeclared == (set() if is_open or table.columns else {"new_count"})
        assert ("new_count" in changed.published) == (not table.columns)


def test_rows_of_students_are_published_as_such(published: list[PublishedTable]) -> None:
    """A table that names students and hides nothing must be kept for those who may see them."""
    for table in published:
        names_students = {"student_id", "student_key"} & set(table.published)
        assert table.students or not names_students, table.name


def test_small_cells_of_gaps_hide_what_their_whole_gives_away(
    published: list[PublishedTable],
) -> None:
    gaps = next(table for table in published if table.name == "subgroup_gaps")
    query = gaps.select(1, 1, {"hidden": "few", "high": "high", "low": "low"}, [], (0.05, 0.95))
    assert query.count("left join hidden_cells") == 2
    assert "'all' = cell_1.subgroup_type" in query
    hidden = re.search(r"if\((.*?), null, mart\.gap\)", query)
    assert hidden
    assert {"cell_0", "cell_1"} <= set(re.findall(r"cell_\d", hidden[1]))


def test_a_kpi_is_made_of_its_own_facts_and_passed_on_by_its_own_models() -> None:
    assert {fact.name for fact in facts_behind("letter_rate_A")} == {"fact_grade"}
    assert "fact_grade" not in {fact.name for fact in facts_behind("student_count")}
    passed = {node.name for node in _makers("chronic_absence_rate")[0]}
    assert {"student_outcome_values", "subgroup_values", "kpi_values"} <= passed
    assert "learning_values" not in passed
