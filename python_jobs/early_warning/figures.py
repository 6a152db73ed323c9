"""Pictures of segments and models; no student, and no count below the publication threshold."""

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from python_jobs.early_warning import published
from python_jobs.early_warning.clusters import CLUSTER_FEATURES, CLUSTERS, Segments
from python_jobs.early_warning.data import rows_of
from python_jobs.early_warning.explanations import WORDS
from python_jobs.early_warning.fairness import GAPS
from python_jobs.early_warning.models import BOOSTING, LOGISTIC, TREE
from python_jobs.early_warning.training import GRADES_ALONE, RULE, Results, tree_nodes

COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00"]  # Okabe and Ito
GRAY = "#666666"
TITLES = {
    TREE: "Decision tree (depth 3)",
    LOGISTIC: "Logistic regression",
    BOOSTING: "Gradient boosting",
    RULE: "ABC rule",
    GRADES_ALONE: "GPA of now alone",
}
ATTRIBUTES = {
    "sex": "Sex",
    "race_ethnicity": "Race / ethnicity",
    "is_english_learner": "English learner",
    "has_iep": "IEP",
    "is_economically_disadvantaged": "Disadvantaged",
    "school_id": "School",
}
METRIC_WORDS = {
    "recall": "Recall:of those in trouble, flagged",
    "false_positive_rate": "False positive rate:of the others, flagged",
    "calibration_gap": "Calibration:mean risk less:observed rate",
    "marks_beyond_work": "Marks:grade points above:those of equal work",
}
Figures = dict[str, go.Figure]


def styled(figure: go.Figure, title: str, note: str = "", height: int = 560) -> go.Figure:
    text = f"<b>{title}</b>" + (f"<br><span style='font-size:13px'>{note}</span>" if note else "")
    figure.update_layout(
        template="plotly_white",
        title={
            "text": text,
            "x": 0.02,
            "xanchor": "left",
            "y": 0.97,
            "yanchor": "top",
            "pad": {"t": 8},
        },
        font={"family": "DejaVu Sans, Arial, sans-serif", "size": 13},
        width=1000,
        height=height,
        margin={"t": 100, "l": 90, "r": 40, "b": 70},
    )
    return figure


def bars(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """Return error bars from low to high around a column."""
    above, below = table["high"] - table[name], table[name] - table["low"]
    return {"type": "data", "array": above, "arrayminus": below}


def of_segments(segments: Segments, latest: pd.DataFrame, min_n: int) -> Figures:
    """Return the pictures that need no outcome."""
    return {
        "cluster_sizes_and_means": cluster_means(segments, min_n),
        "gpa_by_homework": gpa_by_homework(segments, latest, min_n),
        "cluster_silhouette": silhouette(segments),
    }


OF_MODELS = {
    "precision_and_recall", "confusion_matrix", "decision_tree", "roc_curve",
    "precision_recall_curve", "calibration", "shap_importance", "fairness",
    "stability_and_learning",
}  # fmt: skip


def of_models(results: Results, min_n: int) -> Figures:
    """Return the pictures OF_MODELS."""
    return {
        "precision_and_recall": precision_and_recall(results, min_n),
        "confusion_matrix": confusion(results, min_n),
        "decision_tree": tree(results, min_n),
        "roc_curve": curve(results, min_n, 0),
        "precision_recall_curve": curve(results, min_n, 1),
        "calibration": calibration(results),
        "shap_importance": importance(results),
        "fairness": fairness(results),
        "stability_and_learning": stability_and_learning(results),
    }


def cluster_means(segments: Segments, min_n: int) -> go.Figure:
    means = segments.means
    visible = ~published.hidden_clusters(means["student_count"].to_numpy(), min_n)
    features = list(CLUSTER_FEATURES)
    values = means[features].to_numpy(float)
    middle = np.average(values, axis=0, weights=means["student_count"])
    spread = np.sqrt(np.average((values - middle) ** 2, axis=0, weights=means["student_count"]))
    scaled = (values - middle) / np.where(spread > 0, spread, 1)
    scaled[~visible] = np.nan
    texts = [
        [
            _value(feature, value) if seen else "hidden"
            for feature, value in zip(features, row, strict=True)
        ]
        for row, seen in zip(values, visible, strict=True)
    ]
    names = [f"{row.cluster}: {row.cluster_name}" for row in rows_of(means)]
    figure = make_subplots(
        1, 2, column_widths=[0.3, 0.7], shared_yaxes=True, horizontal_spacing=0.02
    )
    figure.add_bar(
        y=names,
        x=[
            count if seen else None
            for count, seen in zip(means["student_count"], visible, strict=True)
        ],
        text=[
            f"{count:,}" if seen else "hidden"
            for count, seen in zip(means["student_count"], visible, strict=True)
        ],
        orientation="h",
        marker_color=COLORS[:CLUSTERS],
        showlegend=False,
    )
    figure.add_heatmap(
        y=names,
        x=[_short(feature) for feature in features],
        z=scaled,
        text=texts,
        texttemplate="%{text}",
        colorscale="RdBu",
        zmid=0,
        showscale=False,
        row=1,
        col=2,
    )
    figure.update_xaxes(title_text="students", row=1, col=1)
    figure = styled(
        figure,
        "Four segments of students: how many, and their means",
        "Blue is above the mean, red below. Segments describe; they decide nothing.",
    )
    figure.update_layout(margin={"l": 260})
    return figure


def _short(feature: str) -> str:
    return (
        feature.replace("num_", "number of ")
        .replace("avg_", "mean ")
        .replace("_", " ")
        .replace("gpa", "GPA")
    )


def _value(feature: str, value: float) -> str:
    return f"{100 * value:.0f} %" if feature.endswith("_rate") else f"{value:.2f}"


def gpa_by_homework(segments: Segments, latest: pd.DataFrame, min_n: int) -> go.Figure:
    """Draw the mean GPA per segment and fifth of homework due: groups of students, no points."""
    joined = segments.students.merge(latest, on=["student_id", "cut_id"])
    bins = pd.qcut(joined["num_homeworks"].rank(method="first"), 5, labels=False)
    figure = go.Figure()
    counts = pd.crosstab(joined["cluster"], bins)
    hidden = pd.DataFrame(
        published.hidden_cells(counts.to_numpy(), min_n), counts.index, counts.columns
    )
    for cluster, part in joined.groupby("cluster"):
        grouped = part.groupby(bins[part.index]).agg(
            student_count=("student_id", "size"),
            homeworks=("num_homeworks", "mean"),
            gpa=("avg_gpa", "mean"),
        )
        seen = ~hidden.xs(cluster).reindex(grouped.index).to_numpy(bool)
        grouped = grouped.loc[seen]
        figure.add_scatter(
            x=grouped["homeworks"],
            y=grouped["gpa"],
            mode="markers+lines",
            marker={"size": 6 + 2.2 * np.sqrt(grouped["student_count"])},
            line={"width": 1},
            marker_color=COLORS[int(str(cluster))],
            name=str(part["cluster_name"].iloc[0]),
        )
    figure.update_xaxes(title_text="homework due this year (mean of a fifth of the students)")
    figure.update_yaxes(title_text="GPA of the term so far", range=[0, 4.2])
    figure.update_layout(legend={"orientation": "h", "y": -0.18})
    count = int((hidden & (counts > 0)).sum().sum())
    note = (
        f"The larger, the more students. Points of fewer than {min_n}, and those that would give "
        f"them away, are hidden: {count}."
    )
    return styled(figure, "GPA against homework, by segment", note, 600)


def silhouette(segments: Segments) -> go.Figure:
    table = segments.silhouettes
    figure = go.Figure()
    figure.add_scatter(
        x=table["k"], y=table["silhouette"], mode="lines+markers", line_color=COLORS[0]
    )
    figure.add_vline(x=CLUSTERS, line_dash="dot", line_color=GRAY)
    figure.update_xaxes(title_text="number of segments", dtick=1)
    figure.update_yaxes(title_text="mean silhouette", rangemode="tozero")
    return styled(
        figure,
        "How many segments: the silhouette of each number",
        "1: clear segments, 0: none. Four are used; this says how clear they are.",
    )


def precision_and_recall(results: Results, min_n: int) -> go.Figure:
    metrics = published.metrics(results, min_n)
    figure = make_subplots(
        1,
        2,
        subplot_titles=(
            f"Staff sees {results.capacity:.0%} at each cut",
            "As many as the ABC rule flags",
        ),
    )
    names = ["precision", "recall"]
    for column, place in enumerate(("capacity", "rule"), 1):
        for number, model in enumerate((RULE, TREE, LOGISTIC, BOOSTING)):
            table = metrics[metrics["model"] == model].set_index("metric")
            rows = table.loc[[f"{name}_at_{place}" for name in names]]
            figure.add_bar(
                x=names,
                y=rows["value"],
                error_y=bars(rows, "value"),
                text=["hidden" if np.isnan(one) else f"{one:.2f}" for one in rows["value"]],
                textposition="inside",
                insidetextanchor="start",
                name=TITLES[model],
                marker_color=[GRAY, *COLORS][number],
                showlegend=column == 1,
                row=1,
                col=column,
            )
    figure.update_yaxes(range=[0, 1])
    figure.update_layout(legend={"orientation": "h", "y": -0.12})
    return styled(
        figure,
        f"Precision and recall in {results.split.test_year}, a year that no model has seen",
        "Precision low: time is spent on students who need none. "
        "Recall low: students in trouble are missed. Bars: 95 % intervals.",
    )


def confusion(results: Results, min_n: int) -> go.Figure:
    columns = [
        (TREE, "capacity"),
        (results.best.name, "capacity"),
        (results.best.name, "rule"),
        (RULE, "rule"),
    ]
    columns = list(dict.fromkeys(columns))
    table = results.confusion.set_index(["model", "threshold"])
    hidden = published.hidden_thresholds(results, min_n)
    titles = [
        f"{TITLES[m]}<br>{'at capacity' if t == 'capacity' else 'as many as the rule'}"
        for m, t in columns
    ]
    figure = make_subplots(1, len(columns), subplot_titles=titles, horizontal_spacing=0.04)
    words = [["missed", "found"], ["left alone", "seen in vain"]]
    for place, key in enumerate(columns, 1):
        row: Any = table.loc[key]
        cells = [["false_negative", "true_positive"], ["true_negative", "false_positive"]]
        counts = np.array([row[line].to_numpy(float) for line in cells])
        if key in hidden:
            counts = np.full(counts.shape, np.nan)
        shares = counts / counts.sum(axis=1, keepdims=True)
        figure.add_heatmap(
            x=["not flagged", "flagged"],
            y=["got into trouble", "did not"],
            z=shares,
            text=[
                [
                    f"{'hidden' if np.isnan(n) else format(n, ',.0f')}<br>{word}"
                    for n, word in zip(*pair, strict=True)
                ]
                for pair in zip(counts, words, strict=True)
            ],
            texttemplate="%{text}",
            textfont_size=13,
            colorscale="Blues",
            zmin=0,
            zmax=1,
            showscale=False,
            row=1,
            col=place,
        )
        figure.update_yaxes(showticklabels=place == 1, autorange="reversed", row=1, col=place)
    figure = styled(
        figure,
        "Who was found, who was missed (rows of students and cuts)",
        "To miss fewer, raise the capacity; to see fewer in vain, lower it. "
        "A talk in vain costs minutes, a missed student a course.",
        520,
    )
    figure.update_layout(margin={"t": 150, "l": 130})
    return figure


def tree(results: Results, min_n: int) -> go.Figure:
    nodes = tree_nodes(results.models[TREE], results.split.train)
    hidden = published.hidden_nodes(results, nodes, min_n)
    base = float(results.split.train["is_at_risk"].mean())
    places: dict[int, tuple[float, float]] = {}
    leaves = iter(range(100))

    def place(node: int, level: int) -> float:
        children = nodes.index[nodes["parent_node_id"] == node].tolist()
        x = (
            float(np.mean([place(child, level + 1) for child in children]))
            if children
            else float(next(leaves))
        )
        places[node] = (x, -float(level))
        return x

    place(0, 0)
    figure = go.Figure()
    for row in rows_of(nodes):
        x, y = places[row.node_id]
        if row.parent_node_id >= 0:
            parent_x, parent_y = places[row.parent_node_id]
            figure.add_scatter(
                x=[parent_x, x],
                y=[parent_y, y],
                mode="lines",
                line={"color": GRAY},
                showlegend=False,
            )
            figure.add_annotation(
                x=(parent_x + x) / 2,
                y=(parent_y + y) / 2,
                text=row.answer,
                showarrow=False,
                bgcolor="white",
            )
        question = ""
        if isinstance(row.feature, str):
            word = WORDS[row.feature]
            question = (
                f"<b>{word.text}<br>≤ {word.show.format(word.scale * row.threshold)}?</b><br>"
            )
        rate, count = f"{100 * row.at_risk_rate:.0f} % got into trouble", f"{row.row_count:,} rows"
        if hidden[row.Index]:
            rate, count = "hidden:", "few students"
        ink = COLORS[1] if row.at_risk_rate >= base else COLORS[0]
        said = "more often than all" if row.at_risk_rate >= base else "less often than all"
        label = question if question else f"<b>{said}</b><br>"
        figure.add_annotation(
            x=x, y=y, text=f"{label}{rate}<br>{count}", showarrow=False,
            bgcolor="white", bordercolor=ink, borderwidth=2, borderpad=4, font={"size": 13},
        )  # fmt: skip
    figure.update_xaxes(visible=False, range=[-0.6, max(x for x, _ in places.values()) + 0.6])
    figure.update_yaxes(visible=False, range=[min(y for _, y in places.values()) - 0.4, 0.4])
    figure = styled(
        figure,
        "The readable tree",
        f"Orange: more of them got into trouble than of all ({100 * base:.0f} %); blue: fewer. "
        "A box shows the rows learned from.",
        720,
    )
    figure.update_layout(width=1400, margin={"l": 20, "r": 20, "b": 20})
    return figure


def curve(results: Results, min_n: int, kind: int) -> go.Figure:
    figure = go.Figure()
    measure = ("roc_auc", "average_precision")[kind]
    x, y = (("false_positive_rate", "recall"), ("recall", "precision"))[kind]
    for number, model in enumerate((RULE, GRADES_ALONE, TREE, LOGISTIC, BOOSTING)):
        table = results.curves[model][kind]
        table = table[published.is_shown(table, results, min_n)]
        metrics = results.metrics[results.metrics["model"] == model].set_index("metric")
        row = metrics.loc[measure]
        figure.add_scatter(
            x=table[x],
            y=table[y],
            mode="lines" if model not in (RULE, TREE) else "lines+markers",
            name=f"{TITLES[model]}: {row.value:.3f} ({row.low:.3f} to {row.high:.3f})",
            line={"color": [GRAY, "#AAAAAA", *COLORS][number]},
        )
    rate = float(results.split.test["is_at_risk"].mean())
    if kind == 0:
        figure.add_scatter(
            x=[0, 1],
            y=[0, 1],
            mode="lines",
            line={"dash": "dot", "color": "#BBBBBB"},
            name="chance",
        )
    else:
        figure.add_hline(
            y=rate,
            line_dash="dot",
            line_color="#BBBBBB",
            annotation_text=f"all flagged: {rate:.2f}",
            annotation_position="bottom left",
        )
    figure.update_xaxes(title_text=x.replace("_", " "), range=[0, 1])
    figure.update_yaxes(title_text=y, range=[0, 1.02])
    figure.update_layout(legend={"x": (0.42, 0.12)[kind], "y": 0.04})
    titles = (
        "ROC: those in trouble above the others",
        "Precision and recall at each place of the ranking",
    )
    return styled(
        figure,
        f"{titles[kind]}, {results.split.test_year}",
        "In brackets the 95 % interval, over students.",
        640,
    )


def calibration(results: Results) -> go.Figure:
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", line={"dash": "dot", "color": "#BBBBBB"}, name="perfect"
    )
    table = results.calibration[results.calibration["model"] == results.best.name]
    for number, (stage, part) in enumerate(table.groupby("stage", sort=False)):
        figure.add_scatter(
            x=part["mean_risk"],
            y=part["observed_rate"],
            error_y=bars(part, "observed_rate"),
            mode="lines+markers",
            name=f"{stage}: Brier {part['brier'].iloc[0]:.4f}",
            line={"color": COLORS[number], "dash": "dot" if number == 0 else "solid"},
        )
    top = min(1.0, 1.15 * float(table[["mean_risk", "high"]].max().max()))
    figure.update_xaxes(title_text="predicted risk (mean of a tenth of the rows)", range=[0, top])
    figure.update_yaxes(title_text="observed rate", range=[0, top])
    figure.update_layout(legend={"x": 0.03, "y": 0.97})
    return styled(
        figure,
        f"Calibration of {TITLES[results.best.name].lower()}, {results.split.test_year}",
        "On the line, of 100 students with a risk of 30 %, 30 get into trouble. Bars: 95 %.",
        640,
    )


def importance(results: Results) -> go.Figure:
    table = results.importance.head(15).iloc[::-1]
    figure = go.Figure(
        go.Bar(
            x=table["mean_absolute_shap"],
            y=[WORDS[name].text for name in table["feature"]],
            orientation="h",
            marker_color=[COLORS[1] if value > 0 else COLORS[0] for value in table["direction"]],
        )
    )
    figure.update_xaxes(title_text="mean |SHAP value| (log odds)")
    figure = styled(
        figure,
        f"What moves the risk most ({TITLES[results.best.name].lower()})",
        "Orange: more of it, more risk. Blue: more of it, less. What the model uses, not causes.",
        680,
    )
    figure.update_layout(margin={"l": 310})
    return figure


def fairness(results: Results) -> go.Figure:
    table = results.fairness
    figure = make_subplots(
        1,
        len(GAPS),
        shared_yaxes=True,
        horizontal_spacing=0.03,
        subplot_titles=[METRIC_WORDS[name].replace(":", "<br>") for name in GAPS],
    )
    for column, metric in enumerate(GAPS, 1):
        part = table[table["metric"] == metric].iloc[::-1]
        names = [f"{ATTRIBUTES[row.attribute]}: {row.group_name}" for row in rows_of(part)]
        colors = [COLORS[1] if one else COLORS[0] for one in part["is_finding"]]
        figure.add_scatter(
            x=part["value"],
            y=names,
            error_x=bars(part, "value") | {"color": "#BBBBBB"},
            mode="markers",
            marker={"color": colors, "size": 9},
            showlegend=False,
            row=1,
            col=column,
        )
        top = max(0.05, 1.1 * float(part[["low", "high"]].abs().max().max()))
        left = -top if part["low"].min() < 0 else 0
        hidden = [name for name, one in zip(names, part["is_suppressed"], strict=True) if one]
        figure.add_scatter(
            x=[left] * len(hidden), y=hidden, mode="text",
            text=["hidden: few students"] * len(hidden), textposition="middle right",
            textfont={"size": 10, "color": GRAY}, showlegend=False, row=1, col=column,
        )  # fmt: skip
        figure.update_yaxes(tickmode="linear", dtick=1, ticksuffix="  ", row=1, col=column)
        figure.update_xaxes(range=[left, top], row=1, col=column)
    count = int(table["is_finding"].sum())
    found = "No gap is" if count == 0 else f"{count} gaps (orange) are"
    groups = table[["attribute", "group_name"]].drop_duplicates()
    figure = styled(
        figure,
        f"Groups at a capacity of {results.capacity:.0%}, {results.split.test_year}",
        f"{found} notable and beyond chance over all comparisons. Bars: 95 % intervals.",
        220 + 26 * len(groups),
    )
    figure.update_layout(margin={"l": 300, "t": 150}, width=1200)
    return figure


def stability_and_learning(results: Results) -> go.Figure:
    figure = make_subplots(
        1,
        2,
        subplot_titles=(
            "Each year, by a model of the years before",
            "By how many students it learned from",
        ),
    )
    for number, (model, part) in enumerate(results.years.groupby("model", sort=False)):
        figure.add_scatter(
            x=part["school_year"].astype(str), y=part["roc_auc"],
            error_y=bars(part, "roc_auc"),
            mode="lines+markers", name=TITLES[str(model)], line_color=[COLORS[0], GRAY][number % 2],
            row=1, col=1,
        )  # fmt: skip
    table = results.learning
    figure.add_scatter(
        x=table["student_count"], y=table["roc_auc"],
        error_y=bars(table, "roc_auc"),
        mode="lines+markers", line={"color": COLORS[0]}, showlegend=False, row=1, col=2,
    )  # fmt: skip
    figure.update_yaxes(range=[0.4, 1], title_text="ROC AUC", row=1, col=1)
    figure.update_yaxes(range=[0.4, 1], row=1, col=2)
    figure.update_xaxes(type="category", title_text="school year", row=1, col=1)
    figure.update_xaxes(title_text="students", row=1, col=2)
    figure.update_layout(legend={"orientation": "h", "y": -0.15})
    return styled(
        figure, "Stable over years, and with how much data", "Bars: 95 % intervals, over students."
    )
