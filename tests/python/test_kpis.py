"""The definitions of the KPIs: one text for the command line, dbt's documentation and the seed."""

import json
import sys

import pytest

from python_jobs import cli, kpis
from python_jobs.seeds import read_seed, thresholds_in_force


def ask(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["district", "kpis", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(str(ended.value.code))


def test_documentation_says_what_the_seed_says() -> None:
    assert kpis.DOCS.read_text() == kpis.docs_blocks(), "run: district kpis --write-docs"


def test_every_letter_of_a_scale_has_a_definition() -> None:
    letters = {f"letter_rate_{row['letter']}" for row in read_seed("letter_grade_points")}
    defined = {row["kpi"] for row in read_seed("kpi_definitions")}
    assert letters == {kpi for kpi in defined if kpi.startswith("letter_rate_")}


def test_one_kpi_is_shown_with_its_thresholds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(monkeypatch, "--json", "adds_per_100_students") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["mart"] == "course_load_changes"
    assert shown["part_of"] == "changes_per_100_students"
    thresholds = {row["threshold"]: row["value"] for row in shown["thresholds"]}
    assert thresholds["switch_days"] == "14"
    assert thresholds["min_n"] == "10"
    assert "minimum_days" not in thresholds
    assert ask(monkeypatch, "adds_per_100_students") == 0
    text = capsys.readouterr().out
    for part in ("100 x add_count / student_count", "District data office", "switch_days"):
        assert part in text


def test_all_kpis_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(monkeypatch, "--json") == 0
    listed = [json.loads(line)["kpi"] for line in capsys.readouterr().out.splitlines()]
    assert listed == [row["kpi"] for row in read_seed("kpi_definitions")]


def test_unknown_kpi_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask(monkeypatch, "a_b_rat") == 2
    assert "there is no KPI 'a_b_rat'" in capsys.readouterr().err


def test_jurisdiction_replaces_the_default_where_it_has_a_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = [
        ("default", "a", "1", "1900-01-01", "9999-12-31"),
        ("here", "a", "2", "1900-01-01", "2020-07-01"),
        ("here", "a", "3", "2020-07-01", "9999-12-31"),
        ("default", "b", "4", "1900-01-01", "9999-12-31"),
        ("there", "b", "5", "1900-01-01", "9999-12-31"),
    ]
    names = ("jurisdiction", "threshold", "value", "effective_from", "effective_to")
    seed = [{"kpi": "x", **dict(zip(names, row, strict=True))} for row in rows]
    monkeypatch.setattr("python_jobs.seeds.read_seed", lambda _: seed)
    for day, values in {"2020-06-30": ["2", "4"], "2020-07-01": ["3", "4"]}.items():
        assert [row["value"] for row in thresholds_in_force(day, "here")] == values
