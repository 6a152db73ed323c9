"""Charts and pages from frames: what is shown, what is hidden, and that names stay texts."""

import csv
import html
import json
import os
import pwd
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from chart_releases import (
    HOSTILE,
    LONG,
    RIGHT_TO_LEFT,
    SUBJECTS,
    all_hidden,
    hide,
    no_data,
    small_release,
    two_districts,
)
from hypothesis import given
from hypothesis import strategies as st

from python_jobs.charts import command, print_site, write_readme, write_site
from python_jobs.errors import DistrictError
from python_jobs.reports import figures, texts
from python_jobs.reports.catalogue import CATALOGUE, Chart, charts
from python_jobs.reports.data import YEAR, Release, known_districts
from python_jobs.reports.restricted import user, write_private
from python_jobs.reports.scorecard import changes, scorecard
from python_jobs.reports.site import (
    ALL_CHARTS,
    LINEAGE,
    Page,
    csv_cell,
    data_block,
    pages,
    school_page,
    slug,
    write_csv,
)
from python_jobs.reports.texts import Texts, change, number
from python_jobs.reports.view import View, wilson
from python_jobs.seeds import read_seed

PROJECT = Path(__file__).resolve().parents[2]
CSS = (PROJECT / "python_jobs" / "reports" / "static" / "site.css").read_text()
# Machado, Oliveira and Fernandes (2009), severity 1, for linear RGB.
BLINDNESS = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip
SEEN_APART = 10  # distance in CIELAB; about 2.3 is just noticeable


@pytest.fixture(scope="module")
def release() -> Release:
    return small_release()


def charts_of(release: Release, school: str | None = None) -> dict[str, Chart]:
    return {chart.name: chart for chart in charts(View(release, Texts(), school))}


def linear(color: str) -> np.ndarray:
    parts = np.array([int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    """Contrast of WCAG 2.2."""
    light = sorted(float(linear(color) @ [0.2126, 0.7152, 0.0722]) for color in (one, other))
    return (light[1] + 0.05) / (light[0] + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    xyz = (
        np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
        @ rgb
        / np.array([0.9505, 1, 1.089])
    )
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_colours_differ_for_colour_blind_readers(blindness: str) -> None:
    seen = [
        lab(np.clip(np.array(BLINDNESS[blindness]) @ linear(color), 0, 1))
        for color in figures.PALETTE
    ]
    for (one, first), (other, second) in combinations(zip(figures.PALETTE, seen, strict=True), 2):
        assert np.linalg.norm(first - second) > SEEN_APART, (one, other)


def test_colours_and_texts_stand_out_in_light_and_dark() -> None:
    themes = [
        dict(re.findall(r"(--\w+): (#\w{6})", line))
        for line in CSS.splitlines()
        if "--text:" in line
    ]
    assert len(themes) == 3
    for theme in themes:
        for back in ("--back", "--mark"):
            for front in ("--text", "--muted", "--link"):
                assert contrast(theme[front], theme[back]) >= 4.5, (front, back)
        for color in figures.PALETTE:
            assert contrast(color, theme["--back"]) >= 3, color


def test_every_kpi_mart_has_a_chart() -> None:
    marts = {path.stem for path in (PROJECT / "models" / "marts" / "kpi").glob("*.sql")}
    assert marts == {spec.mart for spec in CATALOGUE}
    names = [spec.name for spec in CATALOGUE]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("school", [None, "s1", "s3"])
def test_every_chart_is_a_figure_with_its_numbers_in_a_table(
    release: Release, school: str | None
) -> None:
    found = charts(View(release, Texts(), school))
    assert len(found) >= 19
    for chart in found:
        assert chart.panels, chart.name
        assert len(chart.table), chart.name
        assert chart.title and chart.n and chart.source.startswith("pub."), chart.name
        for _, figure in chart.panels:
            go.Figure(figure)  # raises for what plotly does not know


def test_two_districts_have_a_ring_each_and_their_own_lines() -> None:
    release = two_districts()
    drawn = charts_of(release)
    assert [title for title, _ in drawn["grade_distribution_whole"].panels] == [
        "Union District", "Small District",
    ]  # fmt: skip
    assert drawn["grade_distribution_whole"].title.startswith("Share of letter A: Union District")
    assert drawn["school_performance"].n.startswith("100 + 7 students")
    # The dotted line of a school is its own district's, half as high in the small one.
    lines = [figure["data"][0]["y"] for _, figure in drawn["school_performance_over_terms"].panels]
    assert len(lines) == 5
    assert lines[2] == lines[4] == pytest.approx([one / 2 for one in lines[0]])
    assert charts_of(release, "s3")["grade_distribution_whole"].panels
    groups = set(drawn["subgroup_gaps"].table.iloc[:, 0])
    assert {"Union District · IEP: yes", "Small District · IEP: yes"} <= groups


def test_having_no_district_is_no_district() -> None:
    schools = pd.DataFrame(
        {"entity_id": ["s1", "d1", "unknown"], "grain": ["school", "district", "district"]}
    )
    assert known_districts(schools)["entity_id"].to_list() == ["s1", "d1"]
    assert len(known_districts(schools[schools["entity_id"] != "d1"])) == 2


def test_a_school_counts_its_own_changes_of_course_load(release: Release) -> None:
    for school, count in ((None, 3), ("s1", 1)):
        (_, figure), *_ = charts_of(release, school)["course_load_changes"].panels
        assert len(figure["data"][0]["link"]["value"]) == 4 * count, school


def test_n_is_that_of_the_whole() -> None:
    release = small_release()
    cells = release.values
    cells.loc[cells["entity_id"] == "d1", "student_count"] = 250
    cells.loc[cells["entity_id"] == "s1", "student_count"] = 70
    results = (cells["kpi"] == "result_count") & (cells["term_id"] == "2026-Spring")
    cells.loc[results & (cells["entity_id"] == "s1"), "value"] = 7000
    cells.loc[results & (cells["entity_id"] == "d1"), "value"] = 25000
    for school, students, graded in ((None, "250", "25,000"), ("s1", "70", "7,000")):
        for name, chart in charts_of(release, school).items():
            if name.startswith("grade_distribution"):
                assert chart.n == f"{graded} results · Spring 2025-26", name
            elif " students" in chart.n:
                assert chart.n.startswith(f"{students} students · "), name


def test_gaps_say_the_period_that_they_are_of(release: Release) -> None:
    chart = charts_of(release)["subgroup_gaps"]
    assert chart.n == "100 students · 2025-26"
    assert set(chart.table["Period"]) == {"2025-26"}
    terms = release.gaps.assign(term_id="2026-Spring")
    chart = charts_of(small_release(gaps=terms))["subgroup_gaps"]
    assert chart.n == "100 students · Spring 2025-26"
    assert set(chart.table["Period"]) == {"Spring 2025-26"}


def test_nothing_says_how_many_students_a_teacher_has(release: Release) -> None:
    for name, chart in charts_of(release).items():
        if "teacher" in name or name == "days_to_grade":
            assert len(chart.table) == 8, name
            assert "Students" not in chart.table.columns, name


def test_a_share_says_what_it_has_room_for() -> None:
    said = [("other letters 20.0 %", "other letters"), ("A 12.0 %", "A"), ("A 12.0 %", "B")]
    rows = [(name, text, share) for (text, name), share in zip(said, (0.2, 0.13, 0.1), strict=True)]
    points = pd.DataFrame(rows, columns=["series", "text", "position"]).assign(label="x")
    assert [trace["text"] for trace in figures.shares(points)["data"]] == [
        ["20.0 %"], ["A 12.0 %"], [""],
    ]  # fmt: skip


def test_many_types_of_contents_are_five(release: Release) -> None:
    kinds = {f"type {n}": float(n) for n in range(1, 9)}
    many = pd.DataFrame(
        [(subject, 2026, YEAR, kind, count) for subject in SUBJECTS
         for kind, count in kinds.items()],
        columns=release.contents.columns,
    )  # fmt: skip
    chart = charts_of(small_release(contents=many))["content_analysis"]
    (_, figure), *_ = chart.panels
    names = [trace["name"] for trace in figure["data"]]
    assert names == ["type 8", "type 7", "type 6", "type 5", "other types"]
    assert [sum(trace["x"]) for trace in figure["data"]] == pytest.approx(
        [4 * n / 36 for n in (8, 7, 6, 5, 10)], abs=1e-4
    )
    assert chart.n.startswith(f"{36 * len(SUBJECTS)} ")


def test_names_reach_figures_as_texts(release: Release) -> None:
    for chart in charts(View(release, Texts())):
        text = json.dumps([figure for _, figure in chart.panels], ensure_ascii=False)
        assert "<script" not in text and "<img" not in text, chart.name
    assert figures.label("<b>x</b> & y") == "&lt;b&gt;x&lt;/b&gt; &amp; y"
    assert figures.label(RIGHT_TO_LEFT) == f"\u2068{RIGHT_TO_LEFT}\u2069"
    assert len(figures.label(LONG)) <= figures.LABEL_LENGTH + 2
    assert len(set(figures.labels(["Twin", "Twin", LONG, LONG]))) == 4


def test_hidden_and_bounded_cells_say_so(release: Release) -> None:
    view = View(release, Texts())
    hidden = view.latest("attendance_rate", "school").set_index("entity_id").loc["s3"]
    assert hidden["text"] == "fewer than 10"
    assert pd.isna(hidden["position"])
    bounded = view.latest("guardian_linked_rate", "school").set_index("entity_id").loc["s2"]
    assert (bounded["text"], bounded["position"], bounded["bound"]) == (
        "> 95\u00a0%",
        0.95,
        "high",
    )


def test_a_title_says_who_stands_highest_and_lowest() -> None:
    release = small_release()
    cells = release.values
    now = (cells["kpi"] == "chronic_absence_rate") & (cells["school_year"] == 2026)
    for school, value in {"s1": 0.3, "s2": 0.1, "s3": 0.2, "d1": 0.9}.items():
        cells.loc[now & (cells["entity_id"] == school), "value"] = value
    titles = {chart.name: chart.title for chart in charts(View(release, Texts()))}
    assert titles["chronic_absence"].startswith("Chronic absence: highest in <script>")
    assert "(30.0\u00a0%), lowest in A School of a Very Long" in titles["chronic_absence"]
    hide(cells, now & (cells["entity_id"] != "s1"))
    titles = {chart.name: chart.title for chart in charts(View(release, Texts()))}
    assert titles["chronic_absence"].endswith("?")


def test_a_title_says_what_a_year_has_changed() -> None:
    release = small_release()
    now = release.comparisons.query("kpi == 'avg_grade_percent' and term_id == '2026-Spring'")
    release.comparisons.loc[now.index, "value_change"] = [-1.0, 1.0, 1.0, *[1.0] * (len(now) - 3)]
    release.comparisons.loc[now.index, "earlier_value"] = 70.0
    whole = {chart.name: chart.title for chart in charts(View(release, Texts()))}
    assert whole["term_comparison"] == "Mean grade: 2 of 3 schools stand better than a year ago"
    own = {chart.name: chart.title for chart in charts(View(release, Texts(), "s2"))}
    assert "70.0\u00a0% a year ago, now " in own["term_comparison"]


def test_interval_of_a_share() -> None:
    """Wilson's interval of 10 of 20, as in Newcombe (1998), Statistics in Medicine 17, 857-872."""
    assert wilson(10, 20) == pytest.approx((0.2993, 0.7007), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=1e-4)


@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.floats(0, 100), st.text(max_size=30)),
        min_size=1, max_size=30,
    )
)  # fmt: skip
def test_names_of_dots_never_touch(dots: list[tuple[float, float, str]]) -> None:
    frame = pd.DataFrame(dots, columns=["x", "y", "label"])
    chosen = figures.chosen_labels(frame["x"], frame["y"], frame["label"])
    places = np.column_stack(
        [
            (frame[name] - frame[name].min()) / (np.ptp(frame[name]) or 1) * size
            for name, size in (("x", figures.WIDTH), ("y", 340))
        ]
    )
    width = [min(len(name), 20) * figures.LETTER_WIDTH for name in frame["label"]]
    for one, other in combinations(chosen, 2):
        apart = np.abs(places[one] - places[other])
        assert apart[0] >= (width[one] + width[other]) / 2 or apart[1] >= figures.LINE_HEIGHT


def test_a_ring_has_at_most_six_parts() -> None:
    parts = pd.DataFrame({"label": list("ABCDEFG"), "position": 0.1, "text": ""})
    assert len(figures.donut(parts.head(6))["data"][0]["values"]) == 6
    with pytest.raises(ValueError, match="7 parts"):
        figures.donut(parts)


def test_hidden_letters_are_a_part_of_their_own(release: Release) -> None:
    cells = release.values.copy()
    hide(cells, (cells["kpi"] == "letter_rate_F") & (cells["entity_id"] == "s1"))
    view = View(small_release(values=cells), Texts())
    chart = next(one for one in charts(view) if one.name == "grade_distribution")
    own = chart.table[chart.table[""] == HOSTILE].set_index("KPI")["Value"]
    assert own["F"] == "F fewer than 10"
    assert own["hidden"].startswith("hidden ")


def test_other_letters_are_not_hidden_ones() -> None:
    cells = small_release().values
    given = cells["kpi"].str.startswith("letter_rate_")
    cells.loc[given, "value"] = 0.16
    cells.loc[cells["kpi"] == "letter_rate_P", "value"] = 0.2
    release = small_release(values=cells)
    for name in ("grade_distribution", "grade_distribution_whole"):
        table = charts_of(release)[name].table
        assert set(table.loc[table["KPI"] == "other letters", "Value"]) == {
            "other letters 20.0\u00a0%"
        }
        assert "hidden" not in set(table["KPI"]), name
    hide(cells, (cells["kpi"] == "letter_rate_P") & (cells["entity_id"] == "d1"))
    chart = charts_of(release)["grade_distribution_whole"]
    own = chart.table.set_index("KPI")["Value"]
    assert own["other letters"] == "other letters fewer than 10"
    assert own["hidden"] == "hidden 20.0\u00a0%"


def test_a_bound_is_not_subtracted_as_if_it_were_exact() -> None:
    release = small_release()
    cells = release.values
    shares = {"at_risk": 0.02, "warning": 0.2, "on_track": 0.78}
    for level, share in shares.items():
        cells.loc[cells["kpi"] == f"early_warning_rate_{level}", "value"] = share
    hide(cells, cells["kpi"] == "early_warning_rate_at_risk", "at risk: less than 5 %")
    on_track = cells["kpi"] == "early_warning_rate_on_track"
    hide(cells, on_track & (cells["entity_id"] == "s1"))
    table = charts_of(release)["student_early_warning"].table
    assert "hidden" not in set(table["KPI"])
    at_risk = cells["kpi"] == "early_warning_rate_at_risk"
    hide(cells, at_risk & (cells["entity_id"] == "s1"))
    table = charts_of(release)["student_early_warning"].table
    assert table.loc[table["KPI"] == "hidden", ["", "Value"]].to_numpy().tolist() == [
        [HOSTILE, "hidden 80.0\u00a0%"]
    ]


@pytest.mark.parametrize("make", [all_hidden, no_data])
def test_without_numbers_pages_say_so(make: object, tmp_path: Path) -> None:
    assert callable(make)
    written = write_site(make(), tmp_path)
    for page in written:
        for block in page.blocks:
            if block["kind"] == "chart":
                assert not block["chart"].panels, block["chart"].name
                assert block["chart"].empty
    text = (tmp_path / "site" / "charts.html").read_text()
    assert "Every number here is hidden" in text or "No data has landed" in text


def test_one_school_has_its_charts(release: Release) -> None:
    schools = release.schools[release.schools["entity_id"].isin(["s1", "d1"])]
    for chart in charts(View(small_release(schools=schools), Texts())):
        assert chart.panels or chart.empty


def test_data_cannot_leave_their_script_element() -> None:
    value = {"name": "</script><!--<script>\u2028&"}
    text = data_block(value)
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text) == value


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_spreadsheet_computes_nothing(text: str) -> None:
    assert csv_cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["-2.5", "+3\u00a0%", "1,234", "Fall 2025", "", "93.1\u00a0%", "+4.0\u00a0pp"]
)
def test_numbers_and_words_stay_as_they_are(text: str) -> None:
    assert csv_cell(text) == text


def test_files_hold_names_as_texts(release: Release, tmp_path: Path) -> None:
    named = small_release(
        schools=release.schools.assign(name=["=1+1", *release.schools["name"][1:]])
    )
    write_site(named, tmp_path)
    with (tmp_path / "site" / "data" / "school_performance.csv").open(
        encoding="utf-8-sig"
    ) as lines:
        assert "'=1+1" in {row[0] for row in csv.reader(lines)}
    write_readme(tmp_path / "README.md", "Charts", charts(View(release, Texts())), release)
    readme = (tmp_path / "README.md").read_text()
    assert r"\<script" in readme and not re.search(r"(?<!\\)<script", readme)
    assert (
        readme.count("- Definition: ") == readme.count("- It helps to decide: ") == len(CATALOGUE)
    )
    for page in (tmp_path / "site").glob("*.html"):
        assert "onerror=alert(2)>" not in page.read_text(), page.name


def test_cells_with_semicolons_are_quoted(tmp_path: Path) -> None:
    write_csv(pd.DataFrame({"a;b": ["c; d", "+4.0\u00a0pp"]}), tmp_path / "one.csv")
    text = (tmp_path / "one.csv").read_text(encoding="utf-8-sig")
    assert text.splitlines() == ['"a;b"', '"c; d"', '"+4.0\u00a0pp"']


def test_nothing_of_an_earlier_district_stays(release: Release, tmp_path: Path) -> None:
    write_site(release, tmp_path)
    old = {"chronic_absence.png", "chronic_absence.pdf", "booklet.pdf", "booklet-school-s1.pdf"}
    for name in (*old, "our_logo.png"):
        (tmp_path / name).touch()
    assert (tmp_path / "site" / school_page("s1")).is_file()
    write_site(no_data(), tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"site", "README.md", "our_logo.png"}
    assert not [path for path in (tmp_path / "site").rglob("*") if "s1" in path.name]
    assert "Union District" not in html.unescape((tmp_path / "site" / "charts.html").read_text())


def test_a_folder_that_is_no_site_is_left_alone(release: Release, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "thesis.txt").touch()
    with pytest.raises(DistrictError, match="no site of ours"):
        write_site(release, tmp_path)
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("options", [{"school": "s1"}, {"reason": "calls"}])
def test_what_is_of_the_call_list_draws_no_site(options: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(DistrictError, match="are of the call list"):
        command(output=tmp_path, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["site", "site/lists", "elsewhere/../site"])
def test_no_call_list_stands_in_the_site(place: str, tmp_path: Path) -> None:
    with pytest.raises(DistrictError, match="cannot stand in the site"):
        command(output=tmp_path, restricted=tmp_path / place, school="s1", reason="calls")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "site.css").touch()
    with pytest.raises(DistrictError, match="cannot stand in the site"):
        command(output=tmp_path, restricted=tmp_path / "other" / "data", school="s1", reason="a")


def test_who_asks_for_names_is_the_user_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert user() == pwd.getpwuid(os.getuid()).pw_name


def test_a_call_list_that_all_could_read_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "list.html"
    path.write_text("older and longer than the new one")
    path.chmod(0o644)
    write_private(path, "ñames")
    assert path.read_text() == "ñames"
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "link.html").symlink_to(path)
    with pytest.raises(OSError):
        write_private(tmp_path / "link.html", "elsewhere")


def test_every_page_lets_no_other_script_run(release: Release, tmp_path: Path) -> None:
    write_site(release, tmp_path, [])
    found = [one for one in (tmp_path / "site").glob("*.html") if one.name != LINEAGE]
    assert len(found) > 50
    for path in found:
        head = path.read_text().split("<title>")[0]
        policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', head)
        assert len(policy) == 1, path.name
        rules = dict(rule.strip().split(" ", 1) for rule in policy[0].split(";"))
        assert rules["default-src"] == "'none'", path.name
        assert rules["script-src"] == "'self' file:", path.name


@pytest.mark.parametrize("text", ["", "#!/bin/sh\nexit 1\n", None])
def test_a_browser_that_does_not_start_is_one_line(
    release: Release,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    text: str | None,
) -> None:
    chosen = tmp_path / "browser"
    if text is not None:
        chosen.write_text(text)
        chosen.chmod(0o755)
    monkeypatch.setenv("BROWSER_PATH", str(chosen))
    assert print_site(release, tmp_path, [Page(ALL_CHARTS, "Charts")]) == []
    said = " ".join(capsys.readouterr().err.split())
    assert "The site is made" in said and "install Chromium" in said


def test_pages_of_two_ids_have_two_names() -> None:
    ids = ["a b", "a-b", "A b", "../../etc", "", "é", "è"]
    assert len({slug(one) for one in ids}) == len(ids)
    assert all(re.fullmatch("[a-z0-9-]*", slug(one)) for one in ids)


def test_start_page_is_small(release: Release, tmp_path: Path) -> None:
    write_site(release, tmp_path)
    assert (tmp_path / "site" / "index.html").stat().st_size < 1_500_000


def test_changes_since_the_last_release_are_counted(release: Release) -> None:
    view = View(release, Texts())
    sentence, moved = changes(view)
    whole = view.values["subgroup_type"].eq("all") & view.values["grain"].isin(
        ["school", "district"]
    )
    count = int((whole & view.values["kpi"].eq("avg_grade_percent")).sum())
    assert sentence.startswith(f"{count} published numbers")
    assert set(moved["KPI"]) == {"Mean grade"}
    same, nothing = changes(View(small_release(before=release.values), Texts()))
    assert same.startswith("No published number") and nothing.empty
    assert changes(View(small_release(previous_id=None), Texts()))[0].startswith(
        "This is the first"
    )


def test_numbers_that_appear_and_vanish_are_changes(release: Release) -> None:
    before = release.values.copy()
    one = (
        before["kpi"].eq("avg_grade_percent") & before["term_id"].eq("2026-Spring")
        & before["subgroup_type"].eq("all")
    )  # fmt: skip
    hide(before, one & before["entity_id"].eq("s1"))
    gone = one & before["entity_id"].eq("s2")
    now = release.values.copy()
    hide(now, gone)
    view = View(small_release(values=now, before=before), Texts())
    sentence, moved = changes(view)
    assert sentence.startswith("0 published numbers")
    assert sentence.endswith("1 are shown that were not, 1 are no longer shown.")
    assert moved.empty
    fewer = before[~gone & ~one]
    sentence, _ = changes(View(small_release(before=fewer), Texts()))
    assert "; 4 are shown that were not, 0 are" in sentence
    hide(before, gone, "share: more than 95 %")
    sentence, _ = changes(View(small_release(values=release.values, before=before), Texts()))
    assert sentence.startswith("1 published numbers")


def test_a_kpi_of_no_school_has_nothing_to_choose(release: Release) -> None:
    cells = release.values
    few = cells[cells["kpi"].ne("section_count") | cells["grain"].eq("teacher")]
    found = {page.path: page for page in pages(small_release(values=few))}
    kinds = {
        kpi: [block["kind"] for block in found[f"kpi-{kpi}.html"].blocks]
        for kpi in ("section_count", "content_count")
    }
    assert "filtered" not in kinds["section_count"]
    assert "filtered" in kinds["content_count"]


def test_groups_say_that_a_year_ago_is_not_theirs(release: Release) -> None:
    card = scorecard(View(release, Texts()), "school", ["s1"])
    texts_of = {row[2]: {one[7] for one in card.rows if one[2] == row[2]} for row in card.rows}
    assert texts_of[1] == {"for all students only"}
    assert "for all students only" not in texts_of[0]


def test_intervals_are_seen_on_grey_bars(release: Release) -> None:
    (_, figure), *_ = charts_of(release)["chronic_absence"].panels
    *bars, whiskers, names = figure["data"]
    assert {bar["error_x"]["color"] for bar in bars} == {"white"}
    assert contrast(whiskers["error_x"]["color"], "#ffffff") > 3
    assert len(whiskers["error_x"]["array"]) == len(names["text"]) == 4


def test_the_scorecard_says_what_is_better(release: Release) -> None:
    card = scorecard(View(release, Texts()), "school", ["d1"])
    rows = {row[0][0]: row for row in card.chosen_rows()}
    assert rows["Mean grade"][3] == "▲ +1.0\u00a0pp (better)"
    assert rows["Attendance rate"][3] == "no change"
    assert rows["Chronic absence"][4] == "▲ +2.0\u00a0pp (worse)"


def test_numbers_and_changes_are_written_alike() -> None:
    assert number(0.9312, "rate") == "93.1\u00a0%"
    assert number(84.25, "percent") == "84.2\u00a0%"
    assert number(1234, "count") == "1,234"
    assert change(-0.021, "rate") == "−2.1\u00a0pp"
    assert change(0.5, "percent") == "+0.5\u00a0pp"


def test_spanish_has_every_text_of_the_start_page(
    release: Release, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = set()
    catalogue = texts.catalogue()

    class Noted(dict[str, dict[str, str]]):
        def __getitem__(self, key: str) -> dict[str, str]:
            asked.add(key)
            return super().__getitem__(key)

    monkeypatch.setattr(texts, "catalogue", lambda: Noted(catalogue))
    page = next(page for page in pages(release) if page.path == "index.es.html")
    assert page.language == "es"
    asked.clear()
    spanish = View(release, Texts("es"))
    scorecard(spanish, "school", ["s1", "d1"])
    changes(spanish)
    assert len(asked) > 15
    assert not {key for key in asked if "es" not in catalogue[key]}
    assert all("es" in catalogue[f"kpi_{row['kpi']}"] for row in read_seed("kpi_definitions"))


def test_every_text_has_its_language_and_its_places() -> None:
    for key, found in texts.catalogue().items():
        assert set(found) <= {"en", "es"} and found, key
        if len(found) == 2:
            assert set(re.findall(r"{\w+}", found["en"])) == set(
                re.findall(r"{\w+}", found["es"])
            ), key
