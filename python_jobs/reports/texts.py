"""Every text of the site, in one catalogue: texts.yml. English stands in where one is missing."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

TITLE_LENGTH = 80
LANGUAGES = ("en", "es")
UNITS = {
    "rate": "{0:.1%}",
    "percent": "{0:.1f} %",
    "points": "{0:.2f}",
    "count": "{0:,.0f}",
    "days": "{0:.1f}",
    "per_student": "{0:.1f}",
    "per_100_students": "{0:.1f}",
}


@cache
def catalogue() -> dict[str, dict[str, str]]:
    text = Path(__file__).with_name("texts.yml").read_text(encoding="utf-8")
    texts: dict[str, dict[str, str]] = yaml.safe_load(text)
    return texts


@dataclass(frozen=True)
class Texts:
    """The catalogue in one language."""

    language: str = "en"

    def __call__(self, key: str, **values: object) -> str:
        """Return a text with its values filled in; values are never read as templates."""
        found = catalogue()[key]
        if key.startswith("title_"):
            values = {name: isolated(short(one, TITLE_LENGTH)) for name, one in values.items()}
        return found.get(self.language, found["en"]).format(**values)

    def kpi(self, kpi: str, name: str) -> str:
        """Return the name of a KPI; the seed's where the catalogue has none."""
        return catalogue().get(f"kpi_{kpi}", {}).get(self.language, name)


def short(text: object, length: int) -> str:
    """Return a text on one line, cut to a length; no-break spaces stay."""
    line = re.sub("[ \t\r\n]+", " ", str(text)).strip()
    return line if len(line) <= length else line[: length - 1] + "…"


def isolated(text: str) -> str:
    """Return a text that keeps its direction, when that is from right to left, to itself."""
    is_right_to_left = any(unicodedata.bidirectional(one) in ("R", "AL") for one in text)
    return f"\u2068{text}\u2069" if is_right_to_left else text


def number(value: float, unit: str) -> str:
    """Return a number as readers see it, such as 93.1 %."""
    return UNITS[unit].format(value).replace(" ", "").replace("%", "\u00a0%")


def change(value: float, unit: str) -> str:
    """Return a change with its sign; that of a rate in percentage points."""
    if unit == "rate":
        text = f"{100 * value:+.1f}\u00a0pp"
    else:
        text = UNITS[unit].replace("{0:", "{0:+").replace(" %", "\u00a0pp").format(value)
    return text.replace("-", "−", 1)


def is_zero(text: str) -> bool:
    """Whether a change is none once it is rounded as it is shown."""
    return not any(digit in text for digit in "123456789")
