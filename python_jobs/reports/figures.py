"""The forms of the pictures: from points to figures of plotly, as plain dictionaries.

Points are frames with, per dot or bar: label, series, position (number; null: nothing to draw),
text (what is shown), bound ('high' or 'low': the number is only known to be above or below), low
and high (ends of an interval, where known). Fonts, grid and background come from the page, light or
dark; the colours here keep 3 : 1 on both. A colour never stands alone: symbols, labels and order
say the same.
"""

import html
import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from python_jobs.reports.texts import isolated, short

Figure = dict[str, Any]

# Okabe and Ito (2008), those that keep 3 : 1 on white and on black, a grey and a purple.
BLUE, ORANGE, GREEN, PINK, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#767676"
PURPLE = "#9A50E0"  # the sixth, as far from the others as colour-blind readers need
PALETTE = (BLUE, ORANGE, GREEN, PINK, GREY, PURPLE)
SYMBOLS = ("circle", "diamond", "square", "triangle-up", "x", "star")
PATTERNS = ("", "/", ".", "\\", "-", "+")
ON_PALETTE = ("white", "black", "black", "black", "white", "white")  # text of 4.5 : 1 on each
NARROW = 0.12  # of a bar: its text would not fit
BAR_LETTERS = 64  # that a whole bar has room for
DOT = {"color": BLUE, "size": 9, "opacity": 0.75, "line": {"color": "white", "width": 1}}
HALO = {"color": "white", "thickness": 5, "width": 7}  # of an interval
LABEL_LENGTH = 26
ROW = 36  # pixels of a bar
LEGEND = 18  # pixels that each name of the legend may need
HEIGHT = 320
LETTER_WIDTH, LINE_HEIGHT = 7.0, 16.0  # pixels, of the labels of dots
WIDTH = 620  # pixels that labels are laid out for


def label(text: object, length: int = LABEL_LENGTH) -> str:
    """Return a text as plotly shows it and nothing else: no tags, not long, its direction kept."""
    return _escaped(short(text, length) or " ")


def _escaped(plain: str) -> str:
    return isolated(html.escape(plain, quote=False))


def labels(texts: Iterable[object]) -> list[str]:
    """Return labels of up to two lines, none twice: two schools of one name are two."""
    shown: list[str] = []
    for text in texts:
        lines = textwrap.wrap(str(text), LABEL_LENGTH, max_lines=2, placeholder="…")
        one = "<br>".join(_escaped(line) for line in lines)
        again = sum(1 for other in shown if other.split("\u200b")[0] == one)
        shown.append(one + "\u200b" * again)
    return shown


def ticks(unit: str) -> Figure:
    """Return how an axis writes its numbers."""
    if unit == "rate":
        return {"tickformat": ".0%"}
    return {"ticksuffix": "\u00a0%"} if unit == "percent" else {}


def bars(points: pd.DataFrame, *, unit: str) -> Figure:
    """Return one bar for each point, from the top; what is only bounded is hatched.

    The bar of the whole is grey. Texts stand behind the bars, or behind their intervals.
    """
    names = labels(points["label"])
    named = points.assign(name=names)
    top = _top(points)
    traces: list[Figure] = [
        {
            "type": "bar",
            "orientation": "h",
            "y": part["name"].to_list(),
            "x": _numbers(part["position"].fillna(0)),
            "marker": {
                "color": color,
                "pattern": {
                    "shape": ["/" if one else "" for one in part["bound"]],
                    "fillmode": "overlay",
                    "fgcolor": "white",
                },
            },
            "error_x": _interval(part) | HALO if part["low"].notna().any() else None,
            "customdata": [label(text, 60) for text in part["text"]],
            "hovertemplate": "%{y}: %{customdata}<extra></extra>",
        }
        for color, part in ((BLUE, named[~named["is_whole"]]), (GREY, named[named["is_whole"]]))
    ]
    if points["low"].notna().any():
        # Over the bars and their white halo, so that they are seen on grey too.
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "y": names,
                "x": _numbers(points["position"]),
                "error_x": _interval(points),
                "marker": {"size": 0.1, "color": GREY},
                "hoverinfo": "skip",
            }
        )
    ends = points["high"].fillna(points["position"]).fillna(0).astype(float)
    traces.append(
        {
            "type": "scatter",
            "mode": "text",
            "y": names,
            "x": _numbers(ends + top * 0.015),
            "text": [label(text, 60) for text in points["text"]],
            "textposition": "middle right",
            "hoverinfo": "skip",
            "cliponaxis": False,
        }
    )
    layout = _rows(names, unit) | {"showlegend": False, "barmode": "overlay"}
    layout["xaxis"]["range"] = [0, top * 1.45]
    return {"data": traces, "layout": layout}


def dots(points: pd.DataFrame, *, unit: str) -> Figure:
    """Return a row for each label with a dot for each series; the outer dots carry their number."""
    rows = list(dict.fromkeys(points["label"]))
    names = dict(zip(rows, labels(rows), strict=True))
    known = points.dropna(subset=["position"])
    ends = known.groupby("label", sort=False)["position"].agg(["min", "max"])
    line: Figure = {
        "type": "scatter",
        "mode": "lines",
        "x": [x for low, high in ends.to_numpy() for x in (float(low), float(high), None)],
        "y": [y for row in ends.index for y in (names[row], names[row], None)],
        "line": {"color": GREY, "width": 2},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    traces = [line]
    for number, (series, part) in enumerate(points.groupby("series", sort=False)):
        sides, texts = [], []
        for row in part.itertuples():
            low, high = ends.loc[row.label] if row.label in ends.index else (None, None)
            is_end = row.position in (low, high)
            sides.append("middle left" if row.position == low and low != high else "middle right")
            texts.append(label(row.text, 40) if is_end else "")
        traces.append(
            {
                "type": "scatter",
                "mode": "markers+text",
                "name": label(series, 60),
                "x": _numbers(part["position"]),
                "y": [names[one] for one in part["label"]],
                "text": texts,
                "textposition": sides,
                "cliponaxis": False,
                "customdata": [label(text, 60) for text in part["text"]],
                "marker": {"color": PALETTE[number], "symbol": SYMBOLS[number], "size": 11},
                "hovertemplate": "%{y}: %{customdata}<extra>%{fullData.name}</extra>",
            }
        )
    layout = _rows([names[row] for row in rows], unit)
    layout["height"] += LEGEND * points["series"].nunique()
    if len(known):
        low, high = known["position"].min(), known["position"].max()
        room = max((high - low) * 0.3, 0.02 * abs(high), 1e-6)
        layout["xaxis"]["range"] = [float(low - room), float(high + room)]
    unknown = [row for row in rows if row not in ends.index]
    if unknown:
        hidden = points.drop_duplicates("label").set_index("label")["text"]
        low, high = layout["xaxis"].get("range", [0, 0])
        left = low + 0.02 * (high - low)
        traces.append(
            _note([names[row] for row in unknown], [hidden[row] for row in unknown], left)
        )
    return {"data": traces, "layout": layout}


def gaps(points: pd.DataFrame, *, unit: str) -> Figure:
    """Return a dot for the gap of each group, with its interval, beside the line of no gap."""
    names = labels(points["label"])
    trace = {
        "type": "scatter",
        "mode": "markers",
        "x": _numbers(points["position"]),
        "y": names,
        "error_x": _interval(points),
        "marker": {
            "size": 11,
            "color": [BLUE if gap >= 0 else ORANGE for gap in points["position"]],
            "symbol": ["circle" if gap >= 0 else "diamond" for gap in points["position"]],
        },
        "customdata": [label(text, 60) for text in points["text"]],
        "hovertemplate": "%{y}: %{customdata}<extra></extra>",
    }
    layout = _rows(names, unit) | {"showlegend": False}
    layout["xaxis"] |= {"zeroline": True, "zerolinewidth": 2}
    layout["xaxis"]["tickformat"] = "+.0%" if unit == "rate" else "+"
    if unit == "percent":
        layout["xaxis"]["ticksuffix"] = "\u00a0pp"
    return {"data": [trace], "layout": layout}


def shares(points: pd.DataFrame, hidden: str = "") -> Figure:
    """Return a bar of shares for each label; each that is not too narrow carries its text.

    hidden: the series of what is not known, an empty box.
    """
    rows = list(dict.fromkeys(points["label"]))
    names = dict(zip(rows, labels(rows), strict=True))
    traces = []
    for number, (series, part) in enumerate(points.groupby("series", sort=False)):
        if part["position"].isna().all():
            continue
        look = _share_marker(number if series != hidden else None)
        texts = [label(text, 40) for text in part["text"]]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": label(series, 60),
                "y": [names[one] for one in part["label"]],
                "x": _numbers(part["position"]),
                "text": [
                    _fitting(str(text), str(series), share)
                    for text, share in zip(part["text"], part["position"], strict=True)
                ],
                "customdata": texts,
                "textposition": "inside",
                "insidetextanchor": "middle",
                "textangle": 0,
                "constraintext": "none",
                **look,
                "hovertemplate": "%{y}: %{customdata}<extra>%{fullData.name}</extra>",
            }
        )
    layout = _rows(list(names.values()), "rate") | {"barmode": "stack"}
    layout["legend"]["traceorder"] = "normal"
    layout["height"] += LEGEND * len(traces)
    layout["xaxis"]["range"] = [0, 1]
    return {"data": traces, "layout": layout}


def _fitting(text: str, series: str, share: float) -> str:
    """Return the text of a share, its number alone where the name of its series has no room, or ''.

    The legend has the names too.
    """
    number = text.removeprefix(series).strip()
    room = share * BAR_LETTERS if share >= NARROW else 0
    return next((label(one, 40) for one in (text, number) if len(one) <= room), "")


def _share_marker(number: int | None) -> Figure:
    """Return the look of a share; none: of what is hidden, an empty box."""
    if number is None:
        line = {"color": GREY, "width": 1}
        return {"marker": {"color": "rgba(0, 0, 0, 0)", "line": line}}
    number %= len(PALETTE)
    pattern = {
        "shape": PATTERNS[number],
        "fillmode": "overlay",
        "fgcolor": "white",
        "fgopacity": 0.25,
        "size": 7,
    }
    return {
        "marker": {
            "color": PALETTE[number],
            "line": {"color": "white", "width": 1},
            "pattern": pattern,
        },
        "insidetextfont": {"color": ON_PALETTE[number]},
    }


def donut(points: pd.DataFrame) -> Figure:
    """Return a ring of at most six parts."""
    if len(points) > 6:
        raise ValueError(f"a ring of {len(points)} parts cannot be read")
    trace = {
        "type": "pie",
        "hole": 0.55,
        "sort": False,
        "direction": "clockwise",
        "labels": [label(one) for one in points["label"]],
        "values": _numbers(points["position"]),
        "text": ["<br>".join(map(label, textwrap.wrap(text, 14))) for text in points["text"]],
        "textinfo": "text",
        "textposition": "outside",
        "marker": {
            "colors": list(PALETTE[: len(points)]),
            "line": {"color": "white", "width": 1},
        },
        "hovertemplate": "%{label}: %{text}<extra></extra>",
    }
    margin = {"l": 85, "r": 85, "t": 50, "b": 40}  # plotly's own ends in warnings on narrow screens
    return {"data": [trace], "layout": {"height": HEIGHT, "margin": margin, "showlegend": False}}


def line(
    points: pd.DataFrame, whole: pd.DataFrame, span: tuple[float, float], *, unit: str
) -> Figure:
    """Return one small picture: a line over periods, that of the district grey behind it."""
    stamps = [label(one).replace(" ", "<br>", 1) for one in whole["label"]]
    marks = {"circle": "", "triangle-up": "high", "triangle-down": "low"}
    symbol_of = {bound: symbol for symbol, bound in marks.items()}
    is_under = points["position"].reset_index(drop=True) < whole["position"].reset_index(drop=True)
    sides = ["bottom center" if under else "top center" for under in is_under]
    behind = {
        "type": "scatter",
        "mode": "lines",
        "x": stamps,
        "y": _numbers(whole["position"]),
        "line": {"color": GREY, "dash": "dot", "width": 2},
        "hoverinfo": "skip",
    }
    texts = [""] * len(points)
    known = [number for number, one in enumerate(points["position"]) if pd.notna(one)]
    for number in known[-1:] + known[:1]:
        texts[number] = label(points["text"].iloc[number])
    front: Figure = {
        "type": "scatter",
        "mode": "lines+markers+text",
        "x": stamps,
        "y": _numbers(points["position"]),
        "text": texts,
        "textposition": sides,
        "cliponaxis": False,
        "line": {"color": BLUE, "width": 2},
        "marker": {"size": 8, "symbol": [symbol_of[bound] for bound in points["bound"]]},
        "customdata": [label(text) for text in points["text"]],
        "hovertemplate": "%{x}: %{customdata}<extra></extra>",
    }
    beside = 0.0  # room for numbers beside their dots, in steps of the axis
    if points["low"].notna().any():
        beside = 0.9
        front["error_y"] = _interval(points)
        ends = {known[0]: "middle left", known[-1]: "middle right"} if len(known) > 1 else {}
        front["textposition"] = [ends.get(place, side) for place, side in enumerate(sides)]
    layout = {
        "height": 210,
        "showlegend": False,
        "margin": {"l": 10, "r": 10, "t": 22, "b": 10},
        "xaxis": {
            "type": "category",
            "automargin": True,
            "categoryorder": "array",
            "categoryarray": stamps,
            "range": [-1.1 - beside, len(whole) + 0.1 + beside],
            "tickangle": 0,
            "tickfont": {"size": 10},
        },
        "yaxis": {
            "automargin": True,
            "range": list(span),
            "nticks": 4,
            **ticks(unit),
        },
    }
    return {"data": [behind, front], "layout": layout}


def span(*frames: pd.DataFrame) -> tuple[float, float]:
    """Return the range that all small pictures of a chart share."""
    ends = pd.concat([frame[name] for frame in frames for name in ("position", "low", "high")])
    low, high = float(ends.min()), float(ends.max())
    room = max((high - low) * 0.25, abs(high) * 0.02, 0.01)
    return low - room, high + room


def swarm(points: pd.DataFrame, *, unit: str) -> Figure:
    """Return a row of dots for each series, spread apart; the first and the last are named."""
    rows = list(dict.fromkeys(points["series"]))
    traces = []
    for number, row in enumerate(rows):
        part = points[points["series"] == row].dropna(subset=["position"])
        part = part.sort_values("position")
        traces.append(
            {
                "type": "scatter",
                "mode": "markers",
                "x": _numbers(part["position"]),
                "y": [number + one for one in spread(part["position"].to_numpy(float))],
                "marker": DOT,
                "customdata": [
                    label(" ".join([str(one), str(text)]).strip(), 60)
                    for one, text in zip(part["label"], part["text"], strict=True)
                ],
                "hovertemplate": "%{customdata}<extra></extra>",
            }
        )  # fmt: skip
        if len(part) > 1 and part["label"].iloc[0]:
            traces.append(_ends(part, number))
    layout = _rows(labels(rows), unit) | {"showlegend": False}
    layout["height"] = 70 + max(95 * len(rows), 150)
    layout["yaxis"] = {
        "tickvals": list(range(len(rows))),
        "ticktext": labels(rows),
        "range": [len(rows) - 0.5, -0.5],
        "automargin": True,
        "showgrid": False,
        "zeroline": False,
    }
    known = points["position"].dropna()
    room = max(float(known.max() - known.min()) * 0.08, 0.5) if len(known) else 1
    if len(known):
        layout["xaxis"]["range"] = [float(known.min()) - room, float(known.max()) + room]
    return {"data": traces, "layout": layout}


def _ends(part: pd.DataFrame, number: int) -> Figure:
    """Return the names of the first dot, over its row, and of the last, under it."""
    ends = part.iloc[[0, -1]]
    return {
        "type": "scatter",
        "mode": "text",
        "x": _numbers(ends["position"]),
        "y": [number - 0.36, number + 0.36],
        "text": [label(one) for one in ends["label"]],
        "textposition": ["middle right", "middle left"],
        "hoverinfo": "skip",
        "cliponaxis": False,
    }


def spread(positions: np.ndarray) -> list[float]:
    """Return the distance of each dot from the middle of its row, within 0.26; shape as given.

    Dots of the same sixtieth of the range stand above and below each other.
    """
    if len(positions) == 0:
        return []
    width = max(float(np.ptp(positions)) / 60, 1e-9)
    bins = np.floor((positions - positions.min()) / width).astype(int)
    ranks = pd.Series(bins).groupby(bins).cumcount().to_numpy()
    steps = (ranks + 1) // 2 * np.where(ranks % 2 == 0, 1, -1)
    return [float(one) for one in steps * min(0.1, 0.26 / max(1, int(np.abs(steps).max())))]


def scatter(
    points: pd.DataFrame, x_title: str, y_title: str, *, units: list[str], is_labelled: bool
) -> Figure:
    """Return a dot for each point at x and y; as many dots are named as fit without touching."""
    texts = ["" for _ in range(len(points))]
    if is_labelled:
        for number in chosen_labels(points["x"], points["y"], points["label"]):
            texts[number] = label(points["label"].iloc[number], 20)
    trace = {
        "type": "scatter",
        "mode": "markers+text",
        "x": _numbers(points["x"]),
        "y": _numbers(points["y"]),
        "text": texts,
        "textposition": "top center",
        "marker": DOT | {"size": 10},
        "customdata": [label(text, 80) for text in points["text"]],
        "hovertemplate": "%{customdata}<extra></extra>",
    }  # fmt: skip
    layout = {
        "height": 420,
        "showlegend": False,
        "margin": {"l": 10, "r": 20, "t": 20, "b": 10},
        "xaxis": {"title": {"text": label(x_title, 60)}, "automargin": True, **ticks(units[0])},
        "yaxis": {"title": {"text": label(y_title, 60)}, "automargin": True, **ticks(units[1])},
    }
    return {"data": [trace], "layout": layout}


def chosen_labels(x: pd.Series, y: pd.Series, names: pd.Series, most: int = 6) -> list[int]:
    """Return the positions of the dots to name, the most unusual first; no name touches another
    or another's dot.

    Unusual: far from the middle and from the way that most dots lie (Mahalanobis 1936). Names
    stand over their dots; they are measured for a picture of WIDTH x 340 pixels.
    """
    if x.empty:
        return []
    places = np.column_stack([_scaled(x) * WIDTH, _scaled(y) * 340])
    apart = places - places.mean(axis=0)
    spread_of_all = np.linalg.pinv(apart.T @ apart / len(apart))
    distance = np.einsum("ij,jk,ik->i", apart, spread_of_all, apart)
    boxes: list[tuple[float, float, float, float]] = []
    others = [(left - 6, bottom - 6, left + 6, bottom + 6) for left, bottom in places]
    chosen: list[int] = []
    for number in np.argsort(-distance, kind="stable"):
        half = min(len(str(names.iloc[number])), 20) * LETTER_WIDTH / 2
        left, bottom = places[number][0] - half, places[number][1] + 6
        box = (left, bottom, left + 2 * half, bottom + LINE_HEIGHT)
        inside = box[0] > -20 and box[2] < WIDTH + 20
        free = not any(_touch(box, other) for other in boxes)
        free &= not any(_touch(box, dot) for place, dot in enumerate(others) if place != number)
        if inside and free:
            boxes.append(box)
            chosen.append(int(number))
        if len(chosen) == most:
            break
    return chosen


def heat(points: pd.DataFrame, *, unit: str) -> Figure:
    """Return a field for each label and series, its number written in it."""
    rows, columns = (list(dict.fromkeys(points[name])) for name in ("label", "series"))
    cells = points.set_index(["label", "series"])
    positions = [[cells["position"].get((row, column)) for column in columns] for row in rows]
    texts = [[label(cells["text"].get((row, column), "")) for column in columns] for row in rows]
    shown = [
        ["" if pd.isna(one) else text for one, text in zip(line, said, strict=True)]
        for line, said in zip(positions, texts, strict=True)
    ]
    trace = {
        "type": "heatmap",
        "x": [label(one) for one in columns],
        "y": labels(rows),
        "z": [_numbers(pd.Series(one, dtype=float)) for one in positions],
        "text": shown,
        "texttemplate": "%{text}",
        "colorscale": "Cividis",
        "showscale": False,
        "xgap": 2,
        "ygap": 2,
        "hovertemplate": "%{y}, %{x}: %{text}<extra></extra>",
    }
    layout = _rows(labels(rows), unit)
    layout["xaxis"] = {"type": "category", "automargin": True, "side": "top", "showgrid": False}
    layout["annotations"] = [
        {"x": x, "y": y, "text": texts[y][x], "showarrow": False, "font": {"size": 10}}
        for y, row in enumerate(positions)
        for x, one in enumerate(row)
        if pd.isna(one)
    ]
    return {"data": [trace], "layout": layout}


def weeks(points: pd.DataFrame, *, unit: str) -> Figure:
    """Return a field for each label and Monday (series): what is hidden stays empty."""
    rows = list(dict.fromkeys(points.sort_values("place")["label"]))
    mondays = pd.date_range(points["series"].min(), points["series"].max(), freq="7D")
    cells = points.assign(monday=pd.to_datetime(points["series"])).set_index(["label", "monday"])
    names = labels(rows)
    trace = {
        "type": "heatmap",
        "x": [f"{monday:%Y-%m-%d}" for monday in mondays],
        "y": names,
        "z": [
            _numbers(pd.Series([cells["position"].get((row, day)) for day in mondays], dtype=float))
            for row in rows
        ],
        "text": [[label(cells["text"].get((row, day), "")) for day in mondays] for row in rows],
        "colorscale": "Cividis",
        "colorbar": {"thickness": 12, "ticklabelposition": "outside", **ticks(unit)},
        "xgap": 1,
        "ygap": 2,
        "hoverongaps": False,
        "hovertemplate": "%{y}, %{x}: %{text}<extra></extra>",
    }
    layout = _rows(names, unit)
    layout["xaxis"] = {"type": "date", "automargin": True, "showgrid": False, "tickformat": "%b %Y"}
    return {"data": [trace], "layout": layout}


def flow(points: pd.DataFrame) -> Figure:
    """Return bands from each label to each series, as thick as their number."""
    left, right = (list(dict.fromkeys(points[name])) for name in ("label", "series"))
    trace = {
        "type": "sankey",
        "node": {
            "label": [label(one) for one in [*left, *right]],
            "color": [GREY] * len(left) + [PALETTE[n % len(PALETTE)] for n in range(len(right))],
            "pad": 22,
            "thickness": 16,
        },
        "link": {
            "source": [left.index(one) for one in points["label"]],
            "target": [len(left) + right.index(one) for one in points["series"]],
            "value": _numbers(points["position"]),
            "color": [_faint(PALETTE[right.index(one) % len(PALETTE)]) for one in points["series"]],
        },
    }
    margin = {"l": 10, "r": 10, "t": 20, "b": 20}
    return {"data": [trace], "layout": {"height": 90 + 60 * max(len(left), 4), "margin": margin}}


def _faint(color: str) -> str:
    red, green, blue = (int(color[n : n + 2], 16) for n in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, 0.5)"


def _rows(names: list[str], unit: str) -> Figure:
    return {
        "height": 80 + ROW * max(len(names), 2),
        "margin": {"l": 10, "r": 20, "t": 10, "b": 10},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "bargap": 0.3,
        "xaxis": {"automargin": True, "nticks": 6, **ticks(unit)},
        "yaxis": {
            "type": "category",
            "automargin": True,
            "autorange": "reversed",
            "categoryorder": "array",
            "categoryarray": names,
            "showgrid": False,
            "ticksuffix": "  ",
        },
    }


def _note(names: list[str], texts: list[str], left: float) -> Figure:
    """Return what stands in rows that have nothing to draw."""
    return {
        "type": "scatter",
        "mode": "text",
        "x": [left] * len(names),
        "y": names,
        "text": [label(text) for text in texts],
        "textposition": "middle right",
        "hoverinfo": "skip",
        "showlegend": False,
    }


def _interval(points: pd.DataFrame) -> Figure:
    middle, low, high = (points[name].astype(float) for name in ("position", "low", "high"))
    return {
        "type": "data",
        "symmetric": False,
        "array": _numbers((high - middle).clip(lower=0).fillna(0)),
        "arrayminus": _numbers((middle - low).clip(lower=0).fillna(0)),
        "color": GREY,
        "thickness": 2,
        "width": 5,
    }


def _numbers(values: pd.Series) -> list[float | None]:
    return [None if pd.isna(value) else round(float(value), 6) for value in values]


def _top(points: pd.DataFrame) -> float:
    ends = pd.concat([points["position"], points["high"]]).dropna()
    return float(ends.max()) if len(ends) and ends.max() > 0 else 1.0


def _scaled(values: pd.Series) -> np.ndarray:
    numbers = values.to_numpy(float)
    scaled: np.ndarray = (numbers - numbers.min()) / (float(np.ptp(numbers)) or 1.0)
    return scaled


def _touch(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
