"""The review queue: flagged students with reasons go to staff as CSV, their decisions come back."""

import csv
from datetime import date
from pathlib import Path

import pandas as pd
from pyspark.sql import SparkSession

from python_jobs.console import err, print_table
from python_jobs.early_warning.tables import Written, write_tables
from python_jobs.errors import DistrictError

TABLE = "early_warning_reviews"
DECISIONS = ("support", "watch", "no_action", "not_a_concern")
STAFF_COLUMNS = ["decision", "decided_on", "support_given", "outcome"]
COLUMNS = [
    "release_id", "cut_id", "student_id", "school_id", "risk_rank", "risk", "reason_1", "reason_2",
    "reason_3", *STAFF_COLUMNS,
]  # fmt: skip


def write_queue(spark: SparkSession, path: Path) -> int:
    """Write the flagged students of the last scores, the highest risk first; ids, no names.

    decision is one of support, watch, no_action, not_a_concern; decided_on a day (YYYY-MM-DD);
    the rest is free. Returns how many students there are.
    """
    if not spark.catalog.tableExists("ml.early_warning_scores"):
        raise DistrictError("nobody is scored yet", "run: district ml")
    scores = spark.sql(
        "select * from ml.early_warning_scores where is_flagged and release_id = "
        "(select max(release_id) from ml.early_warning_scores)"
    ).toPandas()
    reasons = spark.table("ml.early_warning_reasons").toPandas()
    queue = queue_of(scores, reasons)
    queue.to_csv(path, index=False, lineterminator="\n")
    path.chmod(0o600)
    err.print(f"{len(queue):,} students to review in {path}", soft_wrap=True)
    return len(queue)


def queue_of(scores: pd.DataFrame, reasons: pd.DataFrame) -> pd.DataFrame:
    """Return the queue: one row per flagged student, reasons beside each other."""
    key = ["release_id", "cut_id", "student_id"]
    wide = reasons.pivot(index=key, columns="reason_rank", values="reason")
    wide = wide.reindex(columns=[1, 2, 3]).add_prefix("reason_").reset_index()
    queue = scores.merge(wide, on=key, how="left").sort_values("risk_rank")
    queue["risk"] = queue["risk"].round(3)
    return queue.reindex(columns=COLUMNS).fillna("")


def record(spark: SparkSession, path: Path) -> None:
    """Keep the decisions of a queue that staff have filled, and print what became of the students.

    Raises DistrictError with line numbers when the file is not such a queue, or a student in it
    was not flagged.
    """
    rows = read_decisions(path)
    flagged = spark.table("ml.early_warning_scores").where("is_flagged").toPandas()
    known = set(zip(flagged["release_id"], flagged["cut_id"], flagged["student_id"], strict=True))
    strangers = [
        line
        for line, row in rows
        if (int(row["release_id"]), row["cut_id"], row["student_id"]) not in known
    ]
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
    for release_id, part in table.groupby("release_id"):
        write_tables(spark, [Written(TABLE, _typed(part), int(str(release_id)))])
    err.print(f"{len(table):,} reviews are kept in ml.{TABLE}")
    show_outcomes(spark)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    texts = {name: "string[pyarrow]" for name in frame if name not in ("release_id", "decided_on")}
    made = frame.astype(texts)
    made["decided_on"] = made["decided_on"].astype("date32[pyarrow]")
    return made


def read_decisions(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return line number and row of each row with a decision. Raises DistrictError on a bad one."""
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
        rows = [(reader.line_num, row) for row in reader if (row["decision"] or "").strip()]
    wrong = [line for line, row in rows if not _is_right(row)]
    if wrong:
        raise DistrictError(
            f"{path.name}: lines {_some(wrong)} have a decision, day or release that is none",
            f"decision is one of {', '.join(DECISIONS)}; decided_on is YYYY-MM-DD or empty",
        )
    if not rows:
        raise DistrictError(f"{path.name} has no decision yet", "fill in the column decision")
    return rows


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
