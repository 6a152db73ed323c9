"""PNG and PDF: the site's own pages, opened once by one Chromium and printed.

choreographer, the engine of plotly's kaleido, starts Chromium and speaks its DevTools protocol.
Words in a PDF are words, not pictures.
"""

import asyncio
import base64
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from choreographer import Browser
from choreographer.browser_async import Tab
from choreographer.errors import BrowserDepsError, BrowserFailedError, ChromeNotFoundError

from python_jobs.errors import DistrictError

PAPER_WIDTH = 720  # CSS pixels: letter, 8.5 inches, less two margins of half an inch
SHARPNESS = 2  # pixels of a PNG for each
MARGIN = 0.5  # inches
PIXELS = 96  # in an inch
PATIENCE = 60  # seconds for a page to open
TABS = 2  # pages at once, each in a process of its own
BOX = """(() => {
    const box = document.querySelector(".shown").getBoundingClientRect();
    return [box.x, box.y, box.width, box.height];
})()"""
NAMES = ("chromium", "google-chrome", "chromium-browser", "google-chrome-stable", "chrome")
HOW_TO_GET = (
    "for PNG and PDF install Chromium (Debian: apt-get install chromium), "
    "or set BROWSER_PATH to yours, then run again"
)


NOT_STARTED = (OSError, TimeoutError, BrowserDepsError, BrowserFailedError, ChromeNotFoundError)


class ChromiumFailed(DistrictError):
    """Chromium is there but does not start, or does not open a page."""


@dataclass(frozen=True)
class Print:
    """What to make of one page: a booklet of all of it, and pictures of the sections named."""

    page: Path
    booklet: Path | None = None
    folder: Path | None = None
    sections: list[str] = field(default_factory=list)


def find_chromium() -> str | None:
    """Return the path of Chromium: BROWSER_PATH, else the first that PATH knows.

    None where there is no program.
    """
    chosen = os.environ.get("BROWSER_PATH")
    return next(filter(None, map(shutil.which, [chosen] if chosen else NAMES)), None)


def make_prints(prints: list[Print], chromium: str) -> list[Path]:
    """Write the files of all prints and return them; Chromium is started once.

    Raises ChromiumFailed when it does not start or open a page, DistrictError when it cannot draw
    or print one.
    """
    return asyncio.run(_make_prints(prints, chromium))


async def _make_prints(prints: list[Print], chromium: str) -> list[Path]:
    at_once = asyncio.Semaphore(TABS)

    async def make(browser: Browser, one: Print) -> list[Path]:
        async with at_once:
            tab = await browser.create_tab("about:blank", window=True)
            written = await _make_print(tab, one)
            await browser.close_tab(tab.target_id)
            return written

    with _quiet():
        async with _started(chromium) as browser:
            written = await asyncio.gather(*[make(browser, one) for one in prints])
    return [path for paths in written for path in paths]


@asynccontextmanager
async def _started(chromium: str) -> AsyncIterator[Browser]:
    browser = Browser(path=chromium)
    try:
        await asyncio.wait_for(browser.open(), PATIENCE)
    except NOT_STARTED as problem:
        with suppress(Exception):  # it may hang half started; what went wrong is known already
            await asyncio.wait_for(browser.close(), 5)
        raise ChromiumFailed("Chromium did not start", HOW_TO_GET) from problem
    try:
        yield browser
    finally:
        await browser.close()


async def _make_print(tab: Tab, one: Print) -> list[Path]:
    await _open(tab, one.page)
    written = [await _pdf(tab, one.booklet)] if one.booklet else []
    for name in one.sections:
        assert one.folder is not None
        await _call(tab, f"district.alone({name!r})")
        box = await _call(tab, BOX)
        written.append(await _png(tab, one.folder / f"{name}.png", box))
        written.append(await _pdf(tab, one.folder / f"{name}.pdf", box[3]))
    return written


async def _open(tab: Tab, page: Path) -> None:
    """Open a page as paper, all its figures drawn."""
    await _send(
        tab, "Emulation.setDeviceMetricsOverride",
        width=PAPER_WIDTH, height=1000, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    await _send(tab, "Page.enable")
    loaded = tab.subscribe_once("Page.loadEventFired")
    await _send(tab, "Page.navigate", url=page.absolute().as_uri())
    try:
        await asyncio.wait_for(loaded, PATIENCE)
    except TimeoutError as problem:
        raise ChromiumFailed("Chromium did not open a page", HOW_TO_GET) from problem
    await _call(tab, "district.paper()")
    await _call(tab, "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 50)))")


async def _png(tab: Tab, path: Path, box: list[float]) -> Path:
    x, y, width, height = box
    clip = {"x": x, "y": y, "width": width, "height": height, "scale": SHARPNESS}
    shot = await _send(
        tab, "Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True,
        optimizeForSpeed=True,
    )  # fmt: skip
    path.write_bytes(base64.b64decode(shot["data"]))
    return path


async def _pdf(tab: Tab, path: Path, height: float | None = None) -> Path:
    """Print the page; height: of the one sheet in CSS pixels, else sheets of letter size."""
    inches = 11.0 if height is None else height / PIXELS + 2 * MARGIN + 0.1
    page = await _send(
        tab, "Page.printToPDF", paperWidth=8.5, paperHeight=inches, printBackground=True,
        marginTop=MARGIN, marginBottom=MARGIN, marginLeft=MARGIN, marginRight=MARGIN,
        preferCSSPageSize=False,
    )  # fmt: skip
    path.write_bytes(base64.b64decode(page["data"]))
    return path


async def _call(tab: Tab, script: str) -> Any:
    answer = await _send(
        tab, "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
    )
    if "exceptionDetails" in answer:
        raise DistrictError("Chromium could not draw the charts", "open the site to see which")
    return answer["result"].get("value")


async def _send(tab: Tab, command: str, **params: Any) -> dict[str, Any]:
    answer = await tab.send_command(command, params=params)
    if "error" in answer:
        raise DistrictError(f"Chromium refused {command}", HOW_TO_GET)
    result: dict[str, Any] = answer["result"]
    return result


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep choreographer's own log, which tells of every step, out of ours."""
    import logging

    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
