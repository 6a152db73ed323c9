"""The source's totals, raw, core and the marts agree, or the difference has its reasons."""

import json
import sys
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import pytest
from bundles import BUNDLE_1_1, CLASSES, LINE_ITEMS_1_1, RESULTS_1_1, Files, write_bundle
from pyspark.sql import SparkSession

from python_jobs import cli
from python_jobs.land import land_oneroster
from python_jobs.landing.source_totals import COLUMNS, SOURCE_TOTALS, Counted, add_up

Amounts = dict[str, float]
Cell = tuple[str, str, str]
BROKEN: Files = {
    "enrollments": [
        "e4,,,101,00001,stu1,student,,2026-08-20,2026-12-01",  # stands in the file before
        "e6,,,999,00001,stu1,student,,,",  # an orphan
        "e7,tobedeleted,,102,00001,stu1,student,,,",
        "e8,,,101,00001,tea1,student,,,",  # a teacher
    ],
    "lineItems": ["li3,,,Page 3,,2026-09-01,2026-09-08,999,h,t1,0,10"],  # an orphan
    "results": [
        "b1,,,li1,stu1,fully graded,much,2026-09-09,",  # no number
        "o1,,,gone,stu1,fully graded,5,2026-09-09,",  # an orphan
        "w1,,,li1,stu1,fully graded,5,2026-09-09,",
        "w1,,,li1,stu1,fully graded,5,2026-09-09,",  # stands in the file before
        "d1,tobedeleted,2026-09-09,li1,stu1,fully graded,4,2026-09-09,",
    ],
}
# Section 101 is of the year y1, and so of its only term t1 too; 102 and the gradebook are of t1.
EXPECTED: dict[Cell, Amounts] = {
    ("students", "00001", "y1"): {
        "source": 2, "quarantined": -1, "raw": 1, "core": 1, "outside_terms": -1,
    },
    ("students", "00001", "t1"): {"source": 1, "ended": -1, "ended_counted": 1, "kpi": 1},
    ("students", "00001", "unknown"): {"source": 1, "quarantined": -1},
    ("enrollments", "00001", "y1"): {
        "source": 3, "duplicate": -1, "quarantined": -1, "raw": 1, "core": 1, "outside_terms": -1,
    },
    ("enrollments", "00001", "t1"): {
        "source": 1, "ended": -1, "ended_counted": 1, "year_long": 1, "kpi": 2,
    },
    ("enrollments", "00001", "unknown"): {"source": 1, "quarantined": -1},
    ("assignments", "00001", "t1"): {"source": 2, "raw": 2, "core": 2},
    ("assignments", "unknown", "t1"): {"source": 1, "quarantined": -1},
    ("results", "00001", "t1"): {
        "source": 7, "duplicate": -1, "quarantined": -1, "ended": -1, "raw": 4, "core": 4,
        "not_graded": -2, "kpi": 2,
    },
    ("results", "unknown", "unknown"): {"source": 1, "quarantined": -1},
    ("points", "00001", "t1"): {
        "source": 24.5, "duplicate": -5, "ended": -4, "raw": 15.5, "core": 15.5,
    },
    ("points", "unknown", "unknown"): {"source": 5, "quarantined": -5},
    ("percents", "00001", "t1"): {
        "source": 245, "duplicate": -50, "ended": -40, "raw": 155, "core": 155, "kpi": 155,
    },
}  # fmt: skip


def test_students_are_counted_anew_at_each_step() -> None:
    """Ann stands in a sound and a broken row, Bob in a broken one, Cid in one that has ended."""
    counted = [
        Counted("students", "h1", "t1", ["landed", "quarantined"], Decimal(1)),
        Counted("students", "h1", "t1", ["quarantined"], Decimal(1)),
        Counted("students", "h1", "t1", ["ended"], Decimal(1)),
    ]

    empty, row = (dict(zip(list(COLUMNS)[2:], row, strict=True)) for row in add_up(
        counted, {"students": True}
    ))  # fmt: skip

    assert (empty["school_id"], empty["expected_amount"]) == ("unknown", 0)
    steps = ["source", "duplicate", "quarantined", "ended", "released", "expected"]
    assert [row[f"{step}_amount"] for step in steps] == [3, 0, -1, -1, 0, 1]


@pytest.fixture(scope="module")
def landed(
    empty_warehouse: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., dict[Cell, Amounts]]:
    """Land a bundle for a day of October; return what of it was recorded and is not zero."""
    spark = empty_warehouse

    def land(
        day: int, files: Files, *, implicit_deletes: bool = True, mode: str = "bulk"
    ) -> dict[Cell, Amounts]:
        folder = tmp_path_factory.mktemp("bundle")
        land_oneroster(
            write_bundle(folder, files, **dict.fromkeys(files, mode)),
            datetime(2026, 10, day),
            implicit_deletes=implicit_deletes,
            snapshot=False,
        )
        rows = spark.table(SOURCE_TOTALS).where(
            f"batch_id = (select max(batch_id) from {SOURCE_TOTALS})"
        )
        return {key: amounts for key, amounts in map(_amounts, rows.collect()) if amounts}

    return land


def _amounts(row: object) -> tuple[Cell, Amounts]:
    """Return the key of a row, and its amounts but those of zero."""
    values = row if isinstance(row, dict) else row.asDict()  # type: ignore[attr-defined]
    amounts = {
        name.removesuffix("_amount"): float(value)
        for name, value in values.items()
        if name.endswith("_amount") and value
    }
    return (values["measure"], values["school_id"], values["term_id"]), amounts


def test_every_difference_has_its_reason_until_a_table_is_tampered_with(
    landed: Callable[..., dict[Cell, Amounts]],
    empty_warehouse: SparkSession,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def reconcile(*arguments: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["district", "reconcile", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr()
        return ended.value.code, shown.out, shown.err

    landed(1, {file: [*lines, *BROKEN.get(file, [])] for file, lines in BUNDLE_1_1.items()})
    code, text, _ = reconcile("--json")
    assert code == 0
    assert dict(_amounts(json.loads(line)) for line in text.splitlines()) == EXPECTED

    empty_warehouse.sql("delete from raw.grades where id = 'r1'")
    empty_warehouse.sql("delete from core.fact_enrollment where enrollment_id = 'e4'")
    code, text, error = reconcile()
    assert code == 1
    shown = " ".join(text.split())
    for said in (
        "duplicate -1", "quarantined -1", "ended -1", "not graded -2",
        "source to raw -1 ", "source to raw -10.5", "raw to core -1 ",
    ):  # fmt: skip
        assert said in shown
    assert "totals differ without a reason" in error
    assert not {"stu1", "Quo", "Été"} & set(shown.split()), "a person is shown"


def test_deltas_releases_and_rows_that_stay(landed: Callable[..., dict[Cell, Amounts]]) -> None:
    """Section 101 moves to d1, o1's line item comes; then a bulk file, w1 broken, most missing."""
    landed(2, {"results": [*RESULTS_1_1, *BROKEN["results"][1:3]]})
    delta = {
        "classes": [CLASSES[0], CLASSES[1].replace("00001", "d1")],
        "lineItems": [LINE_ITEMS_1_1[0], LINE_ITEMS_1_1[1].replace("li1", "gone")],
    }
    moved = landed(3, delta, mode="delta")
    assert moved["enrollments", "00001", "y1"] == {"known": 1}
    assert moved["enrollments", "d1", "y1"] == {"expected": 1}
    assert moved["results", "00001", "t1"] == {"known": 4}
    assert moved["results", "d1", "t1"] == {"released": 1, "expected": 5}
    assert moved["points", "d1", "t1"] == {"released": 5, "expected": 20.5}

    results = [RESULTS_1_1[0], RESULTS_1_1[1].replace("10.5", "9"), BROKEN["results"][0]]
    results[2] = results[2].replace("b1", "w1")
    stated = landed(4, {"results": results}, implicit_deletes=False)
    assert stated["results", "d1", "t1"] == {
        "source": 2, "quarantined": -1, "kept_broken": 1, "kept_unlisted": 3, "expected": 5,
    }  # fmt: skip
    assert stated["points", "d1", "t1"] == {
        "source": 9, "kept_broken": 5, "kept_unlisted": 5, "expected": 19,
    }  # fmt: skip
