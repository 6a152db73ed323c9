"""The plan of a synthetic district: its size, its school years, and its dice.

Everything that Spark computes from hangs on this: a `District` says how large, an `Export` says
of which school year and evening, and `Dice` turns ids into the same pseudo-random draw each time.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from hashlib import blake2b
from math import ceil

from pyspark.sql import DataFrame, SparkSession

from python_jobs.spark import PROJECT

SCHOOLS_PER_ZONE = 5  # elementary, middle, high, elementary, high
PLACES = 30  # a zone grows in steps of 12 elementary, 6 middle and 12 high school places
STUDENTS_PER_ZONE = 3000
SMALL_DISTRICT = 300  # up to here all grades of a school share its nine courses
STUDENTS_PER_PARTITION = 20_000
GRADES = {"elementary": range(6), "middle": range(6, 9), "high": range(9, 13)}
SECTION_SIZE = 24


def literal(value: object) -> str:
    """Return a Python value as Spark SQL text."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value}D"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"
    if isinstance(value, date):
        return f"date '{value.isoformat()}'"
    if isinstance(value, (list, tuple, range)):
        # One constant to parse instead of one per element: plans of these lists are large.
        words = [one for one in value if isinstance(one, str)]
        if words and len(words) == len(value):
            return f"split({literal('|'.join(words))}, '[|]')"
        days = [one.isoformat() for one in value if isinstance(one, date)]
        if days and len(days) == len(value):
            return f"cast(split('{','.join(days)}', ',') as array<date>)"
        return f"array({', '.join(literal(one) for one in value)})"
    return str(value)


def small_table(spark: SparkSession, names: str, rows: Iterable[Sequence[object]]) -> DataFrame:
    """Return a lookup table that lies in the query itself; names: comma-separated."""
    tuples = ", ".join(f"({', '.join(literal(value) for value in row)})" for row in rows)
    return spark.sql(f"select * from values {tuples} as lookup({names})")


SCENARIOS = {
    "biased_marks": "course marks of English learners lie 10 points below what their work earned",
    "lost_absences": "in the last school year, the third school reports no absence",
}
# What nobody could know before the term: drawn anew when `luck` changes and all else stays.
LUCK = (
    "mood", "exempt", "late", "days late", "hour", "grading", "hand in", "set aside",
    "extra credit", "luck",
)  # fmt: skip


@dataclass(frozen=True)
class Dice:
    """SQL texts of pseudo-random draws; the same seed, tag and keys draw the same number."""

    seed: int
    luck: int = 0

    def _bits(self, tag: str, *keys: str) -> str:
        luck = f"luck {self.luck}/" if self.luck and tag in LUCK else ""
        salt = blake2b(f"{luck}{self.seed}/{tag}".encode(), digest_size=7).digest()
        return f"xxhash64({', '.join([f'{int.from_bytes(salt)}L', *keys])})"

    def uniform(self, tag: str, *keys: str) -> str:
        """Return a draw from [0, 1), of 53 bits."""
        return f"(({self._bits(tag, *keys)} & 9007199254740991) / 9007199254740992D)"

    def whole(self, below: int | str, tag: str, *keys: str) -> str:
        """Return a whole number from 0 to below - 1."""
        return f"cast(floor({self.uniform(tag, *keys)} * ({below})) as int)"

    def normal(self, tag: str, *keys: str) -> str:
        """Return a nearly normal draw, mean 0, deviation 1, within 3.47: four uniform ones added.

        Sums of twelve are the textbook's (Irwin and Hall, 1927); four are enough here.
        """
        bits = self._bits(tag, *keys)
        quarters = [f"({bits} & 65535)"]
        quarters += [f"(shiftrightunsigned({bits}, {by}) & 65535)" for by in (16, 32, 48)]
        return f"(({' + '.join(quarters)} - 131070) * {3**0.5 / 65536!r}D)"

    def pick(self, words: Sequence[str], tag: str, *keys: str) -> str:
        """Return one of the words; a word that is listed twice comes twice as often."""
        return f"get({literal(words)}, {self.whole(len(words), tag, *keys)})"


@dataclass(frozen=True)
class Term:
    """A part of a school year; its school days are days[first_day : first_day + day_count]."""

    number: int
    id: str
    name: str
    kind: str
    start: date
    end: date
    first_day: int
    day_count: int


@dataclass(frozen=True)
class Calendar:
    """One school year: its terms, and its school days in order."""

    school_year: int
    terms: tuple[Term, ...]
    days: tuple[date, ...] = field(repr=False)


@cache
def _holidays() -> frozenset[date]:
    with (PROJECT / "seeds" / "school_holidays.csv").open(newline="", encoding="utf-8") as lines:
        return frozenset(
            date.fromisoformat(row["holiday_date"])
            for row in csv.DictReader(lines)
            if row["jurisdiction"] == "default"
        )


def _weekday_from(day: date, weekday: int) -> date:
    """Return the first such weekday (0 = Monday) on or after the day."""
    return day + timedelta(days=(weekday - day.weekday()) % 7)


@cache
def calendar(school_year: int, terms_per_year: int) -> Calendar:
    """Return the school year that ends in `school_year`: late August to mid June."""
    friday = 4
    if terms_per_year == 2:
        kind = "semester"
        names = [f"Fall {school_year - 1}", f"Spring {school_year}"]
        ends = [date(school_year, 1, 17)]
    else:
        kind = "term"
        names = [f"Term {number} {school_year - 1}-{school_year}" for number in (1, 2, 3)]
        ends = [date(school_year - 1, 11, 5), date(school_year, 2, 21)]
    start = _weekday_from(date(school_year - 1, 8, 22), 0)
    terms: list[Term] = []
    days: list[date] = []
    for number, last in enumerate([*ends, date(school_year, 6, 8)], start=1):
        end = _weekday_from(last, friday)
        span = (start + timedelta(days=one) for one in range((end - start).days + 1))
        ours = [day for day in span if day.weekday() <= friday and day not in _holidays()]
        identity = f"trm-{school_year}-{number}"
        name = names[number - 1]
        terms.append(Term(number, identity, name, kind, start, end, len(days), len(ours)))
        days += ours
        start = end + timedelta(days=3)
    return Calendar(school_year, tuple(terms), tuple(days))


@dataclass(frozen=True)
class Work:
    """What a course asks for in each term."""

    category: str
    count: int
    points: int
    is_homework: bool = False


@dataclass(frozen=True)
class District:
    """A synthetic district. The same values always make the same rows, whatever the clock says.

    students: how many are enrolled in each school year, 30 or more (leavers not counted off).
    last_school_year: the year in which the last school year ends.
    is_mid_year: the last school year is known up to mid November only.
    comment_share: the share of graded work that has a comment; course marks have 3 times as many.
    """

    preset: str
    students: int
    seed: int = 1
    school_years: int = 1
    last_school_year: int = 2026
    terms_per_year: int = 2
    is_mid_year: bool = False
    core_work: tuple[Work, ...] = (
        Work("homework", 3, 10, is_homework=True),
        Work("quiz", 1, 30),
        Work("test", 1, 100),
    )
    other_work: tuple[Work, ...] = (
        Work("homework", 2, 10, is_homework=True),
        Work("project", 1, 50),
    )
    comment_share: float = 0.15
    view_share: float = 0.35
    has_families: bool = True  # siblings share guardians; false: two classmates share one parent
    scenario: str = ""  # what is planted for the audit of early warning to find: SCENARIOS
    luck: int = 0  # other numbers: the same students and courses, who had another day

    def __post_init__(self) -> None:
        """Refuse sizes that make no district."""
        if self.students < PLACES:
            raise ValueError(f"a district has at least {PLACES} students, not {self.students}")
        if self.scenario not in ("", *SCENARIOS):
            raise ValueError(f"{self.scenario!r} is no scenario: {', '.join(SCENARIOS)}")
        if self.school_years < 1:
            raise ValueError(f"a district has at least 1 school year, not {self.school_years}")

    @staticmethod
    def presets(seed: int = 1) -> dict[str, "District"]:
        """Return the presets by name: seed (30 students) and demo (600 students, 3 years)."""
        return {
            "seed": District("seed", PLACES, seed, comment_share=1.0, has_families=False),
            "demo": District("demo", 600, seed, school_years=3),
        }

    @staticmethod
    def scale(students: int, seed: int = 1, school_years: int = 1) -> "District":
        """Return a district of any size, whose last school year is known up to November."""
        return District(
            "scale",
            students,
            seed,
            school_years,
            terms_per_year=3,
            is_mid_year=True,
            core_work=(Work("homework", 2, 10, is_homework=True), Work("test", 1, 100)),
            other_work=(Work("project", 1, 50),),
            comment_share=0.05,
            view_share=0.2,
        )

    @property
    def first_school_year(self) -> int:
        return self.last_school_year - self.school_years + 1

    @property
    def zones(self) -> int:
        return max(1, round(self.students / STUDENTS_PER_ZONE))

    @property
    def schools(self) -> int:
        return self.zones * SCHOOLS_PER_ZONE

    @property
    def units(self) -> int:
        return ceil(ceil(self.students / self.zones) / PLACES)

    @property
    def is_small(self) -> bool:
        return self.students <= SMALL_DISTRICT and self.school_years == 1

    @property
    def partitions(self) -> int:
        return ceil(self.students / STUDENTS_PER_PARTITION)

    def cut(self, frame: DataFrame) -> DataFrame:
        """Begin a new method in Spark's generated code, at no other cost.

        The JVM compiles no method of more than 8,000 bytes, and would interpret our long ones.
        """
        return frame.coalesce(self.partitions)

    @property
    def student_digits(self) -> int:
        return max(6, len(str(3 * self.units * self.zones * (13 + self.school_years))))

    @property
    def school_digits(self) -> int:
        return max(2, len(str(self.schools)))

    @property
    def dice(self) -> Dice:
        return Dice(self.seed, self.luck)

    def sections(self, stage: str) -> tuple[int, int]:
        """Return how many regular and how many advanced sections a grade has per subject."""
        if self.is_small:
            return 1, 0
        places = {"elementary": self.units, "middle": 2 * self.units, "high": 1.5 * self.units}
        total = ceil(places[stage] / SECTION_SIZE)
        if stage == "elementary":
            return total, 0
        advanced = max(1, round(total / 4))
        return max(1, total - advanced), advanced


@dataclass(frozen=True)
class Export:
    """What the source knows of one school year on one evening.

    night: 0 on the evening of the school year's own batch, then the nights after it.
    changed_share: the share of students whose rows change each night; the same every night.
    """

    district: District
    school_year: int
    night: int = 0
    changed_share: float = 0.0

    @property
    def calendar(self) -> Calendar:
        return calendar(self.school_year, self.district.terms_per_year)

    @property
    def batch_as_of(self) -> datetime:
        year = self.school_year
        if self.district.is_mid_year and year == self.district.last_school_year:
            return datetime(year - 1, 11, 12, 22, tzinfo=UTC)
        return datetime(year, 6, 30, 22, tzinfo=UTC)

    @property
    def as_of(self) -> datetime:
        return self.batch_as_of + timedelta(days=self.night)

    @property
    def as_of_second(self) -> str:
        return f"{int(self.as_of.timestamp())}L"

    @property
    def today(self) -> date:
        return self.as_of.date()

    @property
    def days_so_far(self) -> tuple[date, ...]:
        return tuple(day for day in self.calendar.days if day <= self.today)

    @property
    def started_terms(self) -> tuple[Term, ...]:
        return tuple(term for term in self.calendar.terms if term.start <= self.today)

    @property
    def roster_at(self) -> str:
        """Return the SQL text of the moment from which this school year's roster holds."""
        return f"timestamp '{self.school_year - 1}-08-01 00:00:00Z'"

    @property
    def is_first_year(self) -> bool:
        return self.school_year == self.district.first_school_year

    def before_nights(self) -> "Export":
        return replace(self, night=0)

    def year_before(self) -> "Export":
        return replace(self, school_year=self.school_year - 1, night=0)

    def changes_by_year(self, tag: str, rate: float, key: str) -> str:
        """Return the SQL count of yearly changes that have come to `key` since the first year."""
        years = range(self.district.first_school_year + 1, self.school_year + 1)
        draws = [f"int({self.district.dice.uniform(tag, key, str(y))} < {rate}D)" for y in years]
        return f"({' + '.join(['0', *draws])})"

    def is_chosen(self, night: str | None = None) -> str:
        """Return the SQL condition under which a student's rows change in a night."""
        draw = self.district.dice.uniform("chosen", "student_no", night or str(self.night))
        return f"{draw} < {float(self.changed_share)}D"

    def is_changed_tonight(self, tag: str, rate: float, night: str | None = None) -> str:
        draw = self.district.dice.uniform(f"{tag} night", "student_no", night or str(self.night))
        return f"{draw} < {rate}D"

    def changes_by_night(self, tag: str, rate: float) -> str:
        """Return the SQL count of a student's nightly changes, tonight's included."""
        if self.night == 0:
            return "0"
        condition = f"{self.is_chosen('one')} and {self.is_changed_tonight(tag, rate, 'one')}"
        return f"size(filter(sequence(1, {self.night}), one -> {condition}))"
