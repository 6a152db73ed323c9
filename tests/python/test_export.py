"""What has landed goes out as OneRoster 1.2, and lands again to the same tables."""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from bundles import BUNDLE_1_1, BUNDLE_1_2, Files, contents, versions, write_bundle
from conftest import clear
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from python_jobs.errors import DistrictError
from python_jobs.export import export_oneroster
from python_jobs.land import land_oneroster
from python_jobs.landing.bundle import FILES
from python_jobs.landing.raw import Part, land_batch
from python_jobs.schemas import ENTITIES

AS_OF = datetime(2026, 11, 20, 6, 30, 0, 123456, tzinfo=UTC)
HOSTILE = (
    '"quoted", it said',
    "one line\nand\r\nanother\r",
    "=cmd|' /C calc'!A0",
    "\u202egnp.exe \u05e9\u05dc\u05d5\u05dd \x00 \x1b[31m",
    "\\ ' '' \" ; \t | %s {orgs} ${x}",
    " spaces around ",
)


def hostile() -> Files:
    """Return the bundle 1.2 with values, columns and ids that are hard to write down."""

    def quoted(values: Sequence[str]) -> str:
        return ",".join('"' + value.replace('"', '""') + '"' for value in values)

    files = {name: list(lines) for name, lines in BUNDLE_1_2.items()}
    columns = BUNDLE_1_2["results"][0].split(",")
    files["results"][0] += ',ext_code,"metadata.a ""b"", c"'
    files["results"][1] += ",007,"
    for number, value in enumerate(HOSTILE):
        row = dict.fromkeys(columns, "") | {
            "sourcedId": f'{number},"{value}',
            "lineItemSourcedId": "li1",
            "studentSourcedId": "stu1",
            "scoreStatus": "fully graded",
            "score": "7.125",
            "scoreDate": "2026-09-10 08:01:05.000100",
            "comment": value,
            "textScore": "B+",
        }
        files["results"].append(quoted([*row.values(), value, "00"]))
    return files


@pytest.mark.parametrize(
    ("files", "version"),
    [(BUNDLE_1_1, "1.1"), (hostile(), "1.2")],
    ids=["1.1", "1.2 and hostile"],
)
def test_what_goes_out_lands_to_the_same_tables(
    empty_warehouse: SparkSession, tmp_path: Path, files: Files, version: str
) -> None:
    clear(empty_warehouse)
    land_oneroster(write_bundle(tmp_path / "in", files, version), AS_OF, snapshot=False)
    before = contents(empty_warehouse, "updated_at")
    commits = versions(empty_warehouse, [*ENTITIES])
    path = tmp_path / "of {orgs} 100%.zip"
    export_oneroster(path)
    land_oneroster(path, None, snapshot=False)
    assert versions(empty_warehouse, [*ENTITIES]) == commits
    clear(empty_warehouse)
    landed = land_oneroster(path, None, snapshot=False)
    assert sum(one.rows_rejected for one in landed) == 0
    after = contents(empty_warehouse, "updated_at")
    for entity in ENTITIES:
        assert after[entity] == before[entity], entity


def test_one_source_of_several_goes_out(empty_warehouse: SparkSession, tmp_path: Path) -> None:
    clear(empty_warehouse)
    with pytest.raises(DistrictError, match="nothing has landed"):
        export_oneroster(tmp_path / "out")
    rows = {
        "schools": "'s1' as id, 'Elm, \"North\"' as name, 'school' as school_type",
        "users": "'u1' as id, 'clerk' as role, 's1' as school_id",
        "affiliations": "'a1' as id, 'u1' as user_id, 's1' as school_id, 'clerk' as role",
        "attendance": "'at1' as id, 'u2' as student_id",
    }
    for source, prefix in (("SIS", ""), ("Other, with a comma", "other-")):
        parts = [
            Part(entity, empty_warehouse.sql(f"select {row}").withColumn("id", new_id), entity)
            for entity, row in rows.items()
            for new_id in [F.concat(F.lit(prefix), "id")]
        ]
        land_batch(empty_warehouse, parts, source_system=source, kind="test", as_of=AS_OF)
    with pytest.raises(DistrictError, match="2 sources have landed"):
        export_oneroster(tmp_path / "out")
    with pytest.raises(DistrictError, match="no source 'None of them'"):
        export_oneroster(tmp_path / "out", "None of them")
    counts, left_out = export_oneroster(tmp_path / "out", "Other, with a comma")
    assert {file: rows for file, rows in counts.items() if rows} == {
        "orgs": 1,
        "users": 1,
        "roles": 1,
    }
    assert left_out == {"attendance": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out" / "orgs.csv").read_bytes() == (
        b"sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId\r\n"
        b'other-s1,active,2026-11-20T06:30:00.123456Z,"Elm, ""North""",school,,\r\n'
    )
    assert "ext:clerk" in (tmp_path / "out" / "roles.csv").read_text()
    with (tmp_path / "out" / "manifest.csv").open(newline="") as text:
        manifest = dict(csv.reader(text))
    assert manifest["oneroster.version"] == "1.2"
    assert manifest["source.systemCode"] == "Other, with a comma"
    assert {manifest[f"file.{file}"] for file in counts} == {"bulk"}
    assert {manifest[f"file.{file}"] for file in set(FILES) - counts.keys()} == {"absent"}


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "old.csv").touch()
    (tmp_path / "old.zip").touch()
    for path in (tmp_path, tmp_path / "old.zip"):
        with pytest.raises(DistrictError, match="exists already"):
            export_oneroster(path)
