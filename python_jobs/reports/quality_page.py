"""The page of the data clerk: what did not land and where, totals that differ, freshness.

Files, lines and rules; never a value of a row, and no id.
"""

from datetime import date
from typing import Any

import pandas as pd
from pyspark.sql import SparkSession

from python_jobs.landing.quarantine import QUARANTINE
from python_jobs.reconcile import TABLE as RECONCILIATION
from python_jobs.reports.texts import Texts

LINES = 50
NO_SCHOOL = "–"
# What the files call a row's school.
SCHOOL_COLUMNS = ("schoolSourcedId", "orgSourcedId", "orgSourcedIds", "school_id")


def quality_blocks(spark: SparkSession, as_of: date, texts: Texts) -> list[dict[str, Any]]:
    """Return the blocks of the page."""
    faults, lines = _quarantine(spark, texts)
    totals = _reconciliation(spark, texts)
    quarantined: list[dict[str, Any]] = (
        [
            _table(faults),
            {"kind": "heading", "text": texts("quarantine_rows")},
            {"kind": "text", "text": texts("quarantine_more", limit=LINES)},
            _table(lines),
        ]
        if len(faults)
        else [{"kind": "text", "text": texts("quarantine_none")}]
    )
    return [
        {"kind": "text", "text": texts("quality_help")},
        {"kind": "heading", "text": texts("quarantine")},
        *quarantined,
        {"kind": "heading", "text": texts("reconciliation")},
        _table(totals) if len(totals) else {"kind": "text", "text": texts("reconciliation_none")},
        {"kind": "heading", "text": texts("freshness")},
        _table(_freshness(spark, as_of, texts)),
    ]


def _table(frame: pd.DataFrame) -> dict[str, Any]:
    return {"kind": "table", "header": list(frame.columns), "rows": frame.to_numpy().tolist()}


def _rows(spark: SparkSession, query: str) -> list[Any]:
    return list(spark.sql(query).collect())


def _quarantine(spark: SparkSession, texts: Texts) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the open rows by source, file, rule and school, and their lines.

    A line is that of the file which landed last with the row, so lines stand by landing.
    """
    if not spark.catalog.tableExists(QUARANTINE):
        return pd.DataFrame(), pd.DataFrame()
    school = ", ".join(f"get_json_object(raw_row, '$.{name}')" for name in SCHOOL_COLUMNS)
    faults = _rows(
        spark,
        f"""
        with faults as (
            select *, coalesce({school}, '{NO_SCHOOL}') as school_id
            from {QUARANTINE} where status = 'open'
        )

        select
            source_system, file, rule_id, severity,
            faults.school_id, max(school_name) as school_name,
            count(distinct quarantine_id) as row_count,
            max(problem) as problem, max(how_to_mend) as how_to_mend
        from faults
        left join (
            select school_id, school_name from core.dim_school where is_current
        ) as schools on faults.school_id = schools.school_id
        group by source_system, file, rule_id, column_name, faults.school_id, severity
        order by row_count desc, source_system, file, rule_id, faults.school_id
        """,
    )
    lines = _rows(
        spark,
        f"""
        select
            source_system, file, date_format(max(last_seen), 'yyyy-MM-dd HH:mm') as landed,
            rule_id, slice(array_sort(collect_set(line)), 1, {LINES}) as lines
        from {QUARANTINE} where status = 'open'
        group by source_system, file, last_batch_id, rule_id
        order by source_system, file, last_batch_id desc, rule_id
        """,
    )
    heads = ("source_system", "file", "rule", "school", "severity", "rows", "problem", "mend")
    return (
        pd.DataFrame(
            [
                (
                    row.source_system, f"{row.file}.csv", row.rule_id,
                    row.school_name or NO_SCHOOL, row.severity, f"{row.row_count:,}",
                    row.problem, row.how_to_mend,
                )
                for row in faults
            ],
            columns=[texts(name) for name in heads],
        ),
        pd.DataFrame(
            [
                (
                    row.source_system, f"{row.file}.csv", row.landed or "", row.rule_id,
                    ", ".join(map(str, row.lines)),
                )
                for row in lines
            ],
            columns=[
                texts(name) for name in ("source_system", "file", "last_landed", "rule", "lines")
            ],
        ),
    )  # fmt: skip


def _reconciliation(spark: SparkSession, texts: Texts) -> pd.DataFrame:
    """Return how many totals agree, per source, measure and school; never an amount."""
    heads = ("source_system", "measure", "school", "totals", "agree", "explained", "unexplained")
    if not spark.catalog.tableExists(RECONCILIATION):
        return pd.DataFrame()
    rows = _rows(
        spark,
        f"""
        select
            source_system, measure, coalesce(max(school_name), '{NO_SCHOOL}') as school_name,
            count(*) as totals,
            count_if(source_amount <=> kpi_amount) as agree,
            count_if(not source_amount <=> kpi_amount and is_explained) as explained,
            count_if(not is_explained) as unexplained
        from {RECONCILIATION} as totals
        left join (
            select school_id, school_name from core.dim_school where is_current
        ) as schools on totals.school_id = schools.school_id
        group by source_system, measure, totals.school_id
        order by unexplained desc, explained desc, source_system, measure, school_name
        """,
    )
    return pd.DataFrame(
        [[str(cell) for cell in row] for row in rows], columns=[texts(n) for n in heads]
    )


def _freshness(spark: SparkSession, as_of: date, texts: Texts) -> pd.DataFrame:
    """Return when each file of each source landed last, and how long before the as-of date."""
    heads = ("source_system", "file", "last_landed", "age_days", "rows_read", "rows_rejected")
    rows = _rows(
        spark,
        f"""
        select
            source_system, file, date_format(max(landed_at), 'yyyy-MM-dd HH:mm') as landed,
            greatest(datediff(date '{as_of}', to_date(max(as_of))), 0) as age,
            max_by(rows_read, batch_id) as rows_read, max_by(rows_rejected, batch_id) as rejected
        from raw.batches
        group by source_system, file order by source_system, file
        """,
    )
    return pd.DataFrame(
        [[str(cell) for cell in row] for row in rows], columns=[texts(n) for n in heads]
    )
