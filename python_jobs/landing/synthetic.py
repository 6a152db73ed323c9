"""A synthetic district, made wholly in Spark: all 16 raw entities, any size, no real person.

Rows follow from the ids by hash, so nothing is collected, nothing depends on the clock, and a
student's rows need no join to another big table.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession

from python_jobs.landing import (
    synthetic_courses,
    synthetic_events,
    synthetic_gradebook,
    synthetic_roster,
)
from python_jobs.landing.raw import Part
from python_jobs.landing.synthetic_plan import District, Export

__all__ = ["District", "batches", "night"]

MAKERS: dict[str, Callable[[SparkSession, Export], DataFrame]] = {
    "schools": synthetic_roster.schools,
    "terms": synthetic_roster.terms,
    "users": synthetic_roster.users,
    "affiliations": synthetic_roster.affiliations,
    "guardianships": synthetic_roster.guardianships,
    "courses": synthetic_courses.course_rows,
    "enrollments": synthetic_courses.enrollments,
    "contents": synthetic_courses.contents,
    "assignments": synthetic_courses.assignments,
    "homeworks": synthetic_gradebook.homeworks,
    "grades": synthetic_gradebook.grades,
    "adjustments": synthetic_courses.adjustments,
    "attendance": synthetic_events.attendance,
    "content_views": synthetic_events.content_views,
    "communications": synthetic_events.communications,
    "incidents": synthetic_events.incidents,
}
CHANGED_NIGHTLY = [
    "users", "affiliations", "enrollments", "homeworks", "grades", "adjustments", "attendance",
    "content_views", "communications", "incidents",
]  # fmt: skip


def _parts(spark: SparkSession, export: Export, entities: list[str]) -> list[Part]:
    return [
        Part(entity, MAKERS[entity](spark, export), f"synthetic/{entity}") for entity in entities
    ]


def batches(spark: SparkSession, district: District) -> Iterator[tuple[datetime, list[Part]]]:
    """Yield one batch per school year, oldest first: when it speaks for (UTC), and its parts.

    The roster is sent anew each year, people who left with is_active = false; no part is
    complete, so what earlier years brought stays as it was.
    """
    for year in range(district.first_school_year, district.last_school_year + 1):
        export = Export(district, year)
        yield export.as_of, _parts(spark, export, list(MAKERS))


def night(
    spark: SparkSession, district: District, night: int, changed_share: float
) -> tuple[datetime, list[Part]]:
    """Return the rows that changed in the night number `night` (1, 2, ...) after the last batch.

    changed_share: the share of students with changes, in [0, 1]; give the same one every night,
    for what changed on earlier nights (a move, a name) is worked out from it.
    Raises ValueError when night or changed_share is out of range.
    """
    if night < 1:
        raise ValueError(f"nights count from 1, not {night}")
    if not 0 <= changed_share <= 1:
        raise ValueError(f"changed_share lies in [0, 1], not {changed_share}")
    last = Export(district, district.last_school_year)
    export = replace(last, night=night, changed_share=changed_share)
    return export.as_of, _parts(spark, export, CHANGED_NIGHTLY)
