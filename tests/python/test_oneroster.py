"""OneRoster bundles: what is read, how it is mapped, and what is refused."""

import csv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from bundles import BUNDLE_1_1, BUNDLE_1_2, COURSES, ORGS, SESSIONS, refusal, write_bundle, zip_of
from pyspark.sql import Row, SparkSession

from python_jobs.landing.bundle import open_bundle
from python_jobs.landing.oneroster import read_parts
from python_jobs.landing.oneroster_checks import Checks

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "oneroster" / "samples"

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason=f"the sample bundles are not in {SAMPLES}"
)

Rows = dict[str, dict[str, Row]]


def landed_rows(spark: SparkSession, path: Path) -> Rows:
    with open_bundle(path) as bundle:
        checks = Checks(spark, bundle)
        parts = read_parts(checks)
        with ThreadPoolExecutor(4) as pool:
            rows = pool.map(lambda part: part.frame.collect(), parts)
            return {
                part.entity: {row["id"]: row for row in collected}
                for part, collected in zip(parts, rows, strict=True)
            }


@pytest.fixture(scope="module")
def rows_1_1(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    folder = tmp_path_factory.mktemp("one") / "bundle [1] of 2, {a}"
    return landed_rows(spark, write_bundle(folder, BUNDLE_1_1))


@pytest.fixture(scope="module")
def rows_1_2(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    folder = write_bundle(tmp_path_factory.mktemp("two") / "export", BUNDLE_1_2, "1.2.1")
    return landed_rows(spark, zip_of(folder, "export/"))


def values(row: Row, *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def test_schools_and_terms(rows_1_1: Rows) -> None:
    assert values(rows_1_1["schools"]["00001"], "name", "school_type", "parent_id") == (
        "Elm School",
        "school",
        "d1",
    )
    assert rows_1_1["terms"]["y1"]["school_year"] == 2027
    term = rows_1_1["terms"]["t1"]
    assert values(term, "term_type", "parent_id", "end_date") == ("term", "y1", date(2026, 12, 20))
    assert values(term, "is_active", "updated_at") == (False, datetime(2026, 9, 1, 6))


def test_section_takes_level_subject_and_grades_from_its_course(rows_1_1: Rows) -> None:
    names = ("name", "course_code", "subject", "level", "grade_levels", "term_ids")
    assert values(rows_1_1["courses"]["101"], *names) == (
        "Honors Biology 1",
        "BIO",
        "Science",
        "honors",
        ["09", "10"],
        ["y1", "t1"],
    )
    assert values(rows_1_1["courses"]["102"], *names) == (
        "Chemistry 2",
        "CHEM",
        "Lab Science",
        "ap",
        ["KG"],
        ["t1"],
    )
    assert rows_1_1["courses"]["101"]["metadata"] == {
        "courseSourcedId": "c1",
        "classCode": "B-1",
        "classType": "scheduled",
        "periods": "3",
        "metadata.room": "R7",
        "course.title": "Biology",
        "course.subjects": "Science",
        "course.grades": "09,10",
    }


def test_teacher_is_the_primary_one_else_the_only_one(rows_1_1: Rows) -> None:
    assert rows_1_1["courses"]["101"]["teacher_id"] == "tea1"
    assert rows_1_1["courses"]["102"]["teacher_id"] == "tea2"
    student = rows_1_1["enrollments"]["e4"]
    assert values(student, "role", "is_primary", "end_date") == (
        "student",
        False,
        date(2026, 12, 1),
    )


def test_users_1_1(rows_1_1: Rows) -> None:
    student = rows_1_1["users"]["stu1"]
    assert values(student, "role", "school_id", "given_name", "family_name", "grade_level") == (
        "student",
        "00001",
        'Quo"ted, Jr.',
        "Été",
        "09",
    )
    assert values(rows_1_1["users"]["par1"], "is_active", "phone", "school_id") == (
        True,  # a login that is off does not end the person
        "555",
        None,
    )
    orgs = {(row["user_id"], row["school_id"]) for row in rows_1_1["affiliations"].values()}
    assert orgs == {
        ("tea1", "00001"),
        ("tea1", "d1"),
        ("tea2", "00001"),
        ("stu1", "00001"),
        ("gua1", "00001"),
    }


def test_guardians_are_named_by_either_side_once(rows_1_1: Rows) -> None:
    found = {
        values(row, "student_id", "guardian_id", "relationship", "is_active")
        for row in rows_1_1["guardianships"].values()
    }
    # The student's third agent is a teacher, no guardian.
    assert found == {("stu1", "par1", "parent", True), ("stu1", "gua1", "guardian", True)}


def test_results_become_grades_and_homework(rows_1_1: Rows) -> None:
    names = ("course_id", "term_id", "points_earned", "points_possible", "letter", "status")
    assert values(rows_1_1["grades"]["r1"], *names, "comment") == (
        "101",
        "t1",
        Decimal("10.500"),
        Decimal("10.000"),
        "B+",
        "fully graded",
        "B+",
    )
    assert values(rows_1_1["grades"]["r2"], "letter", "comment") == (None, "Line one\nline two")
    assert values(rows_1_1["grades"]["r3"], "letter", "graded_at") == (
        None,
        datetime(2026, 9, 10, 8, 1, 5),
    )
    assert set(rows_1_1["homeworks"]) == {"r1"}
    assert values(rows_1_1["assignments"]["li2"], "category", "is_homework", "due_date") == (
        "Quiz",
        False,
        date(2026, 9, 8),
    )


def test_users_1_2_take_their_primary_role(rows_1_2: Rows) -> None:
    users = rows_1_2["users"]
    assert {id_: values(row, "role", "school_id") for id_, row in users.items()} == {
        "stu1": ("student", "00001"),
        "tea1": ("teacher", "00001"),
        "adm1": ("administrator", "d1"),
        "lib1": (None, "00001"),
        "tea2": ("teacher", "00001"),
    }
    assert users["lib1"]["metadata"]["role"] == "ext:librarian"
    assert set(rows_1_2["affiliations"]) == {"ro1", "ro2", "ro3", "ro4", "ro5", "ro6"}
    parent = rows_1_2["guardianships"]["stu1 | tea1"]
    assert parent["relationship"] == "parent"  # a teacher by first role, a parent by the second


def test_race_and_sex(rows_1_2: Rows) -> None:
    users = rows_1_2["users"]
    assert values(users["stu1"], "race_ethnicity", "sex", "birth_date") == (
        "two_or_more",
        "female",
        date(2015, 1, 31),
    )
    assert values(users["tea1"], "race_ethnicity", "sex") == ("white", "male")
    assert values(users["adm1"], "race_ethnicity", "sex") == ("hispanic", None)


def test_no_password_is_loaded(rows_1_1: Rows, rows_1_2: Rows) -> None:
    assert "secret" not in str(rows_1_1) + str(rows_1_2)
    assert rows_1_2["users"]["stu1"]["metadata"]["userProfileSourcedIds"] == "up1"


def test_letter_scale_and_lateness_1_2(rows_1_2: Rows) -> None:
    grade = rows_1_2["grades"]["r1"]
    assert values(grade, "letter", "points_earned", "points_possible") == ("P", None, None)
    assert rows_1_2["homeworks"]["r1"]["is_late"] is True
    metadata = rows_1_2["assignments"]["li1"]["metadata"]
    assert metadata["scoreScale.title"] == "Pass or fail"
    assert metadata["scoreScale.scoreScaleValue"] == "{Pass:60-100},{Fail:0-59}"


def test_contents_are_one_per_section_and_resource(rows_1_2: Rows) -> None:
    contents = rows_1_2["contents"].values()
    assert sorted(values(row, "id", "course_id", "title", "teacher_id") for row in contents) == [
        ("101 | re1", "101", "Our copy", "tea1"),
        ("102 | re1", "102", "Textbook", "tea2"),
    ]


def test_absent_means_unchanged_and_delta_is_never_complete(
    spark: SparkSession, tmp_path: Path
) -> None:
    nothing = write_bundle(tmp_path / "nothing", {}, "1.2", orgs="absent", users="absent")
    with open_bundle(nothing) as bundle:
        checks = Checks(spark, bundle)
        assert read_parts(checks) == []
    some = {"orgs": ORGS, "courses": COURSES, "academicSessions": SESSIONS}
    delta = write_bundle(tmp_path / "delta", some, orgs="delta", courses="absent")
    with open_bundle(delta) as bundle:
        checks = Checks(spark, bundle)
        parts = read_parts(checks)
        assert bundle.modes["users"] == "absent"
    assert {part.entity: part.is_complete for part in parts} == {"schools": False, "terms": True}


def test_source_system_falls_back_to_the_district(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path, {"orgs": ORGS})
    manifest = folder / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("source.systemCode,SIS\n", ""))
    with open_bundle(folder) as bundle:
        assert bundle.source_system == "d1"


def test_unusable_paths_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "gone")
    assert "is empty" in refusal(tmp_path)
    (tmp_path / "notes.csv").write_text("sourcedId\n")
    assert "holds no OneRoster file" in refusal(tmp_path)
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 no zip")
    assert "cannot be read as a zip" in refusal(tmp_path / "bad.zip")


@pytest.mark.parametrize(
    ("version", "is_known"),
    [("1.1", True), ("1.2_JP", True), ("1.10", False), ("1.0", False), ("2.0", False)],
)
def test_versions(tmp_path: Path, version: str, is_known: bool) -> None:
    folder = write_bundle(tmp_path, {"orgs": ORGS}, version)
    if is_known:
        with open_bundle(folder) as bundle:
            assert bundle.version == version[:3]
    else:
        assert f"says OneRoster version '{version}'" in refusal(folder)


def test_unknown_modes_are_refused(tmp_path: Path) -> None:
    unknown = write_bundle(tmp_path / "unknown", {"orgs": ORGS}, orgs="full")
    assert "file.orgs is 'full'" in refusal(unknown)


@pytest.mark.parametrize(
    "name", ["../users.csv", "/users.csv", "a/../../users.csv", "C:\\users.csv"]
)
def test_zip_with_a_path_outside_is_refused(tmp_path: Path, name: str) -> None:
    path = zip_of(write_bundle(tmp_path / "in", {"orgs": ORGS}))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "x")
    assert "outside its folder" in refusal(path)


def test_zip_with_repeated_or_encrypted_entries_is_refused(tmp_path: Path) -> None:
    path = zip_of(write_bundle(tmp_path / "in", {"orgs": ORGS}))
    clean = path.read_bytes()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("Orgs.csv", "x")
    assert "holds 'Orgs.csv' twice" in refusal(path)
    # Bit 0 of the flags, 8 bytes into each entry of the zip's directory.
    directory = clean.index(b"PK\x01\x02")
    path.write_bytes(clean[: directory + 8] + b"\x01" + clean[directory + 9 :])
    assert "is encrypted" in refusal(path)


def test_zip_is_unpacked_only_while_it_is_open(tmp_path: Path) -> None:
    path = zip_of(write_bundle(tmp_path / "in", {"orgs": ORGS}))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("__MACOSX/._orgs.csv", "x")
        archive.writestr("notes.txt", "x")
    with open_bundle(path) as bundle:
        paths = [file.path for file in bundle.files.values()]
        assert [path.name for path in paths] == ["orgs.csv"]
        assert paths[0].exists()
    assert not paths[0].parent.exists()


@needs_samples
@pytest.mark.parametrize("name", ["contoso_sis_1_1", "small_1_1_week1", "mid_1_2"])
def test_sample_rows_all_arrive(spark: SparkSession, name: str) -> None:
    folder = SAMPLES / name

    def count(file: str) -> int:
        with (folder / f"{file}.csv").open(encoding="utf-8", newline="") as lines:
            return sum(1 for _ in csv.DictReader(lines))

    one_to_one = {
        "schools": "orgs",
        "terms": "academicSessions",
        "users": "users",
        "courses": "classes",
        "enrollments": "enrollments",
        "assignments": "lineItems",
        "grades": "results",
    }
    with open_bundle(folder) as bundle:
        checks = Checks(spark, bundle)
        parts = {part.entity: part.frame for part in read_parts(checks)}
        arrived = {entity: parts[entity].count() for entity in one_to_one}
        if name == "contoso_sis_1_1":
            above = parts["grades"].where("points_earned > points_possible")
            assert above.count() == 407
            assert parts["users"].where("role = 'student'").count() == 400
    assert arrived == {entity: count(file) for entity, file in one_to_one.items()}


@needs_samples
def test_faults_of_a_sample_are_all_found(spark: SparkSession) -> None:
    with open_bundle(SAMPLES / "contoso_sis_1_1_raw") as bundle:
        checks = Checks(spark, bundle)
        found = {
            (file, fault): rows
            for file, checked in checks.files.items()
            for fault, (rows, _) in checked.faults.items()
        }
    assert found == {
        ("enrollments", "orphan:classSourcedId"): 2_500,
        ("results", "duplicate_id"): 4_800,
    }
