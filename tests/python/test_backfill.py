"""Dated bundles land in order, each with its history, and an interrupted backfill goes on."""

import shutil
from pathlib import Path

import pytest
from bundles import BUNDLE_1_1, write_bundle
from pyspark.sql import SparkSession

from python_jobs.backfill import backfill, dated_steps
from python_jobs.build import build_snapshots
from python_jobs.errors import DistrictError

EXAMPLES = Path(__file__).resolve().parents[2] / "docs" / "examples"


def named(name: str) -> dict[str, list[str]]:
    """Return the small bundle with another name for its school."""
    orgs = [line.replace("Elm School", name) for line in BUNDLE_1_1["orgs"]]
    return BUNDLE_1_1 | {"orgs": orgs}


def test_bundles_land_in_order_and_go_on_where_it_stopped(
    empty_warehouse: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spark = empty_warehouse
    write_bundle(tmp_path / "sis_20260901", named("Elm"))
    write_bundle(tmp_path / "2026-11-01 export", named("Elm and Oak"))
    middle = write_bundle(tmp_path / "2026-10-01", named("Oak"))
    shutil.copy(EXAMPLES / "incidents.csv", middle)
    orgs = middle / "orgs.csv"
    sound = orgs.read_bytes()
    orgs.write_text("sourcedId,type\nd1,district\n")

    recorded = []

    def record() -> None:
        recorded.append(1)
        build_snapshots()

    monkeypatch.setattr("python_jobs.backfill.build_snapshots", record)
    with pytest.raises(DistrictError, match=r"orgs\.csv has no column name"):
        backfill(tmp_path)
    assert spark.table("raw.schools").where("name = 'Elm'").count() == 1

    orgs.write_bytes(sound)
    landed = backfill(tmp_path)
    assert [one.rows_landed for one in landed if one.entity == "schools"] == [1, 1]
    assert [one.rows_landed for one in landed if one.entity == "incidents"] == [1]
    names = spark.sql(
        """
        select school_name
        from snapshots.snap_schools
        where school_id = '00001'
        order by dbt_valid_from
        """
    ).collect()
    assert [row.school_name for row in names] == ["Elm", "Oak", "Elm and Oak"]
    assert len(recorded) == 1, "the history is recorded again before a backfill goes on"
    assert backfill(tmp_path) == []


def test_entries_without_date_or_content_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DistrictError, match="holds no zip and no folder"):
        dated_steps(tmp_path)
    write_bundle(tmp_path / "2026-13-01", {"orgs": BUNDLE_1_1["orgs"]})
    with pytest.raises(DistrictError, match="2026-13-01 has no date in its name"):
        dated_steps(tmp_path)
    shutil.move(tmp_path / "2026-13-01", tmp_path / "2026-12-01")
    Path(tmp_path, "2026-12-02").mkdir()
    with pytest.raises(DistrictError, match="2026-12-02 holds nothing"):
        dated_steps(tmp_path)
