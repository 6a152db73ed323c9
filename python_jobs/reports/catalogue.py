"""Which pictures there are: for each its numbers, its form, and a title that says what it shows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pandas as pd

from python_jobs.reports import figures
from python_jobs.reports.data import YEAR
from python_jobs.reports.figures import Figure
from python_jobs.reports.texts import change, number, short
from python_jobs.reports.view import WHOLE, View, grade_place, said

LETTERS = {"A": ("A+", "A", "A-"), "B": ("B+", "B", "B-"), "C": ("C+", "C", "C-"),
           "D": ("D+", "D", "D-"), "F": ("F",)}  # fmt: skip
PANEL_TITLE = 60
TYPES = 5  # of contents in one bar; the smallest are one
LEVELS = ("at_risk", "warning", "on_track")
ACTIONS = {name: f"{name}_per_100_students" for name in ("adds", "drops", "switches", "audits")}
GUARDIANS = ("guardian_linked_rate", "guardian_contactable_rate", "guardian_reached_rate")


@dataclass(frozen=True)
class Chart:
    """A picture with all that stands around it.

    panels: (small title, figure); none where there is nothing to show, and `empty` says why.
    table: its numbers as texts, under the headings that readers see. words: definition, how_to_read
    and decision; none where those of the KPI hold.
    """

    name: str
    kpi: str
    title: str
    form: str
    n: str
    source: str
    panels: list[tuple[str, Figure]]
    table: pd.DataFrame
    empty: str = ""
    words: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Spec:
    """How one chart is made. scope: 'district' for charts that a school has no part in."""

    name: str
    kpi: str
    make: Callable[["Spec", View], Chart]
    mart: str
    grain: str = "school"
    kpis: tuple[str, ...] = ()
    scope: str = "school"
    options: dict[str, str] = field(default_factory=dict)


def charts(view: View) -> list[Chart]:
    """Return the charts of a scope, in the order of the catalogue."""
    return [
        spec.make(spec, view) for spec in CATALOGUE if view.school is None or spec.scope == "school"
    ]


def chart_of(
    spec: Spec,
    view: View,
    points: pd.DataFrame,
    draw: Callable[[pd.DataFrame], Figure],
    *,
    title: str,
    form: str,
    n: str,
    table: pd.DataFrame,
    by: str = "",
) -> Chart:
    """Return a chart of one panel; without any number, one that says so.

    by: a column; where it has several values, each has a panel.
    """
    is_empty = points["position"].notna().sum() == 0
    parts = [part for _, part in points.groupby(by, sort=False)] if by else [points]
    return Chart(
        name=spec.name,
        kpi=spec.kpi,
        title=title,
        form=view.texts(form),
        n=n,
        source=f"pub.{spec.mart}",
        panels=[]
        if is_empty
        else [
            (short(part["label"].iloc[0], PANEL_TITLE) if len(parts) > 1 else "", draw(part))
            for part in parts
        ],
        table=table,
        empty=why_empty(view, table) if is_empty else "",
    )


def why_empty(view: View, points: pd.DataFrame) -> str:
    return view.texts("empty" if points.empty else "empty_hidden", min_n=view.release.min_n)


def bars(spec: Spec, view: View) -> Chart:
    points = view.latest(spec.kpi, spec.grain)
    counted = points.assign(
        text=[
            f"{row.text} · n = {row.student_count:,.0f}"
            if pd.notna(row.student_count) and pd.notna(row.position)
            else row.text
            for row in points.itertuples()
        ]
    )
    return chart_of(
        spec,
        view,
        counted,
        partial(figures.bars, unit=view.unit(spec.kpi)),
        title=_title_of_ends(spec, view, points),
        form="form_bars",
        n=_students(spec, view, points),
        table=_table(view, points),
    )


def dots(spec: Spec, view: View) -> Chart:
    points = _side_by_side(view, {kpi: view.name(kpi) for kpi in spec.kpis}, spec.grain)
    return chart_of(
        spec,
        view,
        points,
        partial(figures.dots, unit=view.unit(spec.kpi)),
        title=_title_of_ends(spec, view, view.latest(spec.kpi, spec.grain)),
        form="form_dots",
        n=_students(spec, view, points),
        table=_table(view, points),
    )


def _side_by_side(view: View, named: dict[str, str], grain: str) -> pd.DataFrame:
    """Return the cells of several KPIs in the last period of any. named: KPI to series."""
    frames = {kpi: view.latest(kpi, grain) for kpi in named}
    shown = [rows for rows in frames.values() if rows["position"].notna().any()]
    orders = [rows["order"].max() for rows in shown or frames.values() if len(rows)]
    order = max(orders, default=None)
    return pd.concat(
        [view.latest(kpi, grain, order).assign(series=name) for kpi, name in named.items()]
    )


def terms(spec: Spec, view: View) -> Chart:
    """One small picture for each school or subject; terms where the KPI has them, else years."""
    cells = view.cells(spec.kpi, spec.grain)
    has_terms = (cells["term_id"] != YEAR).any()
    cells = cells[(cells["term_id"] != YEAR) == has_terms]
    periods = view.release.periods
    periods = periods[(periods["term_id"] != YEAR) == has_terms].reset_index(names="order")
    district = view.cells(spec.kpi, "school")
    district = district[district["is_whole"]]

    def over_time(rows: pd.DataFrame) -> pd.DataFrame:
        one = periods.merge(rows.drop(columns=["school_year", "term_id", "name"]), "left", "order")
        stamps = [
            view.release.period_name(year, term)
            for year, term in zip(one["school_year"], one["term_id"], strict=True)
        ]
        return one.assign(label=stamps, bound=one["bound"].fillna(""), text=one["text"].fillna(""))

    wholes = {entity: over_time(rows) for entity, rows in district.groupby("entity_id")}
    parts = {
        entity: rows for entity, rows in cells.groupby("entity_id", sort=False)
        if rows["position"].notna().any()
    }  # fmt: skip
    lines = {entity: over_time(rows) for entity, rows in parts.items()}
    shared = figures.span(*wholes.values(), *lines.values()) if lines else (0.0, 1.0)
    nothing = over_time(district.head(0))
    names = cells.drop_duplicates("entity_id").set_index("entity_id")["label"]
    named = {entity: short(name, PANEL_TITLE) for entity, name in names.items()}
    behind = {
        entity: wholes.get(view.district_of(str(entity), spec.grain), nothing) for entity in lines
    }
    return Chart(
        name=spec.name,
        kpi=spec.kpi,
        title=_title_of_time(spec, view, cells, district),
        form=view.texts("form_terms"),
        n=_students(spec, view, view.latest(spec.kpi, spec.grain)),
        source=f"pub.{spec.mart}",
        panels=[
            (named[entity], figures.line(one, behind[entity], shared, unit=view.unit(spec.kpi)))
            for entity, one in lines.items()
        ],
        table=_table(view, cells),
        empty="" if lines else why_empty(view, cells),
    )


def letters(spec: Spec, view: View) -> Chart:
    points = _letter_shares(view)
    is_ring = spec.options.get("form") == "donut"
    shown = _own(points, view) if is_ring else points
    known = shown[shown["position"].notna() & shown["letter"].isin(["A", "F"])]
    largest = known[known["letter"] == "A"].sort_values("position")
    title = view.texts("title_question", kpi=view.texts("letters"), question=_decision(view, spec))
    if len(known) and shown["entity_id"].nunique() == 1 and is_ring:
        shares = dict(zip(known["letter"], known["position"].astype(float), strict=True))
        letter = max(shares, key=lambda one: shares[one])
        title = view.texts(
            "title_donut",
            name=view.scope_name(),
            letter=letter,
            value=number(shares[letter], "rate"),
        )
    elif len(largest) > 1:
        title = view.texts(
            "title_share",
            kpi=view.name("letter_rate_A").removesuffix(" A") + " A",
            name=largest["label"].iloc[-1],
            value=number(largest["position"].iloc[-1], "rate"),
        )
    # Of one school some letters may be missing; all have one order and their colours.
    order = [*LETTERS, view.texts("letter_other"), view.texts("letter_hidden")]
    drawn = shown[shown["position"] > 0] if is_ring else shown
    drawn = drawn.sort_values("letter", key=lambda one: one.map(order.index), kind="stable")
    draw = _ring if is_ring else partial(figures.shares, hidden=view.texts("letter_hidden"))
    results = " + ".join(_own(view.latest("result_count", "school"), view)["text"])
    return chart_of(
        spec,
        view,
        drawn,
        draw,
        title=title,
        form="form_donut" if is_ring else "form_shares",
        n=" · ".join(
            filter(None, [f"{results or 0} {view.texts('results')}", view.period_of(shown)])
        ),
        table=_table(view, shown),
        by="entity_id" if is_ring else "",
    )


def _ring(points: pd.DataFrame) -> Figure:
    return figures.donut(points.assign(label=points["series"]))


def _letter_shares(view: View) -> pd.DataFrame:
    """Return the share of each letter without plus and minus; all other letters are one part.

    What is hidden is a part too, where the others say how much it is.
    """
    named = {f"letter_rate_{mark}": letter for letter, marks in LETTERS.items() for mark in marks}
    other, box = view.texts("letter_other"), view.texts("letter_hidden")
    period = view.latest("result_count", "school")
    cells = view.values[
        view.values["kpi"].str.startswith("letter_rate_")
        & (view.values["subgroup_type"] == WHOLE)
        & view.values["grain"].isin(["school", "district"])
        & view.values["order"].isin(period["order"])
    ]
    cells = cells.assign(letter=cells["kpi"].map(named).fillna(other))
    rows = []
    for unit in period.itertuples():
        own = cells[cells["entity_id"] == unit.entity_id]
        shares: list[float] = []
        for letter in [*LETTERS, other]:
            part = own[own["letter"] == letter]
            if letter == other and part["value"].eq(0).all():
                continue
            share = (
                float(part["value"].sum()) if len(part) and part["value"].notna().all() else None
            )
            why = next(iter(part["suppression"].dropna()), None) if share is None else None
            text = said(share, "rate", why if len(part) == 1 else why and "hidden", view.texts,
                        view.release.min_n)  # fmt: skip
            rows.append((unit, letter, share, f"{letter} {text}"))
            shares += [share] if share is not None else []
        rest = _rest(own, sum(shares)) if shares else None
        if rest is not None:
            rows.append((unit, box, rest, f"{box} {number(rest, 'rate')}"))
    return pd.DataFrame(
        [
            {"label": unit.label, "entity_id": unit.entity_id, "is_whole": unit.is_whole,
             "school_year": unit.school_year, "term_id": unit.term_id, "letter": letter,
             "series": letter, "position": share, "text": text, "student_count": unit.student_count}
            for unit, letter, share, text in rows
        ],
        columns=["label", "entity_id", "is_whole", "school_year", "term_id", "letter", "series",
                 "position", "text", "student_count"],
    ).astype({"position": float, "is_whole": bool})  # fmt: skip


def _rest(parts: pd.DataFrame, known: float) -> float | None:
    """Return the share that hidden parts have together; none where nothing says how much it is.

    A part of which only a bound is known could be any share beyond it.
    """
    is_hidden = (parts["value"].isna() & parts["suppression"].notna()).any()
    is_exact = parts["bound"].eq("").all()
    return 1 - known if is_hidden and is_exact and 1 - known > 0.0005 else None


def levels(spec: Spec, view: View) -> Chart:
    kpis = [f"early_warning_rate_{level}" for level in LEVELS]
    points = _side_by_side(view, {kpi: view.name(kpi) for kpi in kpis}, "school")
    hidden = view.texts("letter_hidden")
    boxes = []
    for _, parts in points.groupby("entity_id", sort=False):
        rest = _rest(parts, parts["value"].sum()) if parts["value"].notna().any() else None
        if rest is not None:
            text = f"{hidden} {number(rest, 'rate')}"
            boxes.append(parts.head(1).assign(series=hidden, position=rest, text=text))
    points = pd.concat([points, *boxes])
    return chart_of(
        spec,
        view,
        points,
        partial(figures.shares, hidden=hidden),
        title=_title_of_ends(spec, view, view.latest(spec.kpi, spec.grain)),
        form="form_shares",
        n=_students(spec, view, points),
        table=_table(view, points),
    )


def swarm(spec: Spec, view: View) -> Chart:
    """One dot for each section or teacher; teachers have no name here."""
    points = view.latest(spec.kpi, spec.grain)
    things = view.texts(spec.options["things"])
    if spec.grain == "course":
        schools = points["entity_id"].map(view.release.courses["school_id"]).fillna("")
        points = points.assign(series=[view.release.name_of("school", one) for one in schools])
    else:
        points = points.sort_values("position").assign(series=view.scope_name())
        points["label"] = ""
    known = points["position"].dropna()
    unit = view.unit(spec.kpi)
    ends = [number(known.quantile(part), unit) for part in (0.25, 0.75)] if len(known) else []
    title = view.texts(
        "title_spread", kpi=view.name(spec.kpi), count=len(known), things=things,
        low=ends[0], high=ends[1],
    ) if len(known) > 3 and ends[0] != ends[1] else _question(spec, view)  # fmt: skip
    return chart_of(
        spec,
        view,
        points.sort_values("series"),
        partial(figures.swarm, unit=view.unit(spec.kpi)),
        title=title,
        form="form_swarm",
        n=view.texts(
            "some_of",
            known=f"{len(known):,}",
            count=f"{len(points):,}",
            things=things,
            period=view.period_of(points),
        ),  # fmt: skip
        table=_table(view, _unknown_teachers(spec, points).assign(label=_numbered(points, things))),
    )


def _unknown_teachers(spec: Spec, points: pd.DataFrame) -> pd.DataFrame:
    """Return points without what would tell a colleague which teacher one is: the students."""
    return points.drop(columns="student_count") if spec.grain == "teacher" else points


def _numbered(points: pd.DataFrame, things: str) -> list[str]:
    return [name or f"{things} {number}" for number, name in enumerate(points["label"], start=1)]


def _pairs(spec: Spec, view: View, *, named: bool = True) -> pd.DataFrame:
    """Return x and y of the entities of which both KPIs are shown; unnamed ones have no label."""
    one, other = (view.latest(kpi, spec.grain) for kpi in spec.kpis)
    both = one.merge(other[["entity_id", "order", "position", "text"]], on=["entity_id", "order"])
    both = both.rename(columns={"position_x": "x", "position_y": "y"})
    both["label"] = both["label"] if named else ""
    text = [f"{row.label} {row.text_x} · {row.text_y}".strip() for row in both.itertuples()]
    return both.assign(text=text, position=both["x"].where(both["y"].notna()))


def missing_work(spec: Spec, view: View) -> Chart:
    points = _pairs(spec, view).dropna(subset=["position"])
    fall = (points["x"] - points["y"]).sort_values()
    title = view.texts(
        "title_missing", name=points["label"][fall.index[-1]], fall=f"{fall.iloc[-1]:.1f}"
    ) if len(fall) else _question(spec, view)  # fmt: skip
    names, units = [view.name(kpi) for kpi in spec.kpis], [view.unit(kpi) for kpi in spec.kpis]
    return chart_of(
        spec,
        view,
        points,
        lambda shown: figures.scatter(shown, *names, units=units, is_labelled=True),
        title=title,
        form="form_scatter",
        n=f"{len(points):,} {view.texts('sections')} · {view.period_of(points)}",
        table=_pair_table(points, ["", *names]),
    )


def workload(spec: Spec, view: View) -> Chart:
    points = _pairs(spec, view).dropna(subset=["position"])
    points = points.assign(
        label="", text=[f"{row.text_x} · {row.text_y}" for row in points.itertuples()]
    ).sort_values(["x", "y"])
    title = view.texts(
        "title_workload", median=f"{points['y'].median():.0f}", most=f"{points['y'].max():.0f}"
    ) if len(points) else _question(spec, view)  # fmt: skip
    names, units = [view.name(kpi) for kpi in spec.kpis], [view.unit(kpi) for kpi in spec.kpis]
    numbered = points.assign(label=_numbered(points, view.texts("teachers")))
    return chart_of(
        spec,
        view,
        _jittered(points),
        lambda shown: figures.scatter(shown, *names, units=units, is_labelled=False),
        title=title,
        form="form_scatter",
        n=f"{len(points):,} {view.texts('teachers')} · {view.period_of(points)}",
        table=_pair_table(numbered, ["", *names]),
    )


def _jittered(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points with those that lie on each other drawn apart to the sides."""
    rank = points.groupby(["x", "y"]).cumcount()
    return points.assign(x=points["x"] + 0.06 * ((rank + 1) // 2) * (1 - 2 * (rank % 2)))


def _pair_table(points: pd.DataFrame, header: list[str]) -> pd.DataFrame:
    table = points[["label", "text_x", "text_y"]].reset_index(drop=True)
    return table.set_axis(header, axis="columns")


def heat(spec: Spec, view: View) -> Chart:
    cells = view.cells(spec.kpi, spec.grain)
    cells = cells[cells["term_id"] != YEAR]
    points = cells.assign(
        series=[
            view.release.period_name(year, term)
            for year, term in zip(cells["school_year"], cells["term_id"], strict=True)
        ]
    ).sort_values(["place", "order"])
    return chart_of(
        spec,
        view,
        points,
        partial(figures.heat, unit=view.unit(spec.kpi)),
        title=_title_of_ends(spec, view, view.latest(spec.kpi, spec.grain)),
        form="form_heat",
        n=_students(spec, view, view.latest(spec.kpi, spec.grain)),
        table=_table(view, points),
    )


def weeks(spec: Spec, view: View) -> Chart:
    """Return the weeks of the last school year, a row for each school."""
    cells = view.cells(spec.kpi, spec.grain)
    names = cells["entity_id"].str.rsplit(" ", n=1, expand=True).reindex(columns=[0, 1])
    cells = cells.assign(school_id=names[0], series=names[1])
    places = {entity: place for place, (_, entity) in enumerate(view.units)}
    is_last = cells["school_year"] == cells["school_year"].max()
    points = cells[is_last & cells["school_id"].isin(list(places))]
    points = points.assign(
        place=points["school_id"].map(places),
        week=points["label"],
        label=[view.release.name_of("school", school) for school in points["school_id"]],
    ).sort_values(["series", "place"])
    known = points[points["value"].notna()].sort_values("value")
    title = (
        view.texts(
            "title_weeks", kpi=view.name(spec.kpi), name=known.iloc[0]["label"],
            week=known.iloc[0]["series"], value=known.iloc[0]["text"],
        )
        if len(known) > 1
        else _question(spec, view)
    )  # fmt: skip
    return chart_of(
        spec,
        view,
        points,
        partial(figures.weeks, unit=view.unit(spec.kpi)),
        title=title,
        form="form_weeks",
        n=_students(spec, view, points),
        table=_table(view, points.drop(columns="series").assign(label=points["week"])),
    )


def flow(spec: Spec, view: View) -> Chart:
    named = {kpi: view.texts(action) for action, kpi in ACTIONS.items()}
    points = _side_by_side(view, named, "school")
    points = points[~points["is_whole"]]
    hidden = points["suppression"].notna() & points["numerator"].isna()
    points = points.assign(
        position=points["numerator"].where(points["numerator"] > 0),
        text=[
            said(value, "count", "hidden" if is_hidden else None, view.texts, view.release.min_n)
            for value, is_hidden in zip(points["numerator"], hidden, strict=True)
        ],
    )
    totals = points.groupby("series")["position"].sum().sort_values()
    title = view.texts(
        "title_flow", action=totals.index[-1], value=f"{totals.iloc[-1]:,.0f}",
        total=f"{totals.sum():,.0f}",
    ) if len(totals) and totals.sum() else _question(spec, view)  # fmt: skip
    return chart_of(
        spec,
        view,
        points,
        lambda shown: figures.flow(shown.dropna(subset=["position"])),
        title=title,
        form="form_flow",
        n=_students(spec, view, points),
        table=_table(view, points),
    )


def contents(spec: Spec, view: View) -> Chart:
    """Stacks of the types, the largest first; beyond five types the smallest are one."""
    rows = view.release.contents.merge(
        view.release.periods.reset_index(names="order"), on=["school_year", "term_id"]
    )
    rows = rows[(rows["term_id"] == YEAR) & (rows["order"] == rows["order"].max())]
    types = rows.groupby("content_type")["content_count"].sum().sort_values(ascending=False).index
    if len(types) > TYPES:
        kept = list(types[: TYPES - 1])
        other = view.texts("type_other")
        rows = rows.assign(
            content_type=rows["content_type"].where(rows["content_type"].isin(kept), other)
        )
        types = pd.Index([*kept, other])
    keys = ["entity_id", "school_year", "term_id", "order", "content_type"]
    rows = rows.groupby(keys, as_index=False)["content_count"].sum()
    whole = rows.groupby("entity_id")["content_count"].transform("sum")
    points = rows.assign(
        place=rows["content_type"].map(list(types).index),
        label=[view.release.name_of("subject", one) for one in rows["entity_id"]],
        series=rows["content_type"],
        position=rows["content_count"] / whole,
        text=[
            f"{name} {count:,.0f}"
            for name, count in zip(rows["content_type"], rows["content_count"], strict=True)
        ],
        student_count=None,
    ).sort_values(["place", "label"])
    sums = points.groupby("series")["content_count"].sum().sort_values()
    title = view.texts(
        "title_share", kpi=view.texts("contents"), name=sums.index[-1],
        value=number(sums.iloc[-1] / sums.sum(), "rate"),
    ) if len(sums) else _question(spec, view)  # fmt: skip
    return chart_of(
        spec,
        view,
        points,
        figures.shares,
        title=title,
        form="form_shares",
        n=f"{points['content_count'].sum():,.0f} · {view.period_of(points)}",
        table=_table(view, points.assign(text=points["content_count"].map("{:,.0f}".format))),
    )


def gaps(spec: Spec, view: View) -> Chart:
    """The groups of the district, or of the school: their distance to all other students."""
    rows = view.release.gaps[view.release.gaps["kpi"] == spec.kpi]
    own = [entity for grain, entity in view.units if (grain == "school") == bool(view.school)]
    rows = rows[rows["entity_id"].isin(own)].merge(
        view.release.periods.reset_index(names="order"), on=["school_year", "term_id"]
    )
    rows = view.last_period(rows.assign(position=rows["gap"]))
    unit = view.unit(spec.kpi)
    names = {
        one: f"{view.release.name_of('school', one)} · " if len(own) > 1 else "" for one in own
    }
    points = rows.assign(
        label=[
            f"{names[entity]}{view.texts('group_' + kind)}: {group}"
            for entity, kind, group in zip(
                rows["entity_id"], rows["subgroup_type"], rows["subgroup"], strict=True
            )
        ],
        low=rows["interval_low"],
        high=rows["interval_high"],
        text=[
            change(gap, unit) if pd.notna(gap) else view.texts("hidden", min_n=view.release.min_n)
            for gap in rows["gap"]
        ],
    ).sort_values(
        ["subgroup_type", "subgroup"],
        key=lambda names: names.map(lambda name: f"{grade_place(name) + 1:03d}{name}"),
    )
    shown = points.dropna(subset=["position"])
    title = _question(spec, view)
    if len(shown):
        largest = shown.loc[shown["position"].abs().idxmax()]
        title = view.texts(
            "title_gap", kpi=view.name(spec.kpi), group=largest["label"], gap=largest["text"]
        )
    table = points[["label", "text", "student_count"]].assign(
        student_count=_counts(points["student_count"], view)
    )
    table.insert(1, "period", view.period_of(points))
    return chart_of(
        spec,
        view,
        shown if len(shown) else points,
        partial(figures.gaps, unit=view.unit(spec.kpi)),
        title=title,
        form="form_gap",
        n=_students(spec, view, points),
        table=table.set_axis(
            [view.texts(name) for name in ("subgroup", "period", "gap_axis", "students")],
            axis="columns",
        ),
    )


def year_ago(spec: Spec, view: View) -> Chart:
    """Each school a year ago and now."""
    now = view.latest(spec.kpi, "school")
    before = view.release.comparisons
    before = before[before["kpi"] == spec.kpi]
    key = ["entity_id", "school_year", "term_id"]
    both = now.merge(before[[*key, "earlier_value", "value_change"]], on=key)
    unit = view.unit(spec.kpi)
    min_n = view.release.min_n
    earlier = both.assign(
        series=view.texts("year_ago"),
        position=both["earlier_value"],
        bound="",
        text=[said(one, unit, "hidden", view.texts, min_n) for one in both["earlier_value"]],
    )
    current = both.assign(series=view.period_of(now))
    points = pd.concat([earlier, current])
    sign = -1 if view.release.definitions[spec.kpi]["better"] == "lower" else 1
    moves = both.loc[~both["is_whole"], "value_change"].dropna() * sign
    title = _question(spec, view)
    if view.school is not None and len(moves):
        own = both[~both["is_whole"]].iloc[0]
        title = view.texts(
            "title_change_of_one", kpi=view.name(spec.kpi), name=own["label"],
            before=number(own["earlier_value"], unit), now=own["text"],
        )  # fmt: skip
    elif len(moves):
        up = int((moves > 0).sum())
        title = view.texts("title_change", kpi=view.name(spec.kpi), up=up, count=len(moves))
    return chart_of(
        spec,
        view,
        points,
        partial(figures.dots, unit=view.unit(spec.kpi)),
        title=title,
        form="form_change",
        n=_students(spec, view, now),
        table=_table(view, points),
    )


def _question(spec: Spec, view: View) -> str:
    return view.texts("title_question", kpi=view.name(spec.kpi), question=_decision(view, spec))


def _decision(view: View, spec: Spec) -> str:
    return view.release.definitions[spec.kpi]["decision"]


def _title_of_ends(spec: Spec, view: View, points: pd.DataFrame) -> str:
    """Return who stands highest and lowest, among parts whose number is known."""
    known = points[points["value"].notna() & ~points["is_whole"]].sort_values("value")
    if len(known) < 2:
        return _question(spec, view)
    low, high = known.iloc[0], known.iloc[-1]
    key = "title_equal" if low["text"] == high["text"] else "title_bars"
    return view.texts(
        key, kpi=view.name(spec.kpi), high=high["label"], high_value=high["text"],
        low=low["label"], low_value=low["text"],
    )  # fmt: skip


def _title_of_time(spec: Spec, view: View, cells: pd.DataFrame, district: pd.DataFrame) -> str:
    """Return the first and the last number of the school, or of the district."""
    rows = _own(cells, view) if view.school is not None else district
    is_term = cells["term_id"].ne(YEAR).any() if len(cells) else False
    rows = rows[rows["value"].notna() & (rows["term_id"].ne(YEAR) == is_term)]
    if len(rows) < 2 or rows["entity_id"].nunique() > 1:
        return _question(spec, view)
    first, last = rows.iloc[0], rows.iloc[-1]
    return view.texts(
        "title_terms", kpi=view.name(spec.kpi), name=first["label"], first=first["text"],
        last=last["text"],
        first_period=view.release.period_name(int(first["school_year"]), first["term_id"]),
        last_period=view.release.period_name(int(last["school_year"]), last["term_id"]),
    )  # fmt: skip


def _own(rows: pd.DataFrame, view: View) -> pd.DataFrame:
    """Return the rows of what a chart is about: the school, else the district or districts."""
    return rows[rows["is_whole"] == (view.school is None)]


def _students(spec: Spec, view: View, points: pd.DataFrame) -> str:
    """Return how many students of the school or district stand behind points, and their period."""
    own = _own(view.cells(spec.kpi, "school"), view)
    own = own[own["order"].isin(points["order"])]
    counts = " + ".join(_counts(own["student_count"], view))
    known = f"{counts} {view.texts('students').lower()}" if counts else view.texts("no_value")
    return " · ".join(filter(None, [known, view.period_of(points)]))


def _counts(counts: pd.Series, view: View) -> list[str]:
    hidden = view.texts("hidden", min_n=view.release.min_n)
    return [f"{one:,.0f}" if pd.notna(one) else hidden for one in counts]


def _table(view: View, points: pd.DataFrame) -> pd.DataFrame:
    """Return the numbers of points as readers see them."""
    if points.empty:
        return pd.DataFrame()
    periods = [
        view.release.period_name(int(year), term)
        for year, term in zip(points["school_year"], points["term_id"], strict=True)
    ]
    columns = {"": points["label"].to_list()}
    if "series" in points:
        columns[view.texts("kpi")] = points["series"].to_list()
    columns[view.texts("period")] = periods
    columns[view.texts("value")] = points["text"].to_list()
    if "student_count" in points and points["student_count"].notna().any():
        columns[view.texts("students")] = _counts(points["student_count"], view)
    return pd.DataFrame(columns)


CATALOGUE = (
    Spec("school_performance", "avg_grade_percent", bars, "school_performance"),
    Spec("school_performance_over_terms", "avg_grade_percent", terms, "school_performance"),
    Spec("subject_performance", "a_b_rate", dots, "subject_performance", "subject",
         ("d_f_rate", "a_b_rate"), scope="district"),
    Spec("subject_performance_over_terms", "avg_grade_percent", terms, "subject_performance",
         "subject", scope="district"),
    Spec("term_comparison", "avg_grade_percent", year_ago, "term_comparison"),
    Spec("grade_distribution", "letter_rate_A", letters, "grade_distribution"),
    Spec("grade_distribution_whole", "letter_rate_A", letters, "grade_distribution",
         options={"form": "donut"}),
    Spec("avg_grade_per_course", "avg_grade_percent", swarm, "avg_grade_per_course", "course",
         options={"things": "sections"}),
    Spec("missing_work", "avg_grade_percent_with_missing_as_zero", missing_work,
         "avg_grade_per_course", "course", (
             "avg_grade_percent", "avg_grade_percent_with_missing_as_zero")),
    Spec("avg_grade_per_teacher", "avg_grade_percent", swarm, "avg_grade_per_teacher", "teacher",
         scope="district", options={"things": "teachers"}),
    Spec("homework_submission_rate", "homework_submission_rate", dots, "homework_submission_rate",
         kpis=("homework_on_time_rate", "homework_submission_rate")),
    Spec("attendance_rate", "attendance_rate", heat, "attendance_rate"),
    Spec("attendance_over_terms", "attendance_rate", terms, "attendance_rate"),
    Spec("attendance_by_week", "attendance_rate", weeks, "attendance_by_week", "school_week"),
    Spec("chronic_absence", "chronic_absence_rate", bars, "chronic_absence"),
    Spec("student_gpa", "gpa_unweighted", dots, "student_gpa",
         kpis=("gpa_unweighted", "gpa_weighted")),
    Spec("course_failures", "course_failure_rate", bars, "course_failures", "subject",
         scope="district"),
    Spec("course_failure_rate", "course_failure_rate", terms, "course_failure_rate"),
    Spec("grade9_on_track", "grade9_on_track_rate", bars, "grade9_on_track"),
    Spec("student_early_warning", "early_warning_rate_at_risk", levels, "student_early_warning"),
    Spec("subgroup_gaps", "avg_grade_percent", gaps, "subgroup_gaps"),
    Spec("subgroup_gaps_absence", "chronic_absence_rate", gaps, "subgroup_gaps"),
    Spec("parent_engagement", "guardian_reached_rate", dots, "parent_engagement", kpis=GUARDIANS),
    Spec("parent_engagement_by_grade", "guardian_reached_rate", bars, "parent_engagement",
         "grade_level", scope="district"),
    Spec("course_load_changes", "changes_per_100_students", flow, "course_load_changes"),
    Spec("course_load_changes_by_school", "changes_per_100_students", bars, "course_load_changes"),
    Spec("teacher_workload", "assignment_count", workload, "teacher_workload", "teacher",
         ("section_count", "assignment_count"), scope="district"),
    Spec("days_to_grade", "median_days_to_grade", swarm, "teacher_workload", "teacher",
         scope="district", options={"things": "teachers"}),
    Spec("content_analysis", "content_count", contents, "content_analysis", "subject",
         scope="district"),
    Spec("content_usage", "content_usage_rate", bars, "content_usage", "subject",
         scope="district"),
    Spec("kpi_values", "homework_submission_rate", terms, "kpi_values", "subject",
         scope="district"),
)  # fmt: skip
