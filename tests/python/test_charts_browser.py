"""The site in a real Chromium, opened from disk: what it shows, asks for, filters and prints."""

import html
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest
from axe_playwright_python.sync_playwright import Axe
from chart_releases import HOSTILE, SCHOOLS, all_hidden, small_release
from playwright.sync_api import Browser, Page, sync_playwright
from pypdf import PdfReader

from python_jobs import charts
from python_jobs.early_warning.figures import styled
from python_jobs.early_warning.reports import write_pictures
from python_jobs.reports import prints, restricted
from python_jobs.reports.catalogue import CATALOGUE
from python_jobs.reports.data import YEAR, Release
from python_jobs.reports.prints import find_chromium
from python_jobs.reports.site import LINEAGE, school_page

SIZES = {1280: 1000, 390: 844}
NUMBER = re.compile(r"[<>] \d+|[-+−]?\d[\d,]*\.?\d*")
QUALITY = [{"kind": "table", "header": ["File", "Rule"], "rows": [["users.csv", "missing_id"]]}]
KINDS = ("index.html", "index.es.html", "charts.html", "kpi-attendance_rate.html", "quality.html",
         "schools.html", school_page("s1"), "subject-math.html")  # fmt: skip
# Each text of a figure that a reader cannot see whole: beyond its figure's box.
CUT_TEXTS = """() => [...document.querySelectorAll(".plot")].flatMap((plot) => {
    const box = plot.getBoundingClientRect();
    return [...plot.querySelectorAll("svg text")].filter((text) => {
        const own = text.getBoundingClientRect();
        return own.width && (own.left < box.left - 2 || own.right > box.right + 2
            || own.top < box.top - 2 || own.bottom > box.bottom + 2);
    }).map((text) => `${plot.closest("section").id}: ${text.textContent}`);
})"""


@pytest.fixture(scope="module")
def release() -> Release:
    return small_release()


@pytest.fixture(scope="module")
def site(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("re ports")
    written = charts.write_site(release, folder, QUALITY)
    charts.print_site(release, folder, written)
    return folder / "site"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=find_chromium(), args=["--no-sandbox"]
        )
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """Give a page that fails the test for an error in the console or a request to elsewhere."""
    opened = browser.new_page(viewport={"width": 1280, "height": SIZES[1280]})
    troubles: list[str] = []
    asked: list[str] = []
    opened.on("console", lambda message: troubles.append(message.text))
    opened.on("pageerror", lambda error: troubles.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("dialog", lambda dialog: troubles.append(dialog.message))
    yield opened
    opened.close()
    assert not troubles
    assert not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]


def draw_all(page: Page) -> None:
    """Scroll as a reader does, to each figure in turn and on when it is drawn."""
    page.wait_for_function(
        """() => {
            const next = [...document.querySelectorAll(".plot")]
                .find((plot) => !plot.querySelector("svg"));
            next?.scrollIntoView();
            return !next;
        }""",
        timeout=120_000,
    )


@pytest.mark.parametrize("width", SIZES)
def test_every_page_opens_from_disk_whole_and_silent(site: Path, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": SIZES[width]})
    for path in sorted(set(site.glob("*.html")) - {site / LINEAGE}):
        page.goto(path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path.name
        assert page.locator("h1").inner_text()
        if path.name in KINDS:
            draw_all(page)
            assert page.screenshot(full_page=True)
            if width > 390:
                assert not page.evaluate(CUT_TEXTS), path.name
                assert not page.evaluate(OVERLAPS), path.name


def serious(page: Page) -> list[tuple[str, str]]:
    """Return what axe calls serious on a page: the rule, and the element."""
    found = Axe().run(page, options={"resultTypes": ["violations"], "preload": False})
    return [
        (one["id"], one["nodes"][0]["html"][:200])
        for one in found.response["violations"]
        if one["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize("name", KINDS)
def test_axe_finds_nothing_serious(site: Path, page: Page, name: str) -> None:
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.goto((site / name).as_uri())
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        assert not serious(page), theme


def shown_rows(page: Page, name: str) -> list[list[str]]:
    rows: list[list[str]] = page.evaluate(
        "(id) => [...document.querySelectorAll(`#${id} tbody tr`)]"
        ".map((row) => [...row.cells].map((cell) => cell.textContent))",
        name,
    )
    return rows


def test_filters_of_a_kpi_show_what_the_release_says(
    site: Path, page: Page, release: Release
) -> None:
    page.goto((site / "kpi-attendance_rate.html").as_uri())
    choices = product((2025, 2026), ("whole year", "Fall"), (None, "s1", "s3"), ("all", "sex"))
    for year, term, school, group in choices:
        page.select_option("#explorer [name=year]", label=f"{year - 1}-{year % 100}")
        page.select_option("#explorer [name=term]", label=term)
        place = 1 + list(SCHOOLS).index(school) if school else 0
        page.select_option("#explorer [name=school]", index=place)
        page.select_option("#explorer [name=group]", index=0 if group == "all" else 2)
        cells = release.values.query(
            "kpi == 'attendance_rate' and grain in ('school', 'district') "
            "and school_year == @year and subgroup_type == @group"
        )
        cells = cells[cells["term_id"] == (YEAR if term == "whole year" else f"{year}-{term}")]
        cells = cells[cells["entity_id"] == school] if school else cells
        expected = sorted(
            f"{100 * value:.1f}\u00a0%" if pd.notna(value) else "fewer than 10"
            for value in cells["value"]
        )
        rows = shown_rows(page, "explorer")
        assert sorted(row[1] for row in rows) == expected, (year, term, school, group)
        bars = page.evaluate(
            "() => { const one = document.querySelector('#explorer .plot').data[0];"
            " return one.text.map((text, place) => [text, one.x[place]]) }"
        )
        assert [text for text, _ in bars] == [row[1] for row in rows]
        for text, length in bars:
            assert text == ("fewer than 10" if length == 0 else f"{100 * length:.1f}\u00a0%")


def test_filters_of_the_scorecard_show_what_the_release_says(
    site: Path, page: Page, release: Release
) -> None:
    page.goto((site / "index.html").as_uri())
    page.select_option("#scorecard [name=year]", index=1)
    page.select_option("#scorecard [name=term]", index=1)
    page.select_option("#scorecard [name=school]", index=2)
    cell = release.values.query(
        "kpi == 'avg_grade_percent' and entity_id == 's2' and term_id == '2025-Fall' "
        "and subgroup_type == 'all'"
    )
    rows = {row[0]: row for row in shown_rows(page, "scorecard")}
    assert rows["Mean grade"][1] == f"{cell['value'].item():.1f}\u00a0%"
    assert rows["Mean grade"][5] == "Fall 2024-25"
    page.emulate_media(media="print")
    assert page.locator("#scorecard .filters select").first.is_visible()
    assert not page.locator("nav").is_visible()
    page.emulate_media(media="screen")
    page.goto((site / school_page("s1")).as_uri())
    page.select_option("#scorecard [name=group]", label="Sex: female")
    cell = release.values.query(
        "kpi == 'avg_grade_percent' and entity_id == 's1' and term_id == '2026-Spring' "
        "and subgroup == 'female'"
    )
    rows = {row[0]: row for row in shown_rows(page, "scorecard")}
    assert rows["Mean grade"][1] == f"{cell['value'].item():.1f}\u00a0%"


# Each number that the figures of a chart carry, on the page or under the pointer.
DRAWN = """(id) => [...document.querySelectorAll(`#${id} .plot`)].flatMap((plot) =>
    plot.data.flatMap((trace) => [trace.text, trace.customdata,
        ...(trace.link ? trace.link.value.map((one) => Math.round(one).toLocaleString("en")) : [])])
        .concat((plot.layout.annotations || []).map((one) => one.text))
).flat(3).filter((one) => one !== null && one !== undefined && one !== "").map(String)"""


def test_chart_and_table_agree(site: Path, page: Page) -> None:
    page.goto((site / "charts.html").as_uri())
    draw_all(page)
    for name in ("school_performance", "chronic_absence", "content_usage"):
        table = [row[-2] for row in shown_rows(page, name)]
        drawn = page.evaluate(
            "(id) => document.querySelector(`#${id} .plot`).data.at(-1).text", name
        )
        assert [text.split(" · ")[0] for text in drawn] == table, name
    for spec in CATALOGUE:
        found = set(NUMBER.findall(html.unescape(" ".join(page.evaluate(DRAWN, spec.name)))))
        written = " ".join(cell for row in shown_rows(page, spec.name) for cell in row)
        assert found and found <= set(NUMBER.findall(written)), spec.name


# Texts of one figure that lie on each other; those of axes are plotly's own to place.
OVERLAPS = """() => [...document.querySelectorAll(".plot")].flatMap((plot) => {
    const boxes = [...plot.querySelectorAll(".textpoint text, .bartext, .ytick text")]
        .map((text) => [text.textContent, text.getBoundingClientRect()])
        .filter(([words, box]) => words && box.width);
    const touch = (a, b) => a.left < b.right - 3 && b.left < a.right - 3
        && a.top < b.bottom - 4 && b.top < a.bottom - 4;
    return boxes.flatMap(([words, box], place) => boxes.slice(place + 1)
        .filter(([, other]) => touch(box, other))
        .map(([others]) => `${plot.closest("section").id}: ${words} | ${others}`));
})"""


def test_the_page_is_reached_by_keyboard_and_turns_dark(site: Path, page: Page) -> None:
    page.emulate_media(color_scheme="light")
    page.goto((site / "kpi-attendance_rate.html").as_uri())
    reached = []
    for _ in range(16):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.tagName + document.activeElement.id"))
    assert reached[0] == "A"
    assert "BUTTONtheme" in reached
    assert reached.count("SELECT") == 4
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.focus("#theme")
    page.keyboard.press("Enter")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    drawn = page.evaluate("document.querySelector('.plot').layout.paper_bgcolor")
    assert drawn == "#101418"


def test_without_scripts_the_numbers_are_there(site: Path, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto((site / "index.html").as_uri())
    assert plain.locator("#scorecard tbody tr").count() > 10
    context.close()


def test_pages_without_numbers_open(browser: Browser, tmp_path: Path) -> None:
    charts.write_site(all_hidden(), tmp_path)
    plain = browser.new_page()
    errors: list[str] = []
    plain.on("pageerror", lambda error: errors.append(str(error)))
    for name in ("index.html", "charts.html", "kpi-attendance_rate.html"):
        plain.goto((tmp_path / "site" / name).as_uri())
    assert "fewer than 10" in plain.locator("#explorer tbody").inner_text()
    plain.close()
    assert not errors


def words(path: Path) -> str:
    text = " ".join(page.extract_text() for page in PdfReader(path).pages)
    return re.sub(r"\s+", " ", text)


def test_a_pdf_holds_the_numbers_of_its_chart(site: Path, release: Release) -> None:
    values = release.values.query(
        "kpi == 'chronic_absence_rate' and grain in ('school', 'district') "
        "and subgroup_type == 'all' and term_id == '2026-Spring'"
    )
    path = site.parent / "chronic_absence.pdf"
    text = words(path)
    assert len(PdfReader(path).pages) == 1
    for value in values["value"]:
        assert f"{100 * value:.1f} % · n = 100" in text
    assert "release 2" in text and "pub.chronic_absence" in text and "fewer than 10" in text


WRITTEN = """(id) => [...document.querySelectorAll(`#${id} .plot svg text`)]
    .map((text) => text.textContent)"""


def test_each_pdf_holds_what_its_figure_says(site: Path, page: Page) -> None:
    page.goto((site / "charts.html").as_uri())
    draw_all(page)
    for spec in CATALOGUE:
        path = site.parent / f"{spec.name}.pdf"
        written = set(re.findall(r"\d+\.\d", " ".join(page.evaluate(WRITTEN, spec.name))))
        assert written <= set(re.findall(r"\d+\.\d", words(path))), spec.name
        assert len(PdfReader(path).pages) == 1, spec.name


def test_every_chart_has_a_png_and_a_pdf_and_every_school_a_booklet(
    site: Path, browser: Browser
) -> None:
    names = re.findall(r'<section class="chart" id="(\w+)"', (site / "charts.html").read_text())
    assert len(names) == len(CATALOGUE)
    blank = browser.new_page()
    for name in names:
        assert words(site.parent / f"{name}.pdf")
        # A picture has the title, the figure and the caption in it: many colours, twice as sharp.
        shades, width = blank.evaluate(
            """async (path) => {
                const picture = new Image();
                picture.src = path;
                await picture.decode();
                const canvas = new OffscreenCanvas(picture.width, picture.height);
                const context = canvas.getContext("2d");
                context.drawImage(picture, 0, 0);
                const { data } = context.getImageData(0, 0, picture.width, picture.height);
                const dark = data.filter((one, place) => place % 4 === 0 && one < 128).length;
                return [dark / (data.length / 4), picture.width];
            }""",
            data_url(site.parent / f"{name}.png"),
        )
        assert width == 2 * prints.PAPER_WIDTH, name
        assert 0.005 < shades < 0.9, name
    blank.close()
    for school in SCHOOLS:
        booklet = site.parent / f"booklet-{Path(school_page(school)).stem}.pdf"
        assert "Scorecard" in words(booklet)
    assert "Mean grade" in words(site.parent / "booklet.pdf")


def data_url(path: Path) -> str:
    from base64 import b64encode

    return f"data:image/png;base64,{b64encode(path.read_bytes()).decode()}"


def call_list() -> str:
    """Return a call list of sixty students, of whom one has a name that is markup."""
    one = {
        "full_name": HOSTILE, "student_id": "u1", "grade_level": "09", "overall_level": "at_risk",
        "attendance_level": "at_risk", "behaviour_level": "on_track", "course_level": "not_known",
        "got_worse": True, "attendance_rate": 0.8, "incident_count": 1, "severe_incident_count": 0,
        "math_mean_percent": None, "english_mean_percent": 61.0, "unweighted_gpa": 1.5,
        "failure_count": 2,
    }  # fmt: skip
    others = [one | {"full_name": None, "student_id": f"u{n}"} for n in range(2, 61)]
    return restricted.page(
        school=HOSTILE, students=[one, *others], reason=HOSTILE, who="clerk", when="today",
        release_id=2,
    )  # fmt: skip


def test_each_page_of_a_call_list_is_marked_and_names_are_texts(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "list.html"
    restricted.write_private(path, call_list())
    page.goto(path.as_uri())
    assert page.locator("h2").first.inner_text() == HOSTILE
    assert page.locator("tbody td").first.inner_text() == HOSTILE
    assert page.locator("script, img").count() == 0
    assert "1.50" in page.locator("article").first.inner_text()
    page.pdf(path=tmp_path / "list.pdf", format="Letter")
    sheets = [sheet.extract_text() for sheet in PdfReader(tmp_path / "list.pdf").pages]
    assert len(sheets) > 60
    assert all("RESTRICTED" in sheet and "clerk" in sheet for sheet in sheets)


def ml_figures() -> dict[str, go.Figure]:
    """Return a picture of each kind that has its own table: bars, fields, boxes, a long line."""
    bars = go.Figure(go.Bar(x=["precision", HOSTILE], y=[0.5, 0.25], name="<b>Tree</b>"))
    fields = go.Figure(go.Heatmap(x=["a", "b"], y=["c"], z=[[0.1, 0.2]], text=[["1<br>x", "2"]]))
    line = go.Figure(go.Scatter(x=np.arange(500), y=np.arange(500), mode="lines", name="AUC 0.9"))
    boxes = go.Figure().add_annotation(
        x=0, y=0, text="<b>GPA<br>≤ 2?</b>", bgcolor="white", bordercolor="#0072B2"
    )
    named = {"bars": bars, "fields": fields, "line": line, "boxes": boxes}
    return {name: styled(figure, f"Title of {name}", "A note.") for name, figure in named.items()}


def test_the_page_of_the_models_is_one_of_ours(
    page: Page, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    write_pictures(tmp_path, ml_figures())
    assert "install Chromium" in " ".join(capsys.readouterr().err.split())
    assert not list(tmp_path.glob("*.png"))
    assert "script-src 'self' file:;" in (tmp_path / "index.html").read_text()
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        page.goto((tmp_path / "index.html").as_uri())
        draw_all(page)
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true })")
        assert not serious(page), theme
    assert page.locator("h2").all_inner_texts() == [f"Title of {name}" for name in ml_figures()]
    assert shown_rows(page, "bars")[0] == ["Tree", "precision", "0.500"]
    assert shown_rows(page, "fields") == [["", "c", "a", "1 x"], ["", "c", "b", "2"]]
    assert shown_rows(page, "line") == [["AUC 0.9"]]
    assert shown_rows(page, "boxes") == [["GPA ≤ 2?"]]
    assert "A note." in str(page.locator("#bars .plot").get_attribute("aria-label"))


def test_without_chromium_one_line_says_how_to_get_pictures(
    release: Release,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("BROWSER_PATH", raising=False)
    written = charts.write_site(release, tmp_path)
    assert charts.print_site(release, tmp_path, written) == []
    assert "install Chromium" in " ".join(capsys.readouterr().err.split())
    assert (tmp_path / "site" / "index.html").is_file()
    assert not list(tmp_path.glob("*.png"))
