"""The call list of one school, with names: for those who may see it, each writing in a log.

Not part of the site. What is written says on each page for whom and why, and
quality.disclosures says who asked, when, why, and for which students.
"""

import os
import pwd
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from python_jobs.errors import DistrictError
from python_jobs.reports.site import environment, school_page

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
    who = user()
    now = datetime.now(UTC).replace(tzinfo=None)
    _log(
        spark,
        (now, who, reason.strip(), school_id, release_id, [s["student_id"] for s in students]),
    )
    text = page(
        school=names[school_id], students=students, reason=reason.strip(), who=who,
        when=f"{now:%Y-%m-%d %H:%M} UTC", release_id=release_id,
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / school_page(school_id).replace("school-", "call-list-")
    write_private(path, text)
    return path


def user() -> str:
    """Return the user of the operating system, whatever the environment says."""
    return pwd.getpwuid(os.getuid()).pw_name


def page(**words: Any) -> str:
    """Return the list, and a page of each student. words: those of templates/restricted.html."""
    return environment().get_template("restricted.html").render(levels=LEVELS, **words)


def write_private(path: Path, text: str) -> None:
    """Write a file that its owner only can read, whoever could read what stood there before."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    with os.fdopen(number, "w", encoding="utf-8") as file:
        os.fchmod(number, 0o600)
        os.ftruncate(number, 0)
        file.write(text)


def _students(spark: SparkSession, school_id: str) -> list[dict[str, Any]]:
    """Return the school's students with a warning in the last school year, the urgent first.

    got_worse: since the release before (pub.call_list). unweighted_gpa and failure_count: of that
    year; null where there is no mark.
    """
    warnings = spark.table("pub.student_early_warning").where(
        "school_year = (select max(school_year) from pub.student_early_warning)"
    )
    warnings = warnings.where(warnings["school_id"] == school_id).where(
        "overall_level in ('at_risk', 'early_warning')"
    )
    names = spark.table("core.dim_student").where("is_current").select("student_id", "full_name")
    calls = spark.table("pub.call_list").selectExpr("student_id", "true as got_worse")
    gpas = spark.table("pub.student_gpa").where("period_type = 'year'")
    failures = spark.sql(
        """
        select student_id, school_year, count(distinct course_id) as failure_count
        from pub.course_failures group by student_id, school_year
        """
    )
    rows = (
        warnings.join(names, "student_id", "left")
        .join(calls, "student_id", "left")
        .join(
            gpas.select("student_id", "school_year", "unweighted_gpa"),
            ["student_id", "school_year"],
            "left",
        )
        .join(failures, ["student_id", "school_year"], "left")
        .orderBy("overall_level", F.desc_nulls_last("got_worse"), "attendance_rate", "student_id")
    )
    return [row.asDict() for row in rows.collect()]


def _log(spark: SparkSession, entry: tuple[Any, ...]) -> None:
    schema = ", ".join(f"{name} {kind}" for name, kind in LOG_COLUMNS.items())
    spark.sql("create schema if not exists quality")
    spark.createDataFrame([entry], schema).coalesce(1).write.format("delta").mode(
        "append"
    ).saveAsTable(LOG)
