"""The call list of one school, with names: for those who may see it, each writing in a log.

Not part of the site. What is written says on each page for whom and why, and
quality.disclosures says who asked, when, why, and for which students.
"""

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from python_jobs.errors import DistrictError
from python_jobs.reports.site import HERE, school_page

LOG = "quality.disclosures"
LOG_COLUMNS = {
    "disclosed_at": "timestamp",
    "disclosed_by": "string",  # the user of the operating system
    "reason": "string",
    "school_id": "string",
    "release_id": "int",
    "student_ids": "array<string>",
}
LEVELS = {"at_risk": "at risk", "early_warning": "early warning", "on_track": "on track",
          "not_known": "not known"}  # fmt: skip


def write_call_list(
    spark: SparkSession, school_id: str, reason: str, folder: Path, release_id: int
) -> Path:
    """Log the disclosure, then write the list and a page of each student as one HTML file.

    Raises DistrictError for no reason or an unknown school.
    """
    if not reason.strip():
        raise DistrictError("names are shown for a reason only", "say why: --reason TEXT")
    schools = spark.table("core.dim_school").where("is_current").collect()
    names = {row.school_id: row.school_name for row in schools}
    if school_id not in names:
        raise DistrictError(
            f"there is no school {school_id!r}",
            'list them with: district sql "select school_id from pub.school_performance"',
        )
    students = _students(spark, school_id)
    who = getpass.getuser()
    now = datetime.now(UTC).replace(tzinfo=None)
    _log(
        spark,
        (now, who, reason.strip(), school_id, release_id, [s["student_id"] for s in students]),
    )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"), autoescape=True
    )
    text = environment.get_template("restricted.html").render(
        school=names[school_id], students=students, reason=reason.strip(), who=who,
        when=f"{now:%Y-%m-%d %H:%M} UTC", release_id=release_id, levels=LEVELS,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / school_page(school_id).replace("school-", "call-list-")
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path


def _students(spark: SparkSession, school_id: str) -> list[dict[str, Any]]:
    """Return the school's students with a warning in the last school year, the urgent first.

    got_worse: since the release before (pub.call_list).
    """
    warnings = spark.table("pub.student_early_warning").where(
        "school_year = (select max(school_year) from pub.student_early_warning)"
    )
    warnings = warnings.where(warnings["school_id"] == school_id).where(
        "overall_level in ('at_risk', 'early_warning')"
    )
    names = spark.table("core.dim_student").where("is_current").select("student_id", "full_name")
    calls = spark.table("pub.call_list").selectExpr("student_id", "true as got_worse")
    rows = (
        warnings.join(names, "student_id", "left")
        .join(calls, "student_id", "left")
        .orderBy("overall_level", F.desc_nulls_last("got_worse"), "attendance_rate", "student_id")
    )
    return [row.asDict() for row in rows.collect()]


def _log(spark: SparkSession, entry: tuple[Any, ...]) -> None:
    schema = ", ".join(f"{name} {kind}" for name, kind in LOG_COLUMNS.items())
    spark.sql("create schema if not exists quality")
    spark.createDataFrame([entry], schema).coalesce(1).write.format("delta").mode(
        "append"
    ).saveAsTable(LOG)
