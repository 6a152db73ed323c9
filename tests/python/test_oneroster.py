"""OneRoster bundles: what is read, how it is mapped, and what is refused."""

import csv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession

from python_jobs.errors import DistrictError
from python_jobs.landing.bundle import open_bundle
from python_jobs.landing.oneroster import read_parts
from python_jobs.landing.oneroster_files import check_files

SAMPLES = Path(__file__).resolve().parents[3] / "shared" / "oneroster" / "samples"

needs_samples = pytest.mark.skipif(
    not SAMPLES.is_dir(), reason=f"the sample bundles are not in {SAMPLES}"
)

ORGS = [
    "sourcedId,status,dateLastModified,name,type,identifier,parentSourcedId",
    "d1,,,North District,district,7,",
    "00001,,,Elm School,school,,d1",
]
SESSIONS = [
    "sourcedId,status,dateLastModified,title,type,startDate,endDate,parentSourcedId,schoolYear",
    "y1,,,2026-2027,schoolYear,2026-08-01,2027-06-30,,2026-2027",
    "t1,tobedeleted,2026-09-01T06:00:00.000Z,Fall,term,2026-08-15,2026-12-20,y1,2027",
]
COURSES = [
    "sourcedId,status,dateLastModified,schoolYearSourcedId,title,courseCode,grades,orgSourcedId,"
    "subjects,subjectCodes",
    'c1,,,y1,Biology,BIO,"9,10",d1,Science,SCI',
    "c2,,,y1,AP Chemistry,CHEM,,d1,,",
]
CLASSES = [
    "sourcedId,status,dateLastModified,title,grades,courseSourcedId,classCode,classType,location,"
    "schoolSourcedId,termSourcedIds,subjects,subjectCodes,periods,metadata.room",
    '101,,,Honors Biology 1,,c1,B-1,scheduled,,00001,"y1,t1",,,3,R7',
    "102,,,Chemistry 2,K,c2,C-2,scheduled,,00001,t1,Lab Science,,,",
]
ENROLLMENTS = [
    "sourcedId,status,dateLastModified,classSourcedId,schoolSourcedId,userSourcedId,role,primary,"
    "beginDate,endDate",
    "e1,,,101,00001,tea1,teacher,TRUE,,",
    "e2,,,101,00001,tea2,teacher,false,,",
    "e3,,,102,00001,tea2,teacher,,,",
    "e4,,,101,00001,stu1,student,,2026-08-20,2026-12-01",
]
USERS_1_1 = [
    "sourcedId,status,dateLastModified,enabledUser,orgSourcedIds,role,username,userIds,givenName,"
    "familyName,middleName,identifier,email,sms,phone,agentSourcedIds,grades,password",
    'tea1,,,true,"00001, d1",teacher,t.one,,Tea,One,,,t@x.example,,,,,secret1',
    "tea2,,,true,00001,administrator,t.two,,Tea,Two,,,,,,,,secret2",
    'stu1,,,true,00001,student,s.one,,"Quo""ted, Jr.",Été,,5,,,,"par1,gua1,tea1",9,secret3',
    "par1,,,false,,parent,p.one,,Par,One,,,,555,,stu1,,",
    "gua1,tobedeleted,2026-09-01,true,00001,guardian,g.one,,Gua,One,,,,,,,,",
]
CATEGORIES = ["sourcedId,status,dateLastModified,title,weight", "h,,,HW,20", "q,,,Quiz,80"]
LINE_ITEMS_1_1 = [
    "sourcedId,status,dateLastModified,title,description,assignDate,dueDate,classSourcedId,"
    "categorySourcedId,gradingPeriodSourcedId,resultValueMin,resultValueMax",
    "li1,,,Page 1,,2026-09-01,2026-09-08,101,h,t1,0.0,10.0",
    "li2,,,Quiz 1,,2026-09-01,2026-09-08T23:59:00Z,101,q,t1,0.0,20.0",
]
RESULTS_1_1 = [
    "sourcedId,status,dateLastModified,lineItemSourcedId,studentSourcedId,scoreStatus,score,"
    "scoreDate,comment",
    "r1,,,li1,stu1,Fully Graded,10.5,2026-09-09,B+",
    'r2,,,li2,stu1,not submitted,0,2026-09-09,"Line one\nline two"',
    "r3,,,gone,stu1,submitted,,2026-09-10 08:01:05,A good try",
]
BUNDLE_1_1 = {
    "orgs": ORGS,
    "academicSessions": SESSIONS,
    "courses": COURSES,
    "classes": CLASSES,
    "enrollments": ENROLLMENTS,
    "users": USERS_1_1,
    "categories": CATEGORIES,
    "lineItems": LINE_ITEMS_1_1,
    "results": RESULTS_1_1,
}
BUNDLE_1_2 = {
    "orgs": ORGS,
    "classes": CLASSES,
    "courses": COURSES,
    "enrollments": ENROLLMENTS,
    "categories": CATEGORIES,
    "users": [
        "sourcedId,status,dateLastModified,enabledUser,username,userIds,givenName,familyName,"
        "middleName,identifier,email,sms,phone,agentSourcedIds,grades,password,"
        "userMasterIdentifier,preferredGivenName,preferredMiddleName,preferredFamilyName,"
        "primaryOrgSourcedId,pronouns,metadata.password2",
        'stu1,,,true,s,,Stu,One,,,,,,"tea1,tea1",KG,secret4,,,,,,,secret5',
        "tea1,,,true,t,,Tea,One,,,,,,,,,,,,,00001,,",
        "adm1,,,true,a,,Adm,One,,,,,,,,,,,,,,,",
        "lib1,,,true,l,,Lib,One,,,,,,,,,,,,,,,",
    ],
    "roles": [
        "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,"
        "orgSourcedId,userProfileSourcedId",
        "ro1,,,stu1,primary,student,2026-08-01,,00001,",
        "ro2,,,tea1,secondary,parent,,,d1,",
        "ro3,,,tea1,primary,teacher,,,00001,",
        "ro4,,,adm1,primary,districtAdministrator,,,d1,",
        "ro5,,,lib1,primary,ext:librarian,,,00001,",
    ],
    "userProfiles": [
        "sourcedId,status,dateLastModified,userSourcedId,profileType,vendorId,applicationId,"
        "description,credentialType,username,password",
        "up1,,,stu1,LMS,v,a,,basic,s.lms,secret6",
    ],
    "demographics": [
        "sourcedId,status,dateLastModified,birthDate,sex,americanIndianOrAlaskaNative,asian,"
        "blackOrAfricanAmerican,nativeHawaiianOrOtherPacificIslander,white,"
        "demographicRaceTwoOrMoreRaces,hispanicOrLatinoEthnicity,countryOfBirthCode,"
        "stateOfBirthAbbreviation,cityOfBirth,publicSchoolResidenceStatus",
        "stu1,,,2015-01-31,Female,false,true,false,,true,false,false,,,,",
        "tea1,,,,male,,,,,TRUE,,,,,,",
        "adm1,,,,,,true,,,,,true,,,,",
    ],
    "lineItems": [
        "sourcedId,status,dateLastModified,title,description,assignDate,dueDate,classSourcedId,"
        "categorySourcedId,academicSessionSourcedId,resultValueMin,resultValueMax,schoolSourcedId",
        "li1,,,Page 1,,2026-09-01,2026-09-08,101,h,t1,,,00001",
    ],
    "results": [
        "sourcedId,status,dateLastModified,lineItemSourcedId,studentSourcedId,scoreStatus,score,"
        "scoreDate,comment,textScore,classSourcedId,inProgress,incomplete,late,missing",
        "r1,,,li1,stu1,fully graded,,2026-09-09,A,Pass,101,false,false,true,false",
    ],
    "scoreScales": [
        "sourcedId,status,dateLastModified,title,type,orgSourcedId,courseSourcedId,"
        "classSourcedId,scoreScaleValue",
        'sc1,,,Pass or fail,letter,00001,c1,101,"{Pass:60-100},{Fail:0-59}"',
    ],
    "lineItemScoreScales": [
        "sourcedId,status,dateLastModified,title,lineItemSourcedId,scoreScaleSourcedId",
        "ls1,,,,li1,sc1",
    ],
    "resources": [
        "sourcedId,status,dateLastModified,vendorResourceId,title,roles,importance,vendorId,"
        "applicationId",
        "re1,,,v1,Textbook,,primary,,",
    ],
    "classResources": [
        "sourcedId,status,dateLastModified,title,classSourcedId,resourceSourcedId",
        "cl1,,,Our copy,101,re1",
    ],
    "courseResources": [
        "sourcedId,status,dateLastModified,title,courseSourcedId,resourceSourcedId",
        "co1,,,,c1,re1",
        "co2,,,,c2,re1",
    ],
    "userResources": ["sourcedId,status,dateLastModified,userSourcedId", "ur1,,,stu1"],
}

Files = dict[str, list[str]]
Rows = dict[str, dict[str, Row]]


def write_bundle(folder: Path, files: Files, version: str = "1.1", **modes: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    manifest = ["propertyName,value", f"oneroster.version,{version}", "source.systemCode,SIS"]
    all_modes = dict.fromkeys(files, "bulk") | modes
    manifest += [f"file.{file},{mode}" for file, mode in all_modes.items()]
    for name, lines in (files | {"manifest": manifest}).items():
        (folder / f"{name}.csv").write_text("\r\n".join(lines), "utf-8-sig", newline="")
    return folder


def zip_of(folder: Path, prefix: str = "") -> Path:
    path = folder.parent / "bundle.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.write(file, prefix + file.name)
    return path


def landed_rows(spark: SparkSession, path: Path) -> Rows:
    with open_bundle(path) as bundle:
        parts = read_parts(spark, bundle)
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
    orphan = rows_1_1["grades"]["r3"]
    assert values(orphan, "assignment_id", "course_id", "letter", "graded_at") == (
        "gone",
        None,
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
    }
    assert users["lib1"]["metadata"]["role"] == "ext:librarian"
    assert set(rows_1_2["affiliations"]) == {"ro1", "ro2", "ro3", "ro4", "ro5"}
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
    assert values(grade, "letter", "points_earned", "points_possible") == ("Pass", None, None)
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
        assert read_parts(spark, bundle) == []
    some = {"orgs": ORGS, "courses": COURSES, "academicSessions": SESSIONS}
    delta = write_bundle(tmp_path / "delta", some, orgs="delta", courses="absent")
    with open_bundle(delta) as bundle:
        parts = read_parts(spark, bundle)
        assert bundle.modes["users"] == "absent"
    assert {part.entity: part.is_complete for part in parts} == {"schools": False, "terms": True}


def test_source_system_falls_back_to_the_district(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path, {"orgs": ORGS})
    manifest = folder / "manifest.csv"
    manifest.write_text(manifest.read_text().replace("source.systemCode,SIS\n", ""))
    with open_bundle(folder) as bundle:
        assert bundle.source_system == "d1"


def refusal(path: Path) -> str:
    with pytest.raises(DistrictError) as raised, open_bundle(path):
        pass
    assert "\n" not in str(raised.value) and raised.value.hint
    return str(raised.value)


def test_unusable_paths_are_refused(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "gone")
    assert "is empty" in refusal(tmp_path)
    (tmp_path / "orgs.csv").write_text("sourcedId\n")
    assert "has no manifest.csv" in refusal(tmp_path)
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


def test_declared_but_missing_files_and_unknown_modes_are_refused(tmp_path: Path) -> None:
    missing = write_bundle(tmp_path / "missing", {"orgs": ORGS}, users="bulk")
    assert "has no users.csv, but manifest.csv says it is bulk" in refusal(missing)
    unknown = write_bundle(tmp_path / "unknown", {"orgs": ORGS}, orgs="full")
    assert "file.orgs is 'full'" in refusal(unknown)


def test_text_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    folder = write_bundle(tmp_path, {"orgs": ORGS})
    (folder / "orgs.csv").write_bytes("\n".join([*ORGS, "o3,,,Café,school,,"]).encode("cp1252"))
    assert "orgs.csv is not UTF-8 text (line 4)" in refusal(folder)


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
        files = list(bundle.files.values())
        assert [file.name for file in files] == ["orgs.csv"]
        assert files[0].exists()
    assert not files[0].parent.exists()


ROW = "{},,,T,term,{},{},,2027"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["sourcedId,title,type,endDate"], "has no column startDate, schoolYear"),
        (["sourcedId,title,type,startDate,endDate,schoolYear,Title"], "title more than once"),
        (
            [SESSIONS[0], *SESSIONS[1:], SESSIONS[2], SESSIONS[1]],
            "2 rows repeat a sourcedId, first t1 in line 4",
        ),
        ([SESSIONS[0], SESSIONS[1], ROW.format("", "2026-08-01", "2026-08-02")], "1 rows have no"),
        (
            [SESSIONS[0], 'x,,,"a\nb",term,2026-08-01,2026-12-01,,2027', *SESSIONS[1:], "z,,"],
            "1 rows have too few or too many fields, first in line 6",
        ),
        (
            [SESSIONS[0], SESSIONS[1], ROW.format("a", "2026-02-30", "01/02/2026")],
            "1 values of startDate are not dates (YYYY-MM-DD), first in line 3; "
            "academicSessions.csv: 1 values of endDate",
        ),
    ],
)
def test_broken_files_are_refused_in_one_line(
    spark: SparkSession, tmp_path: Path, lines: list[str], message: str
) -> None:
    folder = write_bundle(tmp_path, {"academicSessions": lines})
    with open_bundle(folder) as bundle, pytest.raises(DistrictError) as raised:
        check_files(spark, bundle)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value) and raised.value.hint


@pytest.mark.parametrize("score", ["NaN", "inf", "7,5", "1e9"])
def test_scores_that_are_no_numbers_are_refused(
    spark: SparkSession, tmp_path: Path, score: str
) -> None:
    row = f'r9,,,li1,stu1,fully graded,"{score}",2026-09-09,'
    folder = write_bundle(tmp_path, {"results": [*RESULTS_1_1, row]})
    with open_bundle(folder) as bundle, pytest.raises(DistrictError) as raised:
        check_files(spark, bundle)
    assert "1 values of score are not numbers" in str(raised.value)
    assert "first in line 6" in str(raised.value)  # one comment takes two lines
    assert score not in str(raised.value)


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
        parts = {part.entity: part.frame for part in read_parts(spark, bundle)}
        arrived = {entity: parts[entity].count() for entity in one_to_one}
        if name == "contoso_sis_1_1":
            above = parts["grades"].where("points_earned > points_possible")
            assert above.count() == 407
            assert parts["users"].where("role = 'student'").count() == 400
    assert arrived == {entity: count(file) for entity, file in one_to_one.items()}


@needs_samples
def test_sample_with_repeated_ids_is_refused(spark: SparkSession) -> None:
    with (
        open_bundle(SAMPLES / "contoso_sis_1_1_raw") as bundle,
        pytest.raises(DistrictError, match="results.csv: 3,600 rows repeat a sourcedId, first"),
    ):
        check_files(spark, bundle)
