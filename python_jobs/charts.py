"""Turn the current release into pictures: a site, PNG and PDF of each chart, booklets, a README."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from pyspark.sql import SparkSession

from python_jobs.build import require_raw
from python_jobs.console import err, progress
from python_jobs.docs import PAGE as DOCS
from python_jobs.errors import DistrictError
from python_jobs.reports.catalogue import CATALOGUE, Chart
from python_jobs.reports.data import Release, read_release
from python_jobs.reports.prints import (
    HOW_TO_GET,
    ChromiumFailed,
    Print,
    find_chromium,
    make_prints,
)
from python_jobs.reports.quality_page import quality_blocks
from python_jobs.reports.restricted import write_call_list
from python_jobs.reports.site import (
    ALL_CHARTS,
    INDEX,
    MODELS,
    Page,
    Site,
    is_in_site,
    pages,
    replaced,
)
from python_jobs.reports.texts import Texts
from python_jobs.spark import PROJECT, get_spark

REPORTS = PROJECT / "reports"
BOOKLET = "booklet.pdf"


def command(
    output: Annotated[Path, typer.Option(help="The folder to write.")] = REPORTS,
    restricted: Annotated[
        Path | None,
        typer.Option(help="Write the call list of --school here instead; it holds names."),
    ] = None,
    school: Annotated[str, typer.Option(help="Id of the school of the call list.")] = "",
    reason: Annotated[str, typer.Option(help="Why the names are needed; it is logged.")] = "",
) -> None:
    """Write the site, the charts as PNG and PDF, booklets and their explanation."""
    if restricted is None and (school or reason):
        raise DistrictError(
            "--school and --reason are of the call list", "say where to write it: --restricted OUT"
        )
    if restricted is not None and is_in_site(restricted, output / "site"):
        raise DistrictError(
            "the call list holds names; it cannot stand in the site", "choose another folder"
        )
    require_raw()
    spark = get_spark()
    if restricted is not None:
        release_id = read_release(spark).release_id
        path = write_call_list(spark, school, reason, restricted, release_id)
        err.print(f"Wrote {path}; the disclosure stands in quality.disclosures")
        return
    draw(spark, output)


def draw(spark: SparkSession, output: Path = REPORTS) -> None:
    """Draw the current release into output. Raises DistrictError before the first release."""
    release = read_release(spark)
    with progress("Drawing the site"):
        quality = quality_blocks(spark, release.as_of, Texts())
        written = write_site(release, output, quality)
    print_site(release, output, written)
    err.print(f"Open {output / 'site' / INDEX} in a browser", soft_wrap=True)


def write_site(
    release: Release, output: Path, quality: Sequence[dict[str, Any]] | None = None
) -> list[Page]:
    """Write output/site and output/README.md in place of the old ones; return the pages.

    Pictures and booklets of before are removed: they are of another release or district.
    """
    docs = DOCS if DOCS.is_file() else None
    with replaced(output / "site") as folder:
        site = Site(
            folder,
            release,
            has_quality=quality is not None,
            has_models=(output.parent / MODELS).is_file(),
            docs=docs,
        )
        written = list(pages(release, list(quality) if quality is not None else None))
        for page in written:
            site.write(page)
    for name in [*(spec.name for spec in CATALOGUE), "booklet*"]:
        for path in [*output.glob(f"{name}.png"), *output.glob(f"{name}.pdf")]:
            path.unlink()
    whole = next(page for page in written if page.path == ALL_CHARTS)
    write_readme(output / "README.md", "Charts", _charts_of(whole), release)
    return written


def print_site(release: Release, output: Path, written: Sequence[Page]) -> list[Path]:
    """Write PNG, PDF and booklets of a site; without Chromium, one line says how to get them."""
    chromium = find_chromium()
    if chromium is None:
        err.print(f"The site is made; {HOW_TO_GET}")
        return []
    site = output / "site"
    whole = next(page for page in written if page.path == ALL_CHARTS)
    names = [chart.name for chart in _charts_of(whole)]
    booklets = [page for page in written if page.path.startswith("school-")]
    prints = [
        Print(site / ALL_CHARTS, output / BOOKLET, output, names),
        *[
            Print(site / page.path, output / f"booklet-{Path(page.path).stem}.pdf")
            for page in booklets
        ],
    ]
    try:
        with progress("Printing"):
            return make_prints(prints, chromium)
    except ChromiumFailed as problem:
        err.print(f"The site is made, but {problem.message}; {HOW_TO_GET}", soft_wrap=True)
        return []


def _charts_of(page: Page) -> list[Chart]:
    return [block["chart"] for block in page.blocks if block["kind"] == "chart"]


def write_readme(path: Path, title: str, charts: Sequence[Chart], release: Release) -> None:
    """Write what each chart shows, what it means, how to read it, and what it helps to decide."""
    lines = [
        f"# {title}",
        "",
        f"Release {release.release_id}, as of {release.as_of}. Open [the site](site/index.html) "
        f"or the [booklet]({BOOKLET}). Made by `district charts`.",
    ]
    for chart in charts:
        words = chart.words or release.definitions[chart.kpi]
        lines += [
            "",
            f"## {_markdown(chart.title)}",
            "",
            f"![{_markdown(chart.title)}]({chart.name}.png)",
            "",
            f"- Shows: {chart.form.lower()}; n = {_markdown(chart.n)}; from `{chart.source}`.",
            f"- Definition: {words['definition']}",
            f"- How to read it: {words['how_to_read']}",
            f"- It helps to decide: {words['decision']}",
        ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _markdown(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    marks = "\\`*_{}[]<>()#+!|~&"
    return "".join(f"\\{mark}" if mark in marks else mark for mark in " ".join(text.split()))


if __name__ == "__main__":
    from python_jobs.cli import run_verb

    run_verb(command)
