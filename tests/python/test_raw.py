"""Landing merges by id, keeps what it knows, and accounts for every row."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from pyspark.sql import DataFrame, SparkSession

from python_jobs.errors import DistrictError
from python_jobs.landing.raw import Landed, Part, land_batch
from python_jobs.schemas import ENTITIES, columns

SOURCE = "raw-test"


def contents(spark: SparkSession, titles: dict[str, str]) -> DataFrame:
    return spark.createDataFrame(list(titles.items()) or [], "id string, title string")


def land(
    spark: SparkSession,
    titles: dict[str, str],
    day: int,
    *,
    is_complete: bool = True,
    accept_mass_delete: bool = True,
) -> Landed:
    part = Part("contents", contents(spark, titles), "contents.csv", is_complete)
    return land_batch(
        spark,
        [part],
        source_system=SOURCE,
        kind="test",
        as_of=datetime(2001, 1, day),
        accept_mass_delete=accept_mass_delete,
    )[0]


@pytest.fixture
def empty(spark: SparkSession) -> Iterator[SparkSession]:
    """Give each test raw tables without rows of its source."""
    yield spark
    for table in ("contents", "batches"):
        spark.sql(f"delete from raw.{table} where source_system = '{SOURCE}'")


def known(spark: SparkSession) -> dict[str, tuple[str, bool]]:
    rows = spark.table("raw.contents").where(f"source_system = '{SOURCE}'").collect()
    return {row.id: (row.title, row.is_active) for row in rows}


def test_every_entity_has_the_columns_of_its_schema(empty: SparkSession) -> None:
    land(empty, {}, 1)
    for entity in ENTITIES:
        table = empty.table(f"raw.{entity}")
        assert {field.name: field.dataType.simpleString() for field in table.schema} == columns(
            entity
        )


def test_same_batch_again_changes_no_row(empty: SparkSession) -> None:
    first = land(empty, {"a": "one", "b": "two"}, 1)
    version = empty.sql("describe history raw.contents").first()
    again = land(empty, {"a": "one", "b": "two"}, 2)
    assert (first.rows_read, first.rows_landed, first.rows_unchanged) == (2, 2, 0)
    assert (again.rows_read, again.rows_landed, again.rows_unchanged) == (2, 0, 2)
    assert empty.sql("describe history raw.contents").first() == version


def test_changed_new_and_missing_rows_are_told_apart(empty: SparkSession) -> None:
    land(empty, {"a": "one", "b": "two", "c": "three"}, 1)
    second = land(empty, {"a": "one", "b": "TWO", "d": "four"}, 2)
    assert (second.rows_landed, second.rows_unchanged, second.rows_missing) == (2, 1, 1)
    assert known(empty) == {
        "a": ("one", True),
        "b": ("TWO", True),
        "c": ("three", False),
        "d": ("four", True),
    }


def test_partial_file_ends_nothing_and_a_returning_row_is_active_again(
    empty: SparkSession,
) -> None:
    land(empty, {"a": "one", "b": "two"}, 1)
    assert land(empty, {"a": "ONE"}, 2, is_complete=False).rows_missing == 0
    assert land(empty, {"a": "ONE"}, 3).rows_missing == 1
    assert land(empty, {"a": "ONE"}, 4).rows_missing == 0
    assert land(empty, {"a": "ONE", "b": "two"}, 5).rows_landed == 1
    assert known(empty) == {"a": ("ONE", True), "b": ("two", True)}


def test_complete_file_that_lacks_too_much_is_refused(empty: SparkSession) -> None:
    five = {name: "one" for name in "abcde"}
    land(empty, five, 1)
    with pytest.raises(DistrictError, match="contents.csv would end 2 of 5 contents"):
        land(empty, {name: "TWO" for name in "abc"}, 2, accept_mass_delete=False)
    assert known(empty) == {name: ("one", True) for name in "abcde"}
    four = {name: "one" for name in "abcd"}
    assert land(empty, four, 2, accept_mass_delete=False).rows_missing == 1  # a fifth: no more


def test_ended_row_keeps_what_was_known_of_it(empty: SparkSession) -> None:
    land(empty, {"a": "one"}, 1)
    rows = empty.createDataFrame([("a", None, False)], "id string, title string, is_active boolean")
    for day, counts in ((2, (1, 0)), (3, (0, 1))):
        landed = land_batch(
            empty,
            [Part("contents", rows, "contents.csv")],
            source_system=SOURCE,
            kind="test",
            as_of=datetime(2001, 1, day),
        )[0]
        assert (landed.rows_ended, landed.rows_unchanged) == counts
    assert known(empty) == {"a": ("one", False)}


def test_row_that_was_read_and_not_accounted_for_is_an_error(empty: SparkSession) -> None:
    part = Part("contents", contents(empty, {"a": "one"}), "contents.csv", rows_read=2)
    with pytest.raises(AssertionError, match="2 rows came, 1 are accounted for"):
        land_batch(empty, [part], source_system=SOURCE, kind="test", as_of=datetime(2001, 1, 1))


def test_row_keeps_when_it_was_first_seen_and_its_versions(empty: SparkSession) -> None:
    land(empty, {"a": "one"}, 1)
    land(empty, {"a": "two"}, 2)
    row = empty.table("raw.contents").where(f"source_system = '{SOURCE}'").collect()[0]
    assert (row.created_at, row.effective_at) == (datetime(2001, 1, 1), datetime(2001, 1, 2))
    feed = empty.sql("select title from table_changes('raw.contents', 0) where id = 'a'")
    assert {"one", "two"} <= {change.title for change in feed.collect()}


def test_null_empty_text_and_order_of_metadata_are_told_apart(empty: SparkSession) -> None:
    rows = [("a", None, {"x": "1", "y": "2"}), ("b", "", {"x": "1"})]
    other = [("a", "", {"y": "2", "x": "1"}), ("b", "", {"x": "1"})]
    schema = "id string, title string, metadata map<string,string>"
    for day, (data, changed) in enumerate([(rows, 2), (rows, 0), (other, 1)], start=1):
        part = Part("contents", empty.createDataFrame(data, schema), "contents.csv", True)
        landed = land_batch(
            empty, [part], source_system=SOURCE, kind="test", as_of=datetime(2001, 1, day)
        )
        assert landed[0].rows_landed == changed


def test_older_batch_is_refused(empty: SparkSession) -> None:
    land(empty, {"a": "one"}, 2)
    with pytest.raises(DistrictError, match="speaks for 2001-01-01"):
        land(empty, {"a": "two"}, 1)
    assert known(empty) == {"a": ("one", True)}


def test_ids_of_another_source_are_refused_and_nothing_is_written(empty: SparkSession) -> None:
    land(empty, {"a": "one"}, 1)
    part = Part("contents", contents(empty, {"a": "theirs", "z": "new"}), "contents.csv")
    with pytest.raises(DistrictError, match="1 ids of contents.csv already belong to another"):
        land_batch(empty, [part], source_system="other", kind="test", as_of=datetime(2001, 1, 1))
    assert known(empty) == {"a": ("one", True)}


def test_files_of_a_killed_landing_are_replaced(empty: SparkSession) -> None:
    land(empty, {}, 1)
    folder = empty.sql("describe detail raw.contents").collect()[0].location
    empty.sql("drop table raw.contents")
    contents(empty, {"left": "over"}).write.format("delta").save(folder)

    land(empty, {"new": "row"}, 2)

    assert known(empty) == {"new": ("row", True)}
