"""The scorecard, the choices of a KPI's page, and what changed since the last release.

Rows that a page filters carry, before their cells, the position of their option in each filter.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from python_jobs.reports.data import CELL, YEAR
from python_jobs.reports.texts import change, is_zero
from python_jobs.reports.view import BOUND, WHOLE, View, said

KPIS = (
    "student_count", "avg_grade_percent", "a_b_rate", "d_f_rate", "gpa_unweighted",
    "course_failure_rate", "grade9_on_track_rate", "homework_submission_rate", "attendance_rate",
    "chronic_absence_rate", "early_warning_rate_at_risk", "guardian_reached_rate",
    "changes_per_100_students", "content_usage_rate",
)  # fmt: skip
LARGEST = 12
ANY = -1


@dataclass(frozen=True)
class Filter:
    """A choice of the reader; chosen: the position of the option that the page opens with.

    A filter with `any_text` may also be left open (ANY).
    """

    name: str
    label: str
    options: list[str]
    chosen: int
    any_text: str = ""


@dataclass(frozen=True)
class Filtered:
    """A table, and bars where `bar` names the cell that holds their length, that a page filters.

    rows: a position for each filter, then a cell for each heading; a cell is a text, or a text and
    the page that it leads to. lengths: of the bars, null where there is nothing to draw.
    """

    name: str
    filters: list[Filter]
    header: list[str]
    rows: list[list[Any]]
    lengths: list[float | None]
    is_rate: bool = False
    has_bars: bool = False

    def chosen_rows(self) -> Iterator[list[Any]]:
        """Yield the cells of the rows that the page opens with."""
        chosen = [one.chosen for one in self.filters]
        for row in self.rows:
            if all(c in (ANY, place) for c, place in zip(chosen, row, strict=False)):
                yield row[len(chosen) :]


def kpi_page(kpi: str) -> str:
    return f"kpi-{kpi.replace('+', '_plus').replace('letter_rate_', 'letter_')}.html"


def _periods(view: View) -> tuple[list[int], list[str]]:
    """Return the school years, the newest first, and the names of terms of all years."""
    periods = view.release.periods
    years = sorted(set(periods["school_year"]), reverse=True)
    return [int(year) for year in years], _term_names(view)


def _term_names(view: View) -> list[str]:
    """Return the places of terms within their year (1st, 2nd ...) by the newest year's names."""
    periods = view.release.periods
    terms = periods[periods["term_id"] != YEAR]
    newest = terms[terms["school_year"] == terms["school_year"].max()]
    most = int(terms.groupby("school_year").size().max()) if len(terms) else 0
    names = [_season(name) for name in newest["name"]]
    return [names[n] if n < len(names) else str(n + 1) for n in range(most)]


def _season(name: str) -> str:
    return " ".join(word for word in str(name).split() if not word.isdigit()) or str(name)


def _place_of_term(view: View) -> dict[tuple[int, str], int]:
    terms = view.release.periods[view.release.periods["term_id"] != YEAR]
    places = terms.groupby("school_year").cumcount()
    keys = zip(terms["school_year"], terms["term_id"], strict=True)
    return dict(zip(keys, places, strict=True))


def _period_filters(view: View) -> list[Filter]:
    """Return the filters of school year and term; the newest year's last term is chosen."""
    years, terms = _periods(view)
    periods = view.release.periods
    in_newest = len(periods[(periods["school_year"] == max(years, default=0))]) - 1
    named = [view.release.period_name(year, YEAR) for year in years]
    return [
        Filter("year", view.texts("school_year"), named, 0),
        Filter("term", view.texts("term"), [view.texts("whole_year"), *terms], max(in_newest, 0)),
    ]


def scorecard(view: View, grain: str, entities: list[str]) -> Filtered:
    """Return the scorecard of one or several schools, districts or subjects.

    Of one school it can be filtered by groups of students; of several, by school.
    """
    by_group = len(entities) == 1 and grain == "school"
    values = view.values
    values = values[
        values["kpi"].isin(KPIS)
        & values["entity_id"].isin(entities)
        & values["grain"].isin(("school", "district") if grain == "school" else (grain,))
    ]
    if not by_group:
        values = values[values["subgroup_type"] == WHOLE]
    years, _ = _periods(view)
    places = _place_of_term(view)
    groups = _groups(view, values)
    filters = _period_filters(view)
    if by_group:
        named = list(groups.values())
        filters.append(Filter("group", view.texts("subgroup"), named, 0))
    elif len(entities) > 1:
        names = [view.release.name_of(grain, entity) for entity in entities]
        filters.append(Filter("school", view.texts("school"), names, 0))
    before = {
        tuple(row[name] for name in CELL): row
        for row in _records(_of(view.release.before, entities))
    }
    year_ago = {
        (row["kpi"], row["entity_id"], row["school_year"], row["term_id"]): row
        for row in _records(_of(view.release.comparisons, entities))
    }
    kinds = list(groups)
    rows = []
    has_terms = set(values.loc[values["term_id"] != YEAR, "kpi"])
    ordered = values.assign(place=values["kpi"].map(KPIS.index)).sort_values("place", kind="stable")
    for row in _records(ordered):
        key = (row["kpi"], row["entity_id"], row["school_year"], row["term_id"])
        cell = tuple(row[name] for name in CELL)
        group = (row["subgroup_type"], row["subgroup"])
        cells = [
            [view.name(row["kpi"]), kpi_page(row["kpi"])],
            row["text"],
            _students(view, row["student_count"]),
            _against_release(view, row, before.get(cell)),
            _move(view, row["kpi"], year_ago.get(key, {}).get("value_change"))
            if group == (WHOLE, WHOLE)
            else view.texts("not_by_group"),
            view.release.period_name(row["school_year"], row["term_id"]),
        ]
        if by_group:
            own = [kinds.index(group)]
        else:
            own = [entities.index(row["entity_id"])] if len(entities) > 1 else []
        year = years.index(row["school_year"])
        if row["term_id"] != YEAR:
            terms = [places[row["school_year"], row["term_id"]] + 1]
        elif row["kpi"] in has_terms:
            terms = [0]
        else:  # a KPI of whole years stands in each of its terms
            terms = list(range(len(filters[1].options)))
        rows += [[year, term, *own, *cells] for term in terms]
    header = ["kpi", "value", "students", "against_release", "against_year", "period"]
    return Filtered(
        "scorecard", filters, [view.texts(name) for name in header], rows, [None] * len(rows)
    )


def explorer(view: View, kpi: str) -> Filtered:
    """Return the rows of a KPI by year, term, school and kind of group, with their bars."""
    values = view.values
    values = values[(values["kpi"] == kpi) & values["grain"].isin(("school", "district"))]
    years, _ = _periods(view)
    places = _place_of_term(view)
    entities = [entity for _, entity in view.units]
    kinds = list(
        dict.fromkeys(sorted(values["subgroup_type"], key=lambda kind: (kind != WHOLE, kind)))
    )
    named = [view.texts("all_students" if kind == WHOLE else f"group_{kind}") for kind in kinds]
    filters = [
        *_period_filters(view),
        Filter(
            "school",
            view.texts("school"),
            [view.release.name_of("school", entity) for entity in entities],
            ANY,
            any_text=view.texts("all_schools"),
        ),
        Filter("group", view.texts("subgroup"), named, 0),
    ]
    if len(values) and (values["term_id"] == YEAR).all():
        year, term, *others = filters
        filters = [year, Filter(term.name, term.label, term.options[:1], 0), *others]
    values = values.assign(
        unit_place=values["entity_id"].map({e: n for n, e in enumerate(entities)})
    )
    rows, lengths = [], []
    for row in _records(
        values.dropna(subset=["unit_place"]).sort_values(["unit_place", "subgroup"])
    ):
        group = "" if row["subgroup_type"] == WHOLE else f" · {row['subgroup']}"
        is_year = row["term_id"] == YEAR
        place = 0 if is_year else places[row["school_year"], row["term_id"]] + 1
        rows.append(
            [
                years.index(row["school_year"]),
                place,
                int(row["unit_place"]),
                kinds.index(row["subgroup_type"]),
                row["label"] + group,
                row["text"],
                _students(view, row["student_count"]),
            ]
        )
        lengths.append(None if pd.isna(row["position"]) else round(float(row["position"]), 6))
    header = ["school", "value", "students"]
    return Filtered(
        "explorer",
        filters,
        [view.texts(name) for name in header],
        rows,
        lengths,
        is_rate=view.unit(kpi) == "rate",
        has_bars=True,
    )


def _groups(view: View, values: pd.DataFrame) -> dict[tuple[str, str], str]:
    pairs = values[["subgroup_type", "subgroup"]].drop_duplicates().sort_values(
        ["subgroup_type", "subgroup"]
    )  # fmt: skip
    found = {(WHOLE, WHOLE): view.texts("all_students")}
    for kind, group in pairs.itertuples(index=False):
        if kind != WHOLE:
            found[kind, group] = f"{view.texts('group_' + kind)}: {group}"
    return found


def _of(frame: pd.DataFrame, entities: list[str]) -> pd.DataFrame:
    return frame[frame["kpi"].isin(KPIS) & frame["entity_id"].isin(entities)]


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [dict(zip(frame.columns, row, strict=True)) for row in frame.itertuples(index=False)]


def _students(view: View, count: float | None) -> str:
    if count is None or pd.isna(count):
        return view.texts("hidden", min_n=view.release.min_n)
    return f"{count:,.0f}"


def _against_release(view: View, row: dict[str, Any], before: dict[str, Any] | None) -> str:
    if view.release.previous_id is None:
        return view.texts("first_release")
    if before is None or pd.isna(before["value"]) or pd.isna(row["value"]):
        return view.texts("nothing_before")
    return _move(view, row["kpi"], row["value"] - before["value"])


def _move(view: View, kpi: str, moved: float | None) -> str:
    """Return a change in words: its sign, and whether it is for the better."""
    if moved is None or pd.isna(moved):
        return view.texts("nothing_before")
    text = change(moved, view.unit(kpi))
    if is_zero(text):
        return view.texts("same")
    better = view.release.definitions[kpi]["better"]
    arrow = "▲" if moved > 0 else "▼"
    if better == "neither":
        return f"{arrow} {text}"
    is_better = (moved > 0) == (better == "higher")
    return f"{arrow} {text} ({view.texts('better' if is_better else 'worse')})"


def changes(view: View) -> tuple[str, pd.DataFrame]:
    """Return what changed since the release before, in a sentence, and the largest moves.

    A number that is shown now and was not, or the other way round, is a change too.
    """
    release = view.release
    if release.previous_id is None:
        return view.texts("changed_first"), pd.DataFrame()
    now, before = (
        frame[
            frame["grain"].isin(("school", "district"))
            & frame["entity_id"].isin([entity for _, entity in view.units])
            & (frame["subgroup_type"] == WHOLE)
        ]
        for frame in (view.values, release.before)
    )
    both = now.merge(
        before[[*CELL, "value", "suppression"]], "outer", CELL, suffixes=("", "_before")
    )
    marks = pd.DataFrame(
        {
            side: [_mark(*cell) for cell in zip(both[value], both[why], strict=True)]
            for side, value, why in (
                ("now", "value", "suppression"),
                ("before", "value_before", "suppression_before"),
            )
        },
        index=both.index,
    )
    changed = marks[marks["now"] != marks["before"]]
    if changed.empty:
        return view.texts("changed_none", previous=release.previous_id), pd.DataFrame()
    vanished, appeared = changed["now"].eq(""), changed["before"].eq("")
    sentence = view.texts(
        "changed_some", count=f"{(~vanished & ~appeared).sum():,}", appeared=f"{appeared.sum():,}",
        vanished=f"{vanished.sum():,}", previous=release.previous_id,
    )  # fmt: skip
    moved = both.loc[changed.index].dropna(subset=["value", "value_before"])
    if moved.empty:
        return sentence, pd.DataFrame()
    share = (moved["value"] - moved["value_before"]).abs() / moved["value_before"].abs().clip(
        lower=1e-9
    )
    rows = [
        {
            view.texts("kpi"): view.name(row["kpi"]),
            view.texts("school"): row["label"],
            view.texts("period"): release.period_name(row["school_year"], row["term_id"]),
            view.texts("before"): said(
                row["value_before"], view.unit(row["kpi"]), None, view.texts, release.min_n
            ),
            view.texts("now"): row["text"],
        }
        for row in _records(moved.loc[share.sort_values(ascending=False).index[:LARGEST]])
    ]
    return f"{sentence} {view.texts('changed_largest')}", pd.DataFrame(rows)


def _mark(value: float, suppression: object) -> str:
    """Return what readers see of a cell, to compare it: '' where it is hidden or not there."""
    if pd.notna(value):
        return f"{value:.9f}"
    bound = BOUND.search(str(suppression))
    return bound[0] if bound else ""
