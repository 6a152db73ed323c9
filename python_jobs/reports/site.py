"""The site: static pages that open from disk, with no server and no network.

A page is a list of blocks that templates/page.html shows; whatever a script needs stands in it as
JSON that no text can leave. Names are texts: Jinja escapes them in HTML, figures.label in figures.
"""

import csv
import json
import re
import shutil
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jinja2
import pandas as pd
import plotly

from python_jobs.errors import DistrictError
from python_jobs.reports import scorecard
from python_jobs.reports.catalogue import Chart, charts
from python_jobs.reports.data import Release
from python_jobs.reports.scorecard import Filtered, changes, explorer, kpi_page
from python_jobs.reports.texts import LANGUAGES, Texts
from python_jobs.reports.view import WHOLE, View

HERE = Path(__file__).parent
PLOTLY = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
STYLE = "site.css"
INDEX = "index.html"
ALL_CHARTS = "charts.html"
QUALITY = "quality.html"
LINEAGE = "lineage.html"
MODELS = "ml_reports/index.html"  # of district ml, beside the reports

Block = dict[str, Any]


@dataclass(frozen=True)
class Page:
    """One page: where it stands, its title, and its blocks from the top."""

    path: str
    title: str
    blocks: list[Block] = field(default_factory=list)
    language: str = "en"


def slug(text: str) -> str:
    """Return a name for a file: readable, and another one for each text."""
    plain = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:40]
    return plain if plain == text else f"{plain}-{zlib.crc32(text.encode()):08x}"


def school_page(school_id: str) -> str:
    return f"school-{slug(school_id)}.html"


def subject_page(subject: str) -> str:
    return f"subject-{slug(subject)}.html"


def start_page(language: str) -> str:
    return INDEX if language == "en" else f"index.{language}.html"


def pages(release: Release, quality: list[Block] | None = None) -> Iterator[Page]:
    """Yield every page of the site. quality: blocks of the data clerk's page."""
    view = View(release, Texts())
    whole = charts(view)
    for language in LANGUAGES:
        yield _start(View(release, Texts(language)))
    yield Page(ALL_CHARTS, view.texts("all_charts"), [chart_block(one, view) for one in whole])
    schools = [entity for grain, entity in view.units if grain == "school"]
    subjects = sorted(set(view.values.loc[view.values["grain"] == "subject", "entity_id"]))
    kpis = [kpi for kpi in release.definitions if kpi in set(release.values["kpi"])]
    yield _list("schools.html", "schools", view, [
        (release.name_of("school", one), school_page(one)) for one in schools])  # fmt: skip
    yield _list("subjects.html", "subjects", view, [
        (release.name_of("subject", one), subject_page(one)) for one in subjects])  # fmt: skip
    yield _list("kpis.html", "kpis", view, [(view.name(one), kpi_page(one)) for one in kpis])
    for school in schools:
        yield _school(view.at(school))
    for subject in subjects:
        yield _subject(view, subject)
    for kpi in kpis:
        yield _kpi(view, kpi, [chart for chart in whole if chart.kpi == kpi])
    if quality is not None:
        yield Page(QUALITY, view.texts("quality"), quality)


def _start(view: View) -> Page:
    texts = view.texts
    districts_first = sorted(view.units, key=lambda unit: unit[0] != "district")
    entities = [entity for _, entity in districts_first]
    sentence, moved = changes(view)
    blocks: list[Block] = [
        {"kind": "text", "text": texts("scorecard_help")},
        _filtered(scorecard.scorecard(view, "school", entities), texts("scorecard"), texts),
        {"kind": "heading", "text": texts("changed_title")},
        {"kind": "text", "text": sentence},
        _table(moved),
    ]
    return Page(start_page(texts.language), view.scope_name(), blocks, texts.language)


def _school(view: View) -> Page:
    assert view.school is not None
    name = view.scope_name()
    card = scorecard.scorecard(view, "school", [view.school])
    blocks = [
        _filtered(card, view.texts("scorecard_of", name=name), view.texts),
        *[chart_block(one, view) for one in charts(view)],
    ]
    return Page(school_page(view.school), name, blocks)


def _subject(view: View, subject: str) -> Page:
    name = view.release.name_of("subject", subject)
    card = scorecard.scorecard(view, "subject", [subject])
    return Page(
        subject_page(subject),
        name,
        [_filtered(card, view.texts("scorecard_of", name=name), view.texts)],
    )


def _kpi(view: View, kpi: str, shown: list[Chart]) -> Page:
    texts = view.texts
    words = view.release.definitions[kpi]
    meaning = [
        (texts(name), words[name])
        for name in ("definition", "formula", "how_to_read", "decision", "source")
        if words[name]
    ]
    found = explorer(view, kpi)
    blocks: list[Block] = [
        {"kind": "meaning", "pairs": meaning},
        *([_filtered(found, texts("explore"), texts)] if found.rows else []),
        *[chart_block(one, view) for one in shown],
    ]
    return Page(kpi_page(kpi), view.name(kpi), blocks)


def _list(path: str, title: str, view: View, links: list[tuple[str, str]]) -> Page:
    return Page(path, view.texts(title), [{"kind": "links", "links": links}])


def chart_block(chart: Chart, view: View) -> Block:
    texts, release = view.texts, view.release
    path = f"data/{slug(view.school) + '-' if view.school else ''}{chart.name}.csv"
    return {
        "kind": "chart",
        "chart": chart,
        "words": chart.words or release.definitions[chart.kpi],
        "alt": texts("alt", title=chart.title, form=chart.form),
        "caption": texts(
            "caption", n=chart.n, as_of=release.as_of, release=release.release_id,
            source=chart.source,
        ),
        "note": texts("hidden_note", min_n=release.min_n),
        "csv": path,
    }  # fmt: skip


def _filtered(table: Filtered, title: str, texts: Texts) -> Block:
    return {"kind": "filtered", "table": table, "title": title, "none": texts("no_rows")}


def _table(frame: pd.DataFrame) -> Block:
    return {"kind": "table", "header": list(frame.columns), "rows": frame.to_numpy().tolist()}


def data_block(value: object) -> str:
    """Return JSON that can stand in a script element: no text in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def csv_cell(value: object) -> object:
    """Return a value that a spreadsheet shows and does not compute."""
    text = str(value)
    if re.fullmatch(r"[-+]?[\d.,]+(\s?(%|pp))?", text):
        return text
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8-sig") as lines:
        writer = csv.writer(lines, quoting=csv.QUOTE_ALL)  # some spreadsheets part at semicolons
        writer.writerow([csv_cell(name) for name in frame.columns])
        writer.writerows([[csv_cell(one) for one in row] for row in frame.to_numpy()])


def is_in_site(folder: Path, site: Path) -> bool:
    """Whether a folder is in `site`, there yet or not, or in any other folder of pages of ours."""
    places = [folder.resolve(), *folder.resolve().parents]
    return site.resolve() in places or any((place / STYLE).is_file() for place in places)


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """Give a place for a new site; at the end it takes that of the old one, of which nothing stays.

    Raises DistrictError where `folder` holds something else.
    """
    if folder.exists() and not (folder / STYLE).is_file():
        raise DistrictError(f"{folder} is no site of ours", "choose another folder: --output")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".site-", dir=folder.parent) as temporary:
        new, old = Path(temporary, "new"), Path(temporary, "old")
        yield new
        if folder.exists():
            folder.rename(old)
        new.rename(folder)


def environment() -> jinja2.Environment:
    """Return what fills the templates: it escapes names, and a word that is missing is an error."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    found.filters["data_block"] = data_block
    return found


def write_shared(folder: Path) -> None:
    """Write what the pages of a folder share: plotly, one style sheet, one script."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(PLOTLY, folder / "plotly.min.js")
    for name in (STYLE, "site.js"):
        shutil.copyfile(HERE / "static" / name, folder / name)


class Site:
    """Writes pages with what they share: plotly, one style sheet, one script."""

    def __init__(
        self,
        folder: Path,
        release: Release,
        *,
        has_quality: bool,
        has_models: bool,
        docs: Path | None,
    ) -> None:
        self.folder = folder
        self.release = release
        self.has_quality = has_quality
        self.has_docs = docs is not None
        self.has_models = has_models
        self.environment = environment()
        write_shared(folder)
        if docs is not None:
            shutil.copyfile(docs, folder / LINEAGE)

    def write(self, page: Page) -> None:
        """Write a page, and the CSV files of its charts."""
        texts = Texts(page.language)
        drawn = [block["chart"] for block in page.blocks if block["kind"] == "chart"]
        tables = [block["table"] for block in page.blocks if block["kind"] == "filtered"]
        data = {
            "figures": [figure for chart in drawn for _, figure in chart.panels],
            "tables": [_for_script(table, texts) for table in tables],
            "none": texts("no_rows"),
        }
        text = self.environment.get_template("page.html").render(
            page=page, texts=texts, release=self.release, data=data, links=self._links(texts),
            start=start_page(page.language), whole=WHOLE,
        )  # fmt: skip
        (self.folder / page.path).write_text(text, encoding="utf-8")
        for block in page.blocks:
            if block["kind"] == "chart":
                write_csv(block["chart"].table, self.folder / block["csv"])

    def _links(self, texts: Texts) -> list[tuple[str, str]]:
        links = {
            "start": start_page(texts.language),
            "schools": "schools.html",
            "subjects": "subjects.html",
            "kpis": "kpis.html",
            "all_charts": ALL_CHARTS,
            **({"quality": QUALITY} if self.has_quality else {}),
            **({"models": f"../../{MODELS}"} if self.has_models else {}),
            **({"lineage": LINEAGE} if self.has_docs else {}),
        }
        other = next(language for language in LANGUAGES if language != texts.language)
        return [
            *[(texts(name), path) for name, path in links.items()],
            (texts("other_language"), start_page(other)),
        ]


def _for_script(table: Filtered, texts: Texts) -> dict[str, Any]:
    words = asdict(table)
    return words | {"any": texts("all_schools")}
