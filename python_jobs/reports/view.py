"""Points of the pictures: numbers of a release with the texts that readers see, for one scope."""

import re
from dataclasses import dataclass, replace
from functools import cached_property

import pandas as pd

from python_jobs.reports.data import YEAR, Release
from python_jobs.reports.texts import Texts, number

BOUND = re.compile(r"(more|less) than ([\d.]+) %")
WILSON_Z = 1.959964
WHOLE = "all"


def said(value: float | None, unit: str, suppression: str | None, texts: Texts, min_n: int) -> str:
    """Return a number as readers see it, or why they do not."""
    if pd.notna(value) and value is not None:
        return number(value, unit)
    bound = BOUND.search(suppression or "")
    if bound:
        return f"{'>' if bound[1] == 'more' else '<'} {bound[2]}\u00a0%"
    return texts("hidden", min_n=min_n) if suppression else texts("no_value")


def wilson(numerator: float, denominator: float) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    Source: Wilson (1927), Journal of the American Statistical Association 22, 209-212.
    """
    share, square = numerator / denominator, WILSON_Z**2
    middle = (share + square / (2 * denominator)) / (1 + square / denominator)
    half = (
        WILSON_Z
        * (share * (1 - share) / denominator + square / (4 * denominator**2)) ** 0.5
        / (1 + square / denominator)
    )
    return middle - half, middle + half


@dataclass(frozen=True)
class View:
    """A release as one reader sees it: the district, or one school beside it."""

    release: Release
    texts: Texts
    school: str | None = None

    @cached_property
    def units(self) -> list[tuple[str, str]]:
        """Grain and id of the schools in scope, then of their districts."""
        schools = self.release.schools
        if self.school is not None:
            district = schools.loc[schools["entity_id"] == self.school, "district_id"]
            wanted = schools["entity_id"].isin({self.school, *district})
            schools = schools[wanted]
        return list(zip(schools["grain"], schools["entity_id"], strict=True))

    @cached_property
    def values(self) -> pd.DataFrame:
        """The values with label, text, position, bound, low, high and the place of their period."""
        frame = self.release.values.merge(
            self.release.periods.reset_index(names="order"), on=["school_year", "term_id"]
        )
        return self._described(frame)

    @cached_property
    def whole(self) -> dict[str, pd.DataFrame]:
        """The rows of all students, by KPI."""
        rows = self.values[self.values["subgroup_type"] == WHOLE]
        return {str(kpi): part for kpi, part in rows.groupby("kpi", sort=False)}

    def at(self, school: str) -> "View":
        """Return the view of one school; what is known already is shared."""
        view = replace(self, school=school)
        view.__dict__.update({"values": self.values, "whole": self.whole})
        return view

    def _described(self, frame: pd.DataFrame) -> pd.DataFrame:
        units = {kpi: row["unit"] for kpi, row in self.release.definitions.items()}
        shares = {
            kpi
            for kpi, row in self.release.definitions.items()
            if row["is_student_share"] == "true"
        }
        rows = list(
            zip(
                frame["kpi"],
                frame["value"],
                frame["suppression"],
                frame["numerator"],
                frame["denominator"],
                strict=True,
            )
        )
        bounds = [
            None if pd.notna(value) else BOUND.search(why or "") for _, value, why, _, _ in rows
        ]
        intervals = [
            wilson(numerator, denominator)
            if kpi in shares and pd.notna(numerator) and denominator > 0
            else (None, None)
            for kpi, _, _, numerator, denominator in rows
        ]
        min_n = self.release.min_n
        return frame.assign(
            text=[
                said(value, units[kpi], why, self.texts, min_n) for kpi, value, why, _, _ in rows
            ],
            bound=["" if one is None else "high" if one[1] == "more" else "low" for one in bounds],
            position=[
                value if one is None else float(one[2]) / 100
                for (_, value, _, _, _), one in zip(rows, bounds, strict=True)
            ],
            low=pd.Series([low for low, _ in intervals], dtype=float, index=frame.index),
            high=pd.Series([high for _, high in intervals], dtype=float, index=frame.index),
            label=[
                self.release.name_of(grain, entity)
                for grain, entity in zip(frame["grain"], frame["entity_id"], strict=True)
            ],
            is_whole=frame["grain"] == "district",
        )

    def cells(self, kpi: str, grain: str) -> pd.DataFrame:
        """Return the rows of all students of a KPI in scope, in the order of names.

        grain: 'school' has the district too, after the schools.
        """
        rows = self.whole.get(kpi, self.values.head(0))
        if grain == "school":
            places = {entity: place for place, (_, entity) in enumerate(self.units)}
            rows = rows[
                rows["grain"].isin(["school", "district"]) & rows["entity_id"].isin(list(places))
            ]
            return rows.assign(place=rows["entity_id"].map(places)).sort_values(["order", "place"])
        rows = rows[rows["grain"] == grain]
        if grain == "course" and self.school is not None:
            schools = rows["entity_id"].map(self.release.courses["school_id"])
            rows = rows[schools == self.school]
        if grain == "grade_level":
            grades = rows["entity_id"].map(grade_place)
            return rows.assign(place=grades).sort_values(["order", "place"])
        return rows.sort_values(["order", "label", "entity_id"])

    def latest(self, kpi: str, grain: str, order: int | None = None) -> pd.DataFrame:
        """Return the cells of one period: `order`, else the last one.

        That is the last term of the last school year that shows a number, else the year itself.
        """
        cells = self.cells(kpi, grain)
        if order is not None:
            return cells[cells["order"] == order]
        return self.last_period(cells)

    def last_period(self, cells: pd.DataFrame) -> pd.DataFrame:
        """Return the cells of the last period, as `latest` says."""
        cells = cells[cells["school_year"] == cells["school_year"].max()]
        shown = cells[cells["position"].notna()]
        periods = shown if len(shown) else cells
        terms = periods[periods["term_id"] != YEAR]
        chosen = terms if len(terms) else periods
        last: pd.DataFrame = cells[cells["order"] == chosen["order"].max()]
        return last

    def district_of(self, entity: str, grain: str) -> str:
        """Return the id of the district of a school, or of the only one; '' where it is not known.

        grain: other than 'school' of what is not parted by district.
        """
        if grain == "school":
            schools = self.release.schools.set_index("entity_id")["district_id"]
            return str(schools.get(entity, ""))
        districts = [one for kind, one in self.units if kind == "district"]
        return districts[0] if len(districts) == 1 else ""

    def name(self, kpi: str) -> str:
        return self.texts.kpi(kpi, self.release.definitions[kpi]["name"])

    def unit(self, kpi: str) -> str:
        return self.release.definitions[kpi]["unit"]

    def period_of(self, cells: pd.DataFrame) -> str:
        """Return the name of the period of cells that all have one."""
        if cells.empty:
            return ""
        return self.release.period_name(int(cells["school_year"].iloc[0]), cells["term_id"].iloc[0])

    def scope_name(self) -> str:
        """Return the name of the school, or of the district."""
        if self.school is not None:
            return self.release.name_of("school", self.school)
        districts = [entity for grain, entity in self.units if grain == "district"]
        if len(districts) == 1:
            return self.release.name_of("district", districts[0])
        return self.texts("district")


def grade_place(grade: str) -> int:
    """Return the place of a grade level: PK, KG, 01, ... 12, what is unknown last."""
    if grade.isdigit():
        return int(grade)
    return {"PK": -1, "KG": 0}.get(grade, 99)
