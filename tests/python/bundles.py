"""Small OneRoster bundles to land, and to break; what raw holds of them."""

import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from python_jobs.errors import DistrictError
from python_jobs.landing.bundle import open_bundle
from python_jobs.schemas import ENTITIES, LANDING_COLUMNS, columns

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
    "r3,,,li2,stu1,submitted,,2026-09-10 08:01:05,A good try",
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
        "tea2,,,true,u,,Tea,Two,,,,,,,,,,,,,,,",
    ],
    "roles": [
        "sourcedId,status,dateLastModified,userSourcedId,roleType,role,beginDate,endDate,"
        "orgSourcedId,userProfileSourcedId",
        "ro1,,,stu1,primary,student,2026-08-01,,00001,",
        "ro2,,,tea1,secondary,parent,,,d1,",
        "ro3,,,tea1,primary,teacher,,,00001,",
        "ro4,,,adm1,primary,districtAdministrator,,,d1,",
        "ro5,,,lib1,primary,ext:librarian,,,00001,",
        "ro6,,,tea2,primary,teacher,,,00001,",
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
        "r1,,,li1,stu1,fully graded,,2026-09-09,A,P,101,false,false,true,false",
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

# Of the batch that brought a row, not of the row.
OF_LANDING = {*LANDING_COLUMNS, "created_at", "updated_at"}
RAW_TABLES = (*ENTITIES, "batches")
PARALLEL_READS = 4

Files = dict[str, list[str]]
Rows = dict[str, dict[str, dict[str, Any]]]


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


def contents(spark: SparkSession, *also: str) -> Rows:
    """Return entity -> id -> row of raw, but what says how it landed; also: more columns."""

    def rows(entity: str) -> dict[str, dict[str, Any]]:
        names = [name for name in columns(entity) if name not in OF_LANDING or name in also]
        found = spark.table(f"raw.{entity}").select(*names).collect()
        by_id = {row.id: row.asDict() for row in found}
        assert len(by_id) == len(found), f"{entity} has an id twice"
        return by_id

    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        return dict(zip(ENTITIES, pool.map(rows, ENTITIES), strict=True))


def versions(spark: SparkSession, tables: Sequence[str] = RAW_TABLES) -> dict[str, int]:
    """Return the last commit of each raw table; by default of the log of batches too."""

    def version(table: str) -> int:
        return int(spark.sql(f"describe history raw.{table} limit 1").collect()[0].version)

    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        return dict(zip(tables, pool.map(version, tables), strict=True))


def restore(spark: SparkSession, known: Mapping[str, int]) -> None:
    """Put back the raw tables that have other commits than those known."""
    now = versions(spark)
    changed = [table for table in known if now[table] != known[table]]

    def put_back(table: str) -> None:
        spark.sql(f"restore table raw.{table} to version as of {known[table]}")

    with ThreadPoolExecutor(PARALLEL_READS) as pool:
        list(pool.map(put_back, changed))


def refusal(path: Path) -> str:
    with pytest.raises(DistrictError) as raised, open_bundle(path):
        pass
    assert "\n" not in str(raised.value) and raised.value.hint
    return str(raised.value)
