"""What becomes of broken bundles: each has its outcome, landed, quarantined or refused."""

import csv
import io
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from bundles import (
    BUNDLE_1_1,
    BUNDLE_1_2,
    CLASSES,
    ENROLLMENTS,
    LINE_ITEMS_1_1,
    ORGS,
    RESULTS_1_1,
    SESSIONS,
    USERS_1_1,
    Files,
    contents,
    refusal,
    restore,
    versions,
    write_bundle,
    zip_of,
)
from conftest import CANARY, outputs_with
from pyspark.sql import SparkSession

from python_jobs.errors import DistrictError
from python_jobs.land import land_oneroster, show
from python_jobs.landing import bundle as bundles
from python_jobs.landing.bundle import open_bundle
from python_jobs.landing.oneroster_checks import Checks
from python_jobs.landing.oneroster_files import faults_of_values
from python_jobs.landing.records import CsvFile
from python_jobs.landing.rules import RULES, explain, rule_of
from python_jobs.quarantine import show_rows, show_rules
from python_jobs.schemas import ENTITIES

Faults = tuple[str, ...]

RESULT = "{},,,li1,stu1,fully graded,5,2026-09-09,"
ENROLLMENT = "{},,,101,00001,stu1,student,,,"
# file, one line of it (its id is filled in), what is wrong with it; a name that begins with ? only
# warns, and no name means that the row lands as it is.
CASES: list[tuple[str, str, Faults]] = [
    ("results", RESULT, ()),
    ("results", "{},,,li1,stu1,FULLY GRADED,5,2026-09-09T08:00:00.000Z,", ()),
    ("results", "{},,,li1,stu1,fully graded, 8 ,2026-09-09,", ()),
    ("results", "{},,,li1,stu1,fully graded,NaN,2026-09-09,", ("invalid_number:score",)),
    ("results", "{},,,li1,stu1,fully graded,inf,2026-09-09,", ("invalid_number:score",)),
    ("results", '{},,,li1,stu1,fully graded,"7,5",2026-09-09,', ("invalid_number:score",)),
    ("results", "{},,,li1,stu1,fully graded,1e9,2026-09-09,", ("invalid_number:score",)),
    ("results", "{},,,li1,stu1,fully graded,five,2026-09-09,", ("invalid_number:score",)),
    ("results", "{},,,li1,stu1,fully graded,10.001,2026-09-09,", ("?score_above_maximum:score",)),
    ("results", "{},,,li1,stu1,not submitted,0,2026-09-09,", ("?not_submitted_with_zero:score",)),
    ("results", "{},,,li1,stu1,not submitted,,2026-09-09,", ()),
    ("results", "{},,,li1,stu1,graded,5,2026-09-09,", ("invalid_value:scoreStatus",)),
    ("results", "{},,,li1,stu1,,5,2026-09-09,", ("missing_value:scoreStatus",)),
    ("results", "{},,,,stu1,exempt,,2026-09-09,", ("missing_value:lineItemSourcedId",)),
    ("results", "{},,,li1,,exempt,,2026-09-09,", ("missing_value:studentSourcedId",)),
    ("results", "{},,,gone,stu1,exempt,,2026-09-09,", ("orphan:lineItemSourcedId",)),
    ("results", "{},,,li1,STU1,exempt,,2026-09-09,", ("orphan:studentSourcedId",)),
    (
        "results",
        "{},,,gone,nobody,exempt,,2026-09-09,",
        ("orphan:lineItemSourcedId", "orphan:studentSourcedId"),
    ),
    ("results", "{},,,li1,stu1,exempt,,2026-02-30,", ("invalid_timestamp:scoreDate",)),
    ("results", "{},,,li1,stu1,exempt,,09/09/2026,", ("invalid_timestamp:scoreDate",)),
    ("results", "{},,,li1,stu1,exempt,,1970-01-01,", ("out_of_school_dates:scoreDate",)),
    ("results", "{},,,li1,stu1,exempt,,2099-01-01,", ("out_of_school_dates:scoreDate",)),
    ("results", "{},,,li1,stu1", ("short_row",)),
    ("results", RESULT + ",more", ("long_row",)),
    ("results", RESULT + ",", ()),
    ("results", '{},,,li1,stu1,exempt,,2026-09-09,"never closed', ("bad_quotes",)),
    ("results", '{},,,li1,stu1,exempt,,2026-09-09,"well" done', ("bad_quotes",)),
    ("results", '{},,,li1,stu1,exempt,,2026-09-09,"two\r\nlines, ""quoted"""', ()),
    ("results", "{},active,2026-09-09,li1,stu1,exempt,,2026-09-09,", ()),
    ("results", "{},inactive,2026-09-09 08:01:05,li1,stu1,exempt,,2026-09-09,", ()),
    ("results", "{},TOBEDELETED,2026-09-09,,,,,,", ()),
    ("results", "{},deleted,,li1,stu1,exempt,,2026-09-09,", ("invalid_value:status",)),
    ("results", "{},,yesterday,li1,stu1,exempt,,,", ("invalid_timestamp:dateLastModified",)),
    ("results", "{},,,li1,stu1,exempt,,2026-09-09,<script>alert('x')</script>", ()),
    ("results", "{},,,li1,stu1,exempt,,2026-09-09,'; drop table raw.grades; --", ()),
    ("results", "{},,,li1,stu1,exempt,,2026-09-09,=cmd|' /C calc'!A0", ()),
    ("results", "{},,,li1,stu1,exempt,,2026-09-09,\u202egnp.exe \x00 \x1b[31m", ()),
    ("results", "{},,,li1,stu1,exempt,,2026-09-09," + "a" * 2**20, ()),
    ("enrollments", ENROLLMENT, ()),
    ("enrollments", "{},,,101,00001,tea1,student,,,", ("role_mismatch:role",)),
    ("enrollments", "{},,,101,00001,stu1,teacher,,,", ("role_mismatch:role",)),
    ("enrollments", "{},,,101,00001,stu1,pupil,,,", ("invalid_value:role",)),
    ("enrollments", "{},,,101,00001,stu1,,,,", ("missing_value:role",)),
    ("enrollments", "{},,,999,00001,stu1,student,,,", ("orphan:classSourcedId",)),
    ("enrollments", "{},,,101,1,stu1,student,,,", ("?unknown_reference:schoolSourcedId",)),
    ("enrollments", "{},,,101,00001,stu1,student,maybe,,", ("?invalid_boolean:primary",)),
    ("enrollments", "{},,,101,00001,stu1,Student,TRUE,2026-08-20T00:00:00.000Z,", ()),
    (
        "enrollments",
        "{},,,101,00001,stu1,student,,2026-12-01,2026-08-20",
        ("end_before_begin:endDate",),
    ),
    (
        "enrollments",
        "{},,,101,00001,stu1,student,,1999-08-20,",
        ("out_of_school_dates:beginDate",),
    ),
    ("academicSessions", "{},,,T,term,2026-08-01,2026-12-01,,2026-2027", ()),
    ("academicSessions", "{},,,T,quarter,2026-08-01,2026-12-01,,2027", ("invalid_value:type",)),
    ("academicSessions", "{},,,T,term,2026-08-01,,,2027", ("missing_value:endDate",)),
    ("academicSessions", "{},,,T,term,2026-08-01,2026-12-01,,27", ("invalid_year:schoolYear",)),
    (
        "academicSessions",
        "{},,,T,term,08/01/2026,2026-13-01,,2027",
        ("invalid_date:startDate", "invalid_date:endDate"),
    ),
    ("orgs", "{},,,West,campus,,", ("?unknown_word:type",)),
    ("orgs", "{},,,West,Department,,gone", ("?unknown_reference:parentSourcedId",)),
    ("orgs", "{},,,,school,,", ("missing_value:name",)),
    ("classes", "{},,,C,,c1,,scheduled,,gone,t1,,,,", ("orphan:schoolSourcedId",)),
    ("classes", "{},,,C,,gone,,Scheduled,,00001,t1,,,,", ("?unknown_reference:courseSourcedId",)),
    (
        "classes",
        '{},,,C,,c1,,scheduled,,00001,"t1,t9",,,,',
        ("?unknown_reference:termSourcedIds",),
    ),
    ("lineItems", "{},,,L,,2026-09-01,2026-09-08,999,h,t1,0,10", ("orphan:classSourcedId",)),
    (
        "lineItems",
        "{},,,L,,2026-09-01,2026-09-08,101,none,t9,0,10",
        ("?unknown_reference:categorySourcedId", "?unknown_reference:gradingPeriodSourcedId"),
    ),
    ("users", "{},,,true,00001,janitor,x,,X,Y,,,,,,,,secret", ("invalid_value:role",)),
    ("users", "{},,,TRUE,00001,Student,x,,X,Y,,,,,,,,secret", ()),
]
REPEATED = [RESULT.format("twin"), RESULT.format("twin")]
CONTRADICTING = [RESULT.format("Clash"), RESULT.format("Clash").replace(",5,", ",6,")]
LOOK_ALIKES = ["00001", "1", "1E5", "100000", "123456789012345678", "abC2", "ABC2"]


def id_of(number: int) -> str:
    return f"case{number}"


@pytest.fixture(scope="module")
def outcome(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Faults]:
    """Check all cases in one bundle: id, else the line's number, to what was wrong with it."""
    files: Files = {file: list(lines) for file, lines in BUNDLE_1_1.items()}
    for number, (file, line, _) in enumerate(CASES):
        files[file].append(line.replace("{}", id_of(number), 1))
    files["results"] += REPEATED + CONTRADICTING + [RESULT.format("")]
    files["results"] += [RESULT.format(id_) for id_ in LOOK_ALIKES]
    files["results"].insert(2, RESULTS_1_1[0])
    folder = write_bundle(tmp_path_factory.mktemp("broken") / "export", files)
    with open_bundle(folder) as bundle:
        checks = Checks(spark, bundle)
        found: dict[str, Faults] = {}
        for file, checked in checks.files.items():
            for row in checked.frame.select("id", "_line", "_faults", "_warnings").collect():
                faults = (*row["_faults"], *[f"?{one}" for one in row["_warnings"]])
                key = row["id"] or str(row["_line"])
                found[key] = found.get(key, ()) + faults
            assert checked.rows_read == checked.frame.count(), file
        # Class 101 has teachers; those of the cases that land have none.
        assert checks.files["classes"].faults["section_without_teacher"][0] == 2
        assert checks.files["results"].rows_without_id == 3
        assert not checks.is_complete("results")
    return found


@pytest.mark.parametrize("number", range(len(CASES)))
def test_row(outcome: dict[str, Faults], number: int) -> None:
    file, text, expected = CASES[number]
    if expected == ("bad_quotes",):  # no id can be read
        lines = [line for line, faults in outcome.items() if faults == expected]
        assert len(lines) == sum(faults == expected for _, _, faults in CASES)
    else:
        assert outcome[id_of(number)] == expected, text[:80]


def test_repeated_ids(outcome: dict[str, Faults]) -> None:
    assert outcome["twin"] == ("duplicate_row",)  # the first of them is sound
    assert outcome["Clash"] == ("duplicate_id", "duplicate_id")
    assert all(outcome[id_] == () for id_ in LOOK_ALIKES)


def test_row_without_an_id_is_kept_by_its_line(outcome: dict[str, Faults]) -> None:
    assert [faults for key, faults in outcome.items() if key.isdigit()].count(("missing_id",)) == 1


def test_letter_of_no_scale_is_found(spark: SparkSession) -> None:
    scores = ["A", " b+", "B–", "P", "w", None, " ", "E", "AB", "85", "'"]
    frame = spark.createDataFrame([(score,) for score in scores], "textScore string")
    rule = faults_of_values("results")["unknown_letter:textScore"]
    assert [row.textScore for row in frame.where(rule).collect()] == ["E", "AB", "85", "'"]


def test_every_rule_explains_itself() -> None:
    known = {rule_of(fault.lstrip("?"))[0] for _, _, faults in CASES for fault in faults}
    known |= {"duplicate_row", "duplicate_id", "missing_id"}
    for rule in RULES:
        problem, mend = explain(f"{rule}:score")
        assert problem and mend and "{" not in problem + mend
    assert known <= RULES.keys()


def parsed(tmp_path: Path, content: bytes) -> tuple[list[str], list[tuple[int, list[str]]]]:
    path = tmp_path / "orgs.csv"
    path.write_bytes(content)
    file = CsvFile(path)
    return file.header, [(one.line, one.values) for one in file.records()]


@pytest.mark.parametrize(
    "content",
    [
        b"sourcedId,name\r\na,b\r\n",
        b"\xef\xbb\xbfsourcedId,name\na,b",
        b"\n\n sourcedId , name \n\n\na,b\n\n",
        b'"sourcedId","name"\r\n"a","b"\r\n',
        b"sourcedId;name\na;b\n",
        b"sourcedId\tname\r\na\tb\r\n",
        b"sourcedId,name\na,b,,\n",
        b"sourcedId,name\na,b\n,\n , \n",
        "sourcedId,name\na,b\n".encode("utf-16"),
    ],
)
def test_files_are_read_as_districts_write_them(tmp_path: Path, content: bytes) -> None:
    header, records = parsed(tmp_path, content)
    assert header == ["sourcedId", "name"]
    assert [values for _, values in records] == [["a", "b"]]


def test_windows_1252_is_decoded_and_never_replaced(tmp_path: Path) -> None:
    _, records = parsed(tmp_path, "sourcedId,name\na,Café – “Zoë”\n".encode("cp1252"))
    assert records == [(2, ["a", "Café – “Zoë”"])]
    with pytest.raises(DistrictError, match=r"orgs.csv is neither UTF-8 nor Windows-1252"):
        parsed(tmp_path, b"sourcedId,name\na,\x81\x8d\n")


def test_stray_quotes_cost_one_line_each(tmp_path: Path) -> None:
    lines = ["sourcedId,name", '1,"open', "2,b", '3,al"so', '4,"x', '5,y"z,q', "6,b"]
    _, records = parsed(tmp_path, "\n".join(lines).encode())
    assert [(line, values[0]) for line, values in records if len(values) == 2] == [
        (3, "2"),
        (4, "3"),
        (7, "6"),
    ]
    assert [line for line, _ in records] == [2, 3, 4, 5, 6, 7]


def test_line_numbers_count_breaks_inside_quotes(tmp_path: Path) -> None:
    _, records = parsed(tmp_path, b'sourcedId,name\n1,"a\nb\n\nc"\n\n2,d\n')
    assert [line for line, _ in records] == [2, 7]


def test_zip_bombs_and_nested_archives_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = zip_of(write_bundle(tmp_path / "in", {"orgs": ORGS}))
    clean = path.read_bytes()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("more/inner.ZIP", clean)
    assert "holds another archive, 'more/inner.ZIP'" in refusal(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("orgs.csv", b"0" * 20 * 2**20)
    assert "no export of a district looks like that" in refusal(path)
    path.write_bytes(clean)
    monkeypatch.setattr(bundles, "MAX_ENTRIES", 1)
    assert "holds 2 files" in refusal(path)
    monkeypatch.setattr(bundles, "MAX_ENTRIES", 10)
    monkeypatch.setattr(bundles, "MAX_UNPACKED_BYTES", 10)
    assert "no export of a district" in refusal(path)


def test_bundle_without_a_manifest_is_delta(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_bundle(tmp_path, {"orgs": ORGS, "users": USERS_1_1})
    (folder / "manifest.csv").unlink()
    with open_bundle(folder) as bundle:
        assert (bundle.modes["orgs"], bundle.version, bundle.source_system) == (
            "delta",
            "1.1",
            "d1",
        )
    assert "has no manifest.csv" in caplog.text


def test_columns_decide_the_version(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = write_bundle(tmp_path, {"users": USERS_1_1}, "1.2", orgs="bulk", roles="")
    with open_bundle(folder) as bundle:
        assert bundle.version == "1.1"
        assert set(bundle.files) == {"users"}
    assert "says OneRoster 1.2, the columns are those of 1.1" in caplog.text
    assert "has no orgs.csv, though manifest.csv says bulk" in caplog.text


def test_missing_sourced_id_column_and_doubled_columns_are_refused(
    spark: SparkSession, tmp_path: Path
) -> None:
    for header, message in {
        "id,type": "orgs.csv has no column sourcedId, name",
        "sourcedId,name,type,Name": "orgs.csv has the column name more than once",
    }.items():
        folder = write_bundle(tmp_path / message[-4:], {"orgs": [header, "a,b,school,c"]})
        with open_bundle(folder) as bundle, pytest.raises(DistrictError, match=message):
            Checks(spark, bundle)


def test_old_padded_and_unknown_columns(spark: SparkSession, tmp_path: Path) -> None:
    users = [
        " SOURCEDID ,Status,dataLastModified,role,orgSourcedId,givenName,ext_bus,grade,,metadata.x",
        "u1,,2026-09-01,student,00001,Ann,Bus 7,9,loose,x1",
    ]
    folder = write_bundle(tmp_path, {"orgs": ORGS, "users": users})
    with open_bundle(folder) as bundle:
        checks = Checks(spark, bundle)
        row = checks.files["users"].frame.collect()[0]
    assert (row["_faults"], row["id"], row["orgSourcedIds"], row["grades"]) == (
        [], "u1", ["00001"], ["9"],
    )  # fmt: skip
    assert row["updated_at"] == datetime(2026, 9, 1)
    assert row["metadata"] == {"ext_bus": "Bus 7", "_c8": "loose", "metadata.x": "x1"}


def test_quarantined_rows_are_released_or_superseded(
    empty_warehouse: SparkSession, tmp_path: Path
) -> None:
    spark = empty_warehouse

    def land(day: int, files: Files, **modes: str) -> dict[tuple[str, str], tuple[int, ...]]:
        folder = write_bundle(tmp_path / str(day), files, **modes)
        landed = land_oneroster(
            folder, datetime(2026, 10, day), accept_mass_delete=True, snapshot=False
        )
        return {
            (one.file, one.entity): (
                one.rows_read, one.rows_released, one.rows_landed, one.rows_rejected,
                one.rows_missing,
            )
            for one in landed
        }  # fmt: skip

    def quarantine() -> dict[tuple[str, str], str]:
        rows = spark.table("quality.quarantine").collect()
        return {(row.id, row.rule_id): row.status for row in rows}

    bad = [
        "w1,,,li9,stu1,fully graded,5,2026-09-09,waits",
        "w2,,,li1,stu1,fully graded,much,2026-09-09,no number",
        "w3,,,li1,stu1,fully graded,no,2026-09-09,no number",
    ]
    base = {
        "orgs": ORGS,
        "academicSessions": SESSIONS,
        "classes": CLASSES,
        "users": USERS_1_1,
        "enrollments": ENROLLMENTS,
        "lineItems": LINE_ITEMS_1_1,
    }
    first = land(1, base | {"results": RESULTS_1_1 + bad})
    assert first["results.csv", "grades"] == (6, 0, 3, 3, 0)
    assert quarantine() == {
        ("w1", "orphan"): "open",
        ("w2", "invalid_number"): "open",
        ("w3", "invalid_number"): "open",
    }
    kept = spark.table("quality.quarantine").where("id = 'w2'").collect()[0]
    assert (kept.file, kept.line, kept.entity) == ("results", 7, "grades")
    assert '"score":"much"' in kept.raw_row and "lineItemSourcedId" in kept.raw_row

    # The line item comes, and nothing else: what waited for it lands by itself.
    item = [LINE_ITEMS_1_1[0], LINE_ITEMS_1_1[1].replace("li1", "li9")]
    second = land(2, {"lineItems": item}, lineItems="delta")
    assert second["results.csv", "grades"] == (0, 1, 1, 0, 0)
    assert quarantine()["w1", "orphan"] == "released"

    # A bulk file without w1 and w3, and with w2 still wrong: w2 is held, what is gone is gone.
    third = land(3, {"results": [*RESULTS_1_1, bad[1], RESULT.format("w4")]})
    assert third["results.csv", "grades"] == (5, 0, 1, 1, 1)
    assert quarantine() == {
        ("w1", "orphan"): "released",
        ("w2", "invalid_number"): "open",
        ("w3", "invalid_number"): "superseded",
    }
    # w4 has landed; sent wrong, it stays as it was.
    fourth = land(4, {"results": [*RESULTS_1_1, RESULT.format("w2"), bad[1].replace("w2", "w4")]})
    assert fourth["results.csv", "grades"] == (5, 0, 1, 1, 0)
    assert quarantine()["w2", "invalid_number"] == "released"
    active = spark.table("raw.grades").where("is_active").collect()
    assert {row.id for row in active} == {"r1", "r2", "r3", "w2", "w4"}


def test_delta_after_a_week_equals_bulk(empty_warehouse: SparkSession, tmp_path: Path) -> None:
    """A move, a rename, a drop, a correction, and what changes rows of another file's entity."""
    spark = empty_warehouse
    week_1 = {file: list(lines) for file, lines in BUNDLE_1_1.items()} | {
        "demographics": [
            "sourcedId,birthDate,sex,cityOfBirth",
            "stu1,2010-01-31,female,Paris",
            "tea2,1980-01-31,male,Rome",
            "par1,1980-02-28,male,Oslo",
        ],
        "resources": BUNDLE_1_2["resources"],
        "classResources": ["sourcedId,classSourcedId,resourceSourcedId", "cl1,102,re1"],
    }
    week_2 = {file: list(lines) for file, lines in week_1.items()}
    changed = {
        ("users", 1): ("One,", "One-Two,"),
        ("users", 3): ("00001,student", "d1,student"),
        ("users", 4): (",stu1,", ",,"),
        ("results", 1): ("10.5", "9.5"),
        ("lineItems", 2): ("0.0,20.0", "0.0,25.0"),
        ("demographics", 2): ("1980-01-31,male,Rome", "1980-01-31,other,"),
        ("enrollments", 3): ("tea2", "tea1"),
        ("courses", 1): ("Biology,BIO", "AP Biology,BIO2"),
        ("categories", 2): ("Quiz,80", "Homework,70"),
    }
    for (file, row), (old, new) in changed.items():
        week_2[file][row] = week_2[file][row].replace(old, new)
    week_2["users"][3] = week_2["users"][3].replace("par1,", "")
    del week_2["enrollments"][4]
    delta: Files = {
        file: [lines[0], *[line for line in lines if line not in week_1[file]]]
        for file, lines in week_2.items()
    }
    delta = {file: lines for file, lines in delta.items() if len(lines) > 1}
    delta["enrollments"].append("e4,tobedeleted,2026-10-08,,,,,,,")
    delta["demographics"].append("par1,,,")
    week_2["demographics"][3] = "par1,,,"

    folder = write_bundle(tmp_path / "1", week_1)
    land_oneroster(folder, datetime(2026, 11, 1), accept_mass_delete=True, snapshot=False)
    known = versions(spark)
    folder = write_bundle(tmp_path / "2", week_2)
    land_oneroster(folder, datetime(2026, 11, 8), accept_mass_delete=True, snapshot=False)
    bulk = contents(spark)
    assert not bulk["guardianships"]["stu1 | par1"]["is_active"]
    assert bulk["users"]["tea2"]["sex"] == "other" and not bulk["users"]["par1"]["sex"]
    assert bulk["courses"]["102"]["teacher_id"] == "tea1"
    assert bulk["contents"]["102 | re1"]["teacher_id"] == "tea1"
    assert bulk["courses"]["101"]["course_code"] == "BIO2"
    assert bulk["assignments"]["li2"]["is_homework"] and bulk["homeworks"]["r3"]["is_active"]
    assert bulk["grades"]["r3"]["points_possible"] == 25
    assert not {"classes", "classResources"} & delta.keys() and len(delta["results"]) == 2
    restore(spark, known)
    folder = write_bundle(tmp_path / "delta", delta, **dict.fromkeys(delta, "delta"))
    land_oneroster(folder, datetime(2026, 11, 8), snapshot=False)
    landed = contents(spark)
    for entity in ENTITIES:
        assert landed[entity] == bulk[entity], entity


def test_no_value_of_a_password_column_is_kept(
    empty_warehouse: SparkSession, tmp_path: Path
) -> None:
    broken = [
        *USERS_1_1,
        "u9,,,true,00001,janitor,x,,X,Y,,,,,,,,secret7",
        "u8,secret8",
        'u7,"secret',
    ]
    folder = write_bundle(tmp_path, {"orgs": ORGS, "users": broken})
    land_oneroster(folder, datetime(2026, 12, 1), accept_mass_delete=True, snapshot=False)
    rows = empty_warehouse.table("quality.quarantine").where("file = 'users'").collect()
    assert {row.rule_id for row in rows} == {"invalid_value", "short_row", "bad_quotes"}
    assert "secret" not in str(rows)


def test_no_name_of_a_broken_bundle_is_told(
    empty_warehouse: SparkSession, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Names, comments and metadata, in rows that land and in rows that do not."""
    name = f"{CANARY}Given,{CANARY}Family,{CANARY}Middle"
    users = [
        f"{USERS_1_1[0]},metadata.nickname",
        f"stu1,,,true,00001,student,{CANARY}1,,{name},5,{CANARY}@x.example,,,,9,,{CANARY}",
        f"u2,,,true,00001,{CANARY},{CANARY}2,,{name},,,,,,9,,{CANARY}",
        f"u3,,,{CANARY},00001,student,{CANARY}3,,{name},,,,,,9,,{CANARY}",
        f"u4,{CANARY}",
        f'u5,,,true,00001,student,"{CANARY}',
    ]
    results = [
        RESULTS_1_1[0],
        f"r1,,,li1,stu1,fully graded,5,2026-09-09,{CANARY} wrote this",
        f"r2,,,li1,stu1,fully graded,{CANARY},2026-09-09,{CANARY}",
        f"r3,,,li1,stu1,{CANARY},5,{CANARY},{CANARY}",
        f"r4,,{CANARY},li1,stu1,fully graded,5,2026-09-09,",
    ]
    folder = write_bundle(tmp_path, {**BUNDLE_1_1, "users": users, "results": results})
    landed = land_oneroster(folder, datetime(2026, 12, 2), accept_mass_delete=True, snapshot=False)
    show(landed)
    show_rules(empty_warehouse)
    for file in ("users", "results"):
        show_rows(empty_warehouse, file)
    captured = capfd.readouterr()
    assert "invalid_number" in captured.out + captured.err
    assert CANARY not in captured.out + captured.err
    assert outputs_with(CANARY) == []
    kept = empty_warehouse.table("quality.quarantine").where(f"contains(raw_row, '{CANARY}')")
    # Of a line that cannot be split, of a file with passwords, nothing is kept.
    assert {row.id for row in kept.collect()} == {"u2", "r2", "r3", "r4"}


def test_reader_agrees_with_the_csv_module_on_sound_files(tmp_path: Path) -> None:
    text = io.StringIO()
    rows = [["a", 'q"q', "x,y"], ["b", "line\nbreak", ""], ["c", " padded ", "é"]]
    csv.writer(text).writerows([["sourcedId", "name", "more"], *rows])
    _, records = parsed(tmp_path, text.getvalue().encode())
    assert [values for _, values in records] == rows
