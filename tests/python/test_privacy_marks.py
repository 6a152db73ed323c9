"""Personal columns are marked from raw to pub, and what a model makes of them is marked too."""

from typing import Any

import pytest
from lineage import Marks, marks_of, render

from python_jobs.dbt_runner import manifest
from python_jobs.landing.quarantine import COLUMNS as QUARANTINE_COLUMNS
from python_jobs.landing.raw import BATCH_COLUMNS
from python_jobs.landing.source_totals import COLUMNS as TOTAL_COLUMNS
from python_jobs.schemas import ENTITIES, columns

VARIABLES = {"jurisdiction": "default", "grading_scale": "plus_minus", "as_of": None}
LEVELS = {"direct", "identifier", "sensitive"}
# Said of an id that its model has chosen to be none of a person: `where grain = 'school'`.
NONE = "none"


def declared(node: Any) -> Marks:
    return {name: column.config.meta.get("pii") for name, column in node.columns.items()}


def marks(node: Any) -> Marks:
    return {name: None if mark == NONE else mark for name, mark in declared(node).items()}


@pytest.fixture(scope="module")
def tables() -> dict[str, Marks]:
    """Each source, seed, snapshot and model as SQL calls it, with the marks of its YAML."""
    parsed = manifest()
    sources = {f"{node.schema}.{node.name}": marks(node) for node in parsed.sources.values()}
    sources["raw.batches"] = dict.fromkeys(BATCH_COLUMNS)
    sources["quality.source_totals"] = dict.fromkeys(TOTAL_COLUMNS)
    ours = {
        node.name: marks(node)
        for node in parsed.nodes.values()
        if node.resource_type in ("model", "seed", "snapshot")
    }
    return sources | ours


def models() -> list[Any]:
    return [node for node in manifest().nodes.values() if node.resource_type == "model"]


def wrong_marks(node: Any, sql: str, tables: dict[str, Marks]) -> dict[str, str]:
    """Return the columns whose mark in the YAML is not what the SQL makes of the marks it reads."""
    found, said = marks_of(sql, tables), declared(node)
    assert found.keys() == said.keys(), node.name
    return {
        column: f"{said[column]} in the YAML, {mark} by its SQL"
        for column, mark in found.items()
        if mark != said[column] and not (said[column] == NONE and mark == "identifier")
    }


def test_every_column_of_a_source_is_listed_so_that_a_new_one_is_judged() -> None:
    sources = {node.name: node for node in manifest().sources.values()}
    for entity in ENTITIES:
        assert list(sources[entity].columns) == list(columns(entity)), entity
    assert list(sources["quarantine"].columns) == list(QUARANTINE_COLUMNS)


def test_marks_are_of_the_three_levels(tables: dict[str, Marks]) -> None:
    for table, said in tables.items():
        assert set(said.values()) <= {None, *LEVELS}, table


def test_model_marks_what_it_passes_on(tables: dict[str, Marks]) -> None:
    wrong = {
        node.name: faults
        for node in models()
        if (faults := wrong_marks(node, render(node.raw_code, VARIABLES), tables))
    }
    assert not wrong, wrong


def test_snapshot_marks_what_it_keeps(tables: dict[str, Marks]) -> None:
    for node in manifest().nodes.values():
        if node.resource_type == "snapshot":
            (parent,) = (manifest().nodes[one] for one in node.depends_on.nodes)
            # The id of a version is a hash of the thing's id and what it says.
            key = tables[parent.name][node.config.unique_key]
            assert tables[node.name] == {
                **tables[parent.name],
                "dbt_scd_id": key,
                **dict.fromkeys(("dbt_updated_at", "dbt_valid_from", "dbt_valid_to")),
            }


PEOPLE: dict[str, Marks] = {
    "people": {
        "person_id": "identifier",
        "name": "direct",
        "has_iep": "sensitive",
        "school_id": None,
        "days": None,
    }
}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select name as label from people", {"label": "direct"}),
        ("with a as (select * from people) select name as n from a", {"n": "direct"}),
        ("select * except (name, days) from people",
         {"person_id": "identifier", "has_iep": "sensitive", "school_id": None}),
        ("select upper(trim(name)) || days as n from people", {"n": "direct"}),
        ("select xxhash64(person_id) as k from people", {"k": "identifier"}),
        ("select days from people union all select name from people", {"days": "direct"}),
        ("select (select max(name) from people) as n from people", {"n": "direct"}),
        ("select name is not null as f, person_id is null as g from people",
         {"f": "sensitive", "g": None}),
        ("select if(has_iep, 'a', 'b') as f from people", {"f": "sensitive"}),
        ("select count(name) as n, sum(days) as d from people", {"n": None, "d": None}),
        ("select school_id, count_if(has_iep) as n from people group by school_id",
         {"school_id": None, "n": None}),
        ("select has_iep, count(*) as n from people group by has_iep",
         {"has_iep": None, "n": None}),
        ("select person_id, count_if(has_iep) as n, count(distinct person_id) as m from people "
         "group by person_id", {"person_id": "identifier", "n": "sensitive", "m": None}),
        ("select school_id, count_if(has_iep) as n from people group by all",
         {"school_id": None, "n": None}),
        ("select person_id as p, has_iep, count(*) as n from people group by all",
         {"p": "identifier", "has_iep": "sensitive", "n": None}),
        ("select school_id, max(name) as a, collect_list(person_id) as b from people "
         "group by school_id", {"school_id": None, "a": "direct", "b": "identifier"}),
        ("select max(has_iep) over (partition by school_id) as m, "
         "row_number() over (order by name) as r from people", {"m": "sensitive", "r": None}),
        ("select inline(array(struct('s' as grain, school_id as entity), "
         "struct('p' as grain, person_id as entity))) as (grain, entity) from people",
         {"grain": None, "entity": "identifier"}),
        ("select s.school_id as a, s.person_id as b from (select struct(school_id, name as "
         "person_id) as s from people)", {"a": None, "b": "direct"}),
        ("select stack(2, 'a', name, 'b', 'x') as (kpi, value) from people",
         {"kpi": None, "value": "direct"}),
    ],
)  # fmt: skip
def test_marks_follow_the_sql(sql: str, expected: Marks) -> None:
    assert marks_of(sql, PEOPLE) == expected


def test_model_that_passes_a_name_on_without_a_mark_is_found(tables: dict[str, Marks]) -> None:
    node = next(one for one in models() if one.name == "fact_incident")
    sql = render(node.raw_code, VARIABLES)
    assert not wrong_marks(node, sql, tables)
    told = sql.replace(
        "incidents.category,", "concat(students.full_name, incidents.category) as category,"
    )
    counted = sql.replace("incidents.category,", "students.sex || '' as category,")
    assert told != sql
    assert wrong_marks(node, told, tables) == {
        "category": "sensitive in the YAML, direct by its SQL"
    }
    assert not wrong_marks(node, counted, tables)  # as sensitive as the category itself
