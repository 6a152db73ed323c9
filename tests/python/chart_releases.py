"""A small release made of frames: every chart has something to draw, and names are hostile."""

from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd

from python_jobs.reports.data import CELL, YEAR, Release
from python_jobs.seeds import read_seed

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)> {{7*7}} %{x} & =1+1"
LONG = "A School of a Very Long Name " * 8
RIGHT_TO_LEFT = "مدرسة النور الثانوية"
SCHOOLS = {"s1": HOSTILE, "s2": LONG, "s3": RIGHT_TO_LEFT}
YEARS = (2025, 2026)
TERMS = ("Fall", "Spring")
SUBJECTS = ("english", "math", "pe_health", "science")
GROUPS = {"sex": ("female", "male"), "iep": ("no", "yes")}
SCALE = {
    "rate": 0.8, "percent": 80, "points": 3, "count": 400, "days": 4, "per_student": 2,
    "per_100_students": 12,
}  # fmt: skip
HIDDEN = "fewer than 10 students, or a cell that protects such a one"
DEFINITIONS = {row["kpi"]: row for row in read_seed("kpi_definitions")}


def _units() -> list[tuple[str, str]]:
    return [
        *[("school", school) for school in SCHOOLS],
        ("district", "d1"),
        *[("subject", subject) for subject in SUBJECTS],
        *[("grade_level", grade) for grade in ("KG", "01", "09")],
        *[("course", f"c{number}") for number in range(12)],
        *[("teacher", f"t{number}") for number in range(8)],
    ]


def _weeks() -> list[tuple[str, str]]:
    return [
        ("school_week", f"{school} 2025-09-{day:02}") for school in SCHOOLS for day in (1, 8, 22)
    ]


def _groups(grain: str) -> list[tuple[str, str]]:
    groups = [("all", "all")]
    if grain in ("school", "district"):
        groups += [(kind, group) for kind, names in GROUPS.items() for group in names]
    return groups


def _value(kpi: str, place: int) -> float:
    """Return a number that differs between cells and stays in the range of its unit."""
    unit = DEFINITIONS[kpi]["unit"]
    if kpi.startswith("letter_rate_"):
        letter = kpi.removeprefix("letter_rate_")
        return (0.18 + 0.01 * (place % 3 - 1)) if letter in "ABCDF" else 0.1 * (letter == "P")
    if kpi.startswith("early_warning_rate"):
        return {"k": 0.2, "g": 0.3}.get(kpi[-1], 0.5)
    return SCALE[unit] * (1 - 0.031 * (place % 5) - 0.004 * (place % 7))


def values() -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    place = 0
    for kpi in DEFINITIONS:
        if kpi.startswith("letter_rate_") and _value(kpi, 0) == 0:
            continue
        for grain, entity in [*_units(), *(_weeks() if kpi == "attendance_rate" else [])]:
            for kind, group in _groups(grain):
                for year in YEARS:
                    terms = [f"{year}-{name}" for name in TERMS] if grain != "school_week" else []
                    for term in (*terms, YEAR):
                        place += 1
                        value = _value(kpi, place)
                        rows.append(
                            dict(
                                zip(
                                    CELL, (kpi, grain, entity, kind, group, year, term), strict=True
                                )
                            )
                            | {
                                "value": value,
                                "numerator": value * 100,
                                "denominator": 100.0,
                                "student_count": 100.0,
                                "suppression": None,
                            }
                        )
    frame = pd.DataFrame(rows)
    # s3 hides its attendance and that of a week; the families of s2 are nearly all linked.
    hide(
        frame,
        frame["entity_id"].isin(["s3", "s3 2025-09-08"]) & (frame["kpi"] == "attendance_rate"),
    )
    bounded = (frame["entity_id"] == "s2") & (frame["kpi"] == "guardian_linked_rate")
    hide(frame, bounded, "guardian_linked_rate: more than 95 %")
    return frame


def hide(frame: pd.DataFrame, rows: "pd.Series[bool]", why: str = HIDDEN) -> None:
    frame.loc[rows, ["value", "numerator", "student_count"]] = None
    frame.loc[rows, "suppression"] = why


def small_release(**changes: Any) -> Release:
    """Return the release; the one before had lower grades. changes: fields to put in place."""
    now = values()
    earlier = now[now["kpi"] == "avg_grade_percent"].assign(value=lambda rows: rows["value"] - 1)
    wide = now["grain"].isin(["school", "district", "subject"]) & (now["subgroup_type"] == "all")
    grouped = now[(now["subgroup_type"] != "all") & (now["term_id"] == YEAR)]
    courses = {f"c{n}": f"Course {n} {HOSTILE if n == 3 else ''}" for n in range(12)}
    release = Release(
        release_id=2,
        previous_id=1,
        as_of=date(2026, 6, 30),
        min_n=10,
        values=now,
        before=pd.concat([now[now["kpi"] != "avg_grade_percent"], earlier]),
        gaps=grouped.assign(
            subgroup_value=grouped["value"], other_value=grouped["value"] - 0.04, gap=0.04,
            interval_low=0.01, interval_high=0.07,
        ),
        comparisons=now[wide & (now["school_year"] == 2026)].assign(
            earlier_value=lambda rows: rows["value"] - 0.02, value_change=0.02
        ),
        contents=pd.DataFrame(
            [(subject, year, YEAR, kind, 10.0 + len(kind)) for subject in SUBJECTS
             for year in YEARS for kind in ("lesson", "quiz", "video")],
            columns=["entity_id", "school_year", "term_id", "content_type", "content_count"],
        ),
        schools=pd.DataFrame(
            [(school, name, "school", "d1") for school, name in SCHOOLS.items()]
            + [("d1", "Union District", "district", "d1")],
            columns=["entity_id", "name", "grain", "district_id"],
        ),
        courses=pd.DataFrame(
            [(course, name, f"s{n % 3 + 1}") for n, (course, name) in enumerate(courses.items())],
            columns=["course_id", "name", "school_id"],
        ).set_index("course_id"),
        periods=pd.DataFrame(
            [(year, term, name) for year in YEARS for term, name in (
                *[(f"{year}-{season}", season) for season in TERMS], (YEAR, ""))],
            columns=["school_year", "term_id", "name"],
        ),
        definitions=DEFINITIONS,
    )  # fmt: skip
    return replace(release, **changes)


def two_districts() -> Release:
    """Return the release with school s3 in a district of its own, of 7 students."""
    release = small_release()
    own = release.schools["entity_id"] == "s3"
    schools = release.schools.assign(district_id=release.schools["district_id"].mask(own, "d2"))
    added = pd.DataFrame([("d2", "Small District", "district", "d2")], columns=schools.columns)
    cells = release.values[release.values["entity_id"] == "d1"].assign(entity_id="d2")
    cells = cells.assign(student_count=7.0, value=cells["value"] / 2)
    gaps = release.gaps[release.gaps["entity_id"] == "d1"].assign(entity_id="d2")
    return replace(
        release,
        gaps=pd.concat([release.gaps, gaps], ignore_index=True),
        schools=pd.concat([schools, added], ignore_index=True),
        values=pd.concat([release.values, cells], ignore_index=True),
    )


def all_hidden() -> Release:
    """Return a release of one school and one student: nothing of it may be shown."""
    release = small_release()
    now = release.values[release.values["entity_id"].isin(["s1", "d1"])].copy()
    hide(now, now["kpi"].notna())
    now["denominator"] = None
    gaps = release.gaps.assign(gap=None, interval_low=None, interval_high=None, student_count=None)
    return replace(
        release,
        values=now,
        before=now,
        gaps=gaps[gaps["entity_id"] == "d1"],
        comparisons=release.comparisons.head(0),
        contents=release.contents.head(0),
        schools=release.schools[release.schools["entity_id"].isin(["s1", "d1"])],
        courses=release.courses.head(0),
    )


def no_data() -> Release:
    """Return a release in which no row stands."""
    release = small_release()
    frames = (
        "values",
        "before",
        "gaps",
        "comparisons",
        "contents",
        "schools",
        "courses",
        "periods",
    )
    return replace(release, **{name: getattr(release, name).head(0) for name in frames})
