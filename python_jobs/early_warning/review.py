"""The review queue: flagged students with reasons go to staff as CSV, their decisions come back."""

import csv
import os
from collections import Counter
from datetime import date
from pathlib import Path

import pandas as pd
from pyspark.sql import SparkSession

from python_jobs.console import err, print_table
from python_jobs.early_warning.tables import merge_table
from python_jobs.errors import DistrictError
from python_jobs.release import current_release
from python_jobs.reports.site import csv_cell

TABLE = "early_warning_reviews"
KEY = ["release_id", "cut_id", "student_id"]
SCORES = "ml.early_warning_scores"
DECISIONS = ("support", "watch", "no_action", "not_a_concern")
STAFF_COLUMNS = ["decision", "decided_on", "support_given", "outcome"]
COLUMNS = [
    "release_id", "cut_id", "student_id", "school_id", "risk_rank", "risk", "reason_1", "reason_2",
    "reason_3", *STAFF_COLUMNS,
]  # fmt: skip


def write_queue(spark: SparkSession, path: Path) -> int:
    """Write the flagged students of the current release, the highest risk first; ids, no names.

    decision is one of support, watch, no_action, not_a_concern; decided_on a day (YYYY-MM-DD);
    the rest is free. Returns how many students there are. Raises DistrictError when the current
    release is not scored.
    """
    release_id = current_release(spark)
    scores = flagged(spark)
    scores = scores[scores["release_id"] == release_id]
    if scores.empty:
        raise DistrictError(
            f"nobody of the current release ({release_id}) is scored",
            "run: district ml, or with a model: district ml --score-only",
        )
    reasons = spark.table("ml.early_warning_reasons").where(f"release_id = {release_id}")
    queue = queue_of(scores, reasons.toPandas())
    write_csv(queue, path)
    err.print(f"{len(queue):,} students to review in {path}", soft_wrap=True)
    return len(queue)


def flagged(spark: SparkSession) -> pd.DataFrame:
    """Return the flagged students of all releases that are scored."""
    if not spark.catalog.tableExists(SCORES):
        raise DistrictError("nobody is scored yet", "run: district ml")
    return spark.table(SCORES).where("is_flagged").toPandas()


def write_csv(queue: pd.DataFrame, path: Path) -> None:
    """Write a file that only its owner may read, and that no spreadsheet computes."""
    if path.exists():
        path.chmod(0o600)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(queue.columns)
        writer.writerows([[csv_cell(one) for one in row] for row in queue.to_numpy()])


def _plain(text: str | None) -> str:
    """Return a cell without the mark that keeps a spreadsheet from computing it."""
    cell = (text or "").strip()
    return cell[1:] if cell.startswith("'") and csv_cell(cell[1:]) == cell else cell


def queue_of(scores: pd.DataFrame, reasons: pd.DataFrame) -> pd.DataFrame:
    """Return the queue: one row per flagged student, reasons beside each other."""
    wide = reasons.pivot(index=KEY, columns="reason_rank", values="reason")
    wide = wide.reindex(columns=[1, 2, 3]).add_prefix("reason_").reset_index()
    queue = scores.merge(wide, on=KEY, how="left").sort_values("risk_rank")
    queue["risk"] = queue["risk"].round(3)
    return queue.reindex(columns=COLUMNS).fillna("")


def record(spark: SparkSession, path: Path) -> None:
    """Keep the decisions of a queue that staff have filled, and print what became of the students.

    A decision takes the place of an earlier one of the same student, cut and release; all others
    stay. Raises DistrictError with line numbers when the file is not such a queue, or a student in
    it was not flagged.
    """
    rows = read_decisions(path)
    scores = flagged(spark)
    known = set(zip(scores["release_id"], scores["cut_id"], scores["student_id"], strict=True))
    strangers = [line for line, row in rows if _key(row) not in known]
    if strangers:
        raise DistrictError(
            f"{path.name}: lines {_some(strangers)} are of nobody who was flagged",
            "fill in the file that --review-queue has written",
        )
    table = pd.DataFrame([row for _, row in rows])[
        ["release_id", "cut_id", "student_id", *STAFF_COLUMNS]
    ]
    table["release_id"] = table["release_id"].astype(int)
    table["decided_on"] = pd.to_datetime(table["decided_on"].replace("", None)).dt.date
    merge_table(spark, TABLE, _typed(table), KEY)
    err.print(f"{len(table):,} reviews are kept in ml.{TABLE}")
    show_outcomes(spark)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    texts = {name: "string[pyarrow]" for name in frame if name not in ("release_id", "decided_on")}
    made = frame.astype(texts)
    made["decided_on"] = made["decided_on"].astype("date32[pyarrow]")
    return made


def read_decisions(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return line number and row of each row with a decision.

    Raises DistrictError with the lines of bad rows, and of students who are decided twice.
    """
    if not path.is_file():
        raise DistrictError(
            f"there is no file {path}", "write one with: district ml --review-queue"
        )
    with path.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.DictReader(lines)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
        if missing:
            raise DistrictError(
                f"{path.name} lacks the columns {', '.join(missing)}",
                "fill in the file that --review-queue has written",
            )
        read = [(reader.line_num, {name: _plain(row[name]) for name in COLUMNS}) for row in reader]
    rows = [(line, row) for line, row in read if row["decision"]]
    wrong = [line for line, row in rows if not _is_right(row)]
    if wrong:
        raise DistrictError(
            f"{path.name}: lines {_some(wrong)} have a decision, day or release that is none",
            f"decision is one of {', '.join(DECISIONS)}; decided_on is YYYY-MM-DD or empty",
        )
    counts = Counter(_key(row) for _, row in rows)
    twice = [line for line, row in rows if counts[_key(row)] > 1]
    if twice:
        raise DistrictError(
            f"{path.name}: lines {_some(twice)} decide on a student more than once",
            "leave one line for each student",
        )
    if not rows:
        raise DistrictError(f"{path.name} has no decision yet", "fill in the column decision")
    return rows


def _key(row: dict[str, str]) -> tuple[int, str, str]:
    return int(row["release_id"]), row["cut_id"], row["student_id"]


def _is_right(row: dict[str, str]) -> bool:
    try:
        int(row["release_id"])
        if row["decided_on"]:
            date.fromisoformat(row["decided_on"])
    except ValueError:
        return False
    return row["decision"] in DECISIONS


def _some(lines: list[int]) -> str:
    return ", ".join(map(str, lines[:5])) + (" ..." if len(lines) > 5 else "")


def show_outcomes(spark: SparkSession) -> None:
    """Print, per decision, how many students got into trouble in the term after."""
    rows = spark.sql(
        f"""
        select
            reviews.decision,
            count(*) as reviewed,
            count(outcomes.is_at_risk) as outcome_known,
            count_if(outcomes.is_at_risk) as got_into_trouble
        from ml.{TABLE} as reviews
        left join ml.student_outcomes as outcomes
            on reviews.student_id = outcomes.student_id
            and replace(reviews.cut_id, ':today', ':term_end') = outcomes.cut_id
        group by reviews.decision
        order by reviews.decision
        """
    ).collect()
    header = ["decision", "reviewed", "outcome known", "got into trouble"]
    print_table("What became of the students reviewed", header, rows)
