"""ml_reports: pictures, one page with all of them, a README and the model card.

Nothing here names a student, and small groups are hidden; reasons of students are in
ml.early_warning_reasons, for those who may see them.
"""

import html
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import plotly.io

from python_jobs.console import err
from python_jobs.early_warning import published
from python_jobs.early_warning.clusters import CLUSTERS, Segments
from python_jobs.early_warning.data import FEATURES, PROTECTED, Release, rows_of
from python_jobs.early_warning.explanations import WORDS
from python_jobs.early_warning.figures import ATTRIBUTES, TITLES
from python_jobs.early_warning.training import GRADES_ALONE, GUIDANCE, NO_LIFT, RULE, Results
from python_jobs.ml import PSI_LIMIT
from python_jobs.reports.prints import HOW_TO_GET, NOT_STARTED, find_chromium
from python_jobs.reports.site import environment, write_shared

PICTURE_SCALE = 1.5
LONGEST_TABLE = 60  # points of a line that are written as numbers
KINDS = ("png", "pdf")


def write_pictures(folder: Path, figures: Mapping[str, go.Figure]) -> None:
    """Write one HTML page, then each figure as PNG and PDF, all in one start of Chromium.

    Without Chromium, one line says how to get them.
    """
    write_page(folder, figures)
    if find_chromium() is None:
        err.print(f"The page of the models is made; {HOW_TO_GET}", soft_wrap=True)
        return
    both = [
        (figure, folder / f"{name}.{kind}") for name, figure in figures.items() for kind in KINDS
    ]
    try:
        plotly.io.write_images(
            fig=[figure for figure, _ in both],
            file=[path for _, path in both],
            width=[figure.layout.width for figure, _ in both],
            height=[figure.layout.height for figure, _ in both],
            scale=PICTURE_SCALE,
        )
    except (*NOT_STARTED, RuntimeError):  # the latter is what plotly makes of the others
        err.print(f"The page is made, but Chromium did not start; {HOW_TO_GET}", soft_wrap=True)


def write_page(folder: Path, figures: Mapping[str, go.Figure]) -> None:
    """Write index.html: the figures in the looks of the site, each with its numbers in a table."""
    pictures, drawn = [], []
    for name, figure in figures.items():
        title, _, note = str(figure.layout.title.text).partition("<br>")
        pictures.append(
            {"name": name, "title": _plain(title), "note": _plain(note), "rows": numbers(figure),
             "height": figure.layout.height}
        )  # fmt: skip
        copy = go.Figure(figure).update_layout(title=None)
        copy.update_annotations(selector={"bgcolor": "white"}, font_color="#1b1f24")
        drawn.append(json.loads(copy.to_json()))
    write_shared(folder)
    text = environment().get_template("models.html").render(
        pictures=pictures, data={"figures": drawn, "tables": [], "none": ""}
    )  # fmt: skip
    (folder / "index.html").write_text(text, encoding="utf-8")


def numbers(figure: go.Figure) -> list[list[str]]:
    """Return a row for each bar, dot, field or box of a figure; of a long line its name only."""
    rows: list[list[str]] = []
    for trace in figure.data:
        name = _plain(trace.name or "")
        if trace.type == "heatmap":
            texts = trace.z if trace.text is None else trace.text
            rows += [
                [name, *map(_cell, (y, x, text))]
                for y, line in zip(trace.y, texts, strict=True)
                for x, text in zip(trace.x, line, strict=True)
            ]
        elif len(trace.x) > LONGEST_TABLE or getattr(trace, "mode", "") == "lines":
            rows += [[name]] if name else []
        else:
            rows += [[name, _cell(x), _cell(y)] for x, y in zip(trace.x, trace.y, strict=True)]
    rows += [[_plain(one.text)] for one in figure.layout.annotations if one.bordercolor]
    return rows


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "hidden"
    return f"{value:.3f}" if isinstance(value, float) else _plain(str(value))


def _plain(text: str) -> str:
    """Return a text of plotly without its markup."""
    return html.unescape(re.sub("<[^>]*>", " ", text)).strip()


def readme(
    release: Release,
    segments: Segments,
    results: Results | None,
    missing: list[str],
    figures: Mapping[str, go.Figure],
    min_n: int,
) -> str:
    """Return the README of a run; its first line says when the model does not beat the rule."""
    lines = []
    if results is None:
        lines += ["**No model was trained: too little data.**", "", "# Segments of students", ""]
        lines += ["What is missing:", "", *[f"- {one}" for one in missing]]
        lines += ["", "What follows needs no outcome and is complete."]
    else:
        lines += _verdict(results, min_n)
    lines += [
        "",
        f"Made from release {release.release_id}, as of {release.as_of_date}. No student is named "
        f"here; groups of fewer than {min_n} students are hidden.",
        "",
        "## Segments",
        "",
        f"{CLUSTERS} segments by k-means on standardised features. They decide nothing.",
        "",
        "| segment | students |",
        "|---|---:|",
    ]
    hidden = published.hidden_clusters(segments.means["student_count"].to_numpy(), min_n)
    for row in rows_of(segments.means):
        count = "hidden" if hidden[row.Index] else f"{row.student_count:,}"
        lines.append(f"| {row.cluster}: {row.cluster_name} | {count} |")
    best = segments.silhouettes.sort_values("silhouette").iloc[-1]
    four = segments.silhouettes.query("k == @CLUSTERS")["silhouette"].iloc[0]
    lines += [
        "",
        f"Silhouette with {CLUSTERS}: {four:.2f}; the best is {best.silhouette:.2f} with "
        f"{best.k:.0f}. Below 0.25 there is no clear structure: segments are parts of one cloud.",
    ]
    if results is not None:
        lines += _metrics(results, min_n) + _fairness(results) + _limits(results)
    lines += ["", "## Pictures", ""]
    for name, figure in figures.items():
        title = str(figure.layout.title.text).split("</b>")[0].removeprefix("<b>")
        lines += [f"### {title}", "", f"![{title}]({name}.png)", "", f"[PDF]({name}.pdf)", ""]
    return "\n".join(lines).rstrip() + "\n"


def _own(results: Results, min_n: int) -> pd.DataFrame:
    """Return the metrics of the best model that may be shown, by name."""
    table = published.metrics(results, min_n)
    return table[table["model"] == results.best.name].set_index("metric")


def _warning(results: Results, min_n: int) -> str | None:
    """Return the warning, without its numbers where they are hidden."""
    if results.warning and pd.isna(_own(results, min_n).loc["lift_over_rule", "value"]):
        return f"{results.warning.split(':')[0]}: {NO_LIFT}. Use the rule."
    return results.warning


def _shown(row: Any, form: str = ".3f") -> str:
    """Return a measure with its interval."""
    if pd.isna(row["value"]):
        return "hidden or none"
    value, low, high = (format(row[name], form) for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"


def _verdict(results: Results, min_n: int) -> list[str]:
    own = _own(results, min_n)
    lift = own.loc["lift_over_rule"]
    if results.warning:
        first = f"**{_warning(results, min_n)}**"
    elif pd.isna(lift["value"]):
        auc = _shown(own.loc["roc_auc_over_rule"], "+.3f")
        first = f"**The model beats the ABC rule: AUC {auc}; {NO_LIFT}.**"
    else:
        first = (
            f"**The model beats the ABC rule: with as many flags, {lift['value']:.2f} times the "
            f"precision ({lift['low']:.2f} to {lift['high']:.2f}).**"
        )
    return [
        first,
        "",
        f"# Early warning, tested on school year {results.split.test_year}",
        "",
        f"{TITLES[results.best.name]} was chosen on the years before. At a capacity of "
        f"{results.capacity:.0%} of the students at each cut, "
        f"{_with(own, 'precision_at_capacity')} of those flagged got into trouble in the next "
        f"term, and {_with(own, 'recall_at_capacity')} of those in trouble were flagged. In "
        "trouble: failed a course, GPA below 2.0, or dropped a course.",
    ]


def _with(table: pd.DataFrame, metric: str) -> str:
    return _shown(table.loc[metric], ".0%")


def _metrics(results: Results, min_n: int) -> list[str]:
    names = [RULE, GRADES_ALONE, *results.models]
    lines = [
        "",
        "## How well",
        "",
        "| measure | " + " | ".join(TITLES[name] for name in names) + " |",
    ]
    lines.append("|---|" + "---:|" * len(names))
    table = published.metrics(results, min_n).set_index(["metric", "model"])
    for metric in GUIDANCE:
        cells = []
        for name in names:
            if (metric, name) not in table.index:
                cells.append("")
                continue
            row: Any = table.loc[(metric, name)]
            cells.append(_shown(row))
        lines.append(f"| {metric} | " + " | ".join(cells) + " |")
    lines += ["", *[f"- `{name}`: {text}" for name, text in GUIDANCE.items()]]
    counts = results.metrics[results.metrics["model"] == results.best.name].set_index("metric")[
        "value"
    ]
    lines += [
        "",
        f"Tested on {counts['row_count']:,.0f} rows of {counts['student_count']:,.0f} students, of "
        f"which {counts['at_risk_rate']:.1%} got into trouble; learned from "
        f"{results.learned_rows:,} rows. In brackets: 95 % intervals, by 500 draws of students "
        "(fewer on large districts).",
    ]
    if len(results.second):
        lines += ["", "The second label, a GPA of 3.0 or more in the next term:", ""]
        lines += [
            f"- {TITLES[row.model]}: AUC {row.roc_auc:.3f} ({row.low:.3f} to {row.high:.3f})"
            for row in rows_of(results.second)
        ]
    return lines


def _fairness(results: Results) -> list[str]:
    lines = ["", "## Groups", ""]
    findings = results.fairness[results.fairness["is_finding"]]
    for row in rows_of(findings):
        lines.append(
            f"- {ATTRIBUTES[row.attribute]} {row.group_name}: {row.metric.replace('_', ' ')} "
            f"{row.value:.2f}, {row.gap:+.2f} against all others."
        )
    if findings.empty:
        lines.append("No gap between a group and all others is notable and beyond chance.")
    without, with_ = results.protected.iloc[0], results.protected.iloc[1]
    lines += [
        "",
        f"Protected attributes ({', '.join(PROTECTED)}) are not features. With them the AUC would "
        f"be {with_.roc_auc:.3f} instead of {without.roc_auc:.3f}, and "
        f"{without.flags_that_differ:.0%} of the flags would go to other students.",
    ]
    if len(results.defects):
        lines += [
            "",
            "Features of one school that lie apart from the others, rightly or by a defect:",
            "",
        ]
        lines += [
            f"- {row.school_id}: {WORDS[row.feature].text.lower()}: {_mean(row.mean_here)}, "
            f"elsewhere {_mean(row.mean_elsewhere)} (PSI {row.psi:.2f})"
            for row in rows_of(results.defects.head(10))
        ]
    return lines


def _number(value: float) -> str:
    return "hidden or none" if pd.isna(value) else f"{value:.3f}"


def _mean(value: float) -> str:
    return "not known" if pd.isna(value) else f"mean {value:.2f}"


def _limits(results: Results) -> list[str]:
    return [
        "",
        "## Limits",
        "",
        "- A risk is an average over similar students; it names no cause, nor what would help.",
        "- Students without a mark and a drop in the next term (moved away) have no outcome.",
        "- Values corrected after a cut are seen as corrected: facts are dated, not versioned.",
        "- Students whom the staff helped last year are in the data as those who did well.",
    ]


def model_card(release: Release, results: Results, min_n: int, run_id: int) -> str:
    """Return the model card. Source of its sections: Mitchell et al. (2019), FAT* 19, 220-229."""
    best, train, test_year = results.best, results.split.train, results.split.test_year
    own = _own(results, min_n)["value"]
    years = train["label_school_year"].astype(int)
    validation = [
        f"{TITLES[name]} {one.validation_auc:.3f}" for name, one in results.models.items()
    ]
    findings = int(results.fairness["is_finding"].sum())
    parts = [
        _warning(results, min_n) or "It beats the ABC rule on the test year, beyond chance.",
        f"# Model card: early warning, run {run_id}",
        "## Purpose",
        "Helps counsellors choose whom to talk to first. It estimates the chance that a student "
        "fails a course, falls below a GPA of 2.0 or drops a course in the next term, from what "
        "is known today.",
        "## Who must not use it, and for what",
        "- Not for grades, tracks, admission, discipline, special education, custody or police. "
        "Not for or against a teacher.\n"
        "- No decision without a person who knows the student and has read the reasons.\n"
        "- Not outside the district whose data it learned from; not when "
        f"`district ml --score-only` reports drift (PSI above {PSI_LIMIT}).\n"
        "- Not to be shown to students as a verdict.",
        "## Model",
        f"{TITLES[best.name]}, parameters `{results.parameters}`; probabilities are "
        f"recalibrated on held-out students (slope {best.slope:.2f}, intercept "
        f"{best.intercept:+.2f}). Chosen by AUC on students held out of the years learned from: "
        f"{', '.join(validation)}.",
        "## Data",
        f"Release {release.release_id}, as of {release.as_of_date}. Learned from school years "
        f"{years.min()} to {years.max()}: {results.learned_rows:,} rows of students "
        f"at half and end of each term. Tested on "
        f"{test_year}: {own['row_count']:,.0f} rows of {own['student_count']:,.0f} students. "
        f"{len(FEATURES)} features, all dated on or before the cut; none of "
        f"{', '.join(PROTECTED)}.",
        "## Figures on the test year",
        f"AUC {own['roc_auc']:.3f}; average precision {own['average_precision']:.3f} at a rate of "
        f"{own['at_risk_rate']:.3f}; Brier {own['brier']:.4f}. At a capacity of "
        f"{results.capacity:.0%}: precision {_number(own['precision_at_capacity'])}, recall "
        f"{_number(own['recall_at_capacity'])}. Lift over the ABC rule "
        f"{_number(own['lift_over_rule'])}. "
        "Intervals, groups and years: [README](README.md).",
        "## Fairness",
        f"{findings} notable gaps between groups, beyond chance; groups of fewer than {min_n} "
        "students are hidden. A bias in the outcome itself (marks given differently) cannot be "
        "seen from marks: look at the flagged students.",
        "## Limits",
        "See [README](README.md). The outcome is what gradebooks say. Help that students got "
        "before is part of the data.",
    ]
    return "\n\n".join(parts) + "\n"
