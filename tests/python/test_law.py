"""Whatever is broken in a bundle, each of its rows is accounted for."""

import csv
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from bundles import BUNDLE_1_1, Files, write_bundle
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from python_jobs.land import land_oneroster
from python_jobs.landing.oneroster_files import ENTITY_OF

FILES = ("users", "enrollments", "lineItems", "results")
HOSTILE = (
    "", " ", "NaN", "7,5", "1E5", "00001", "active", "tobedeleted", "2026-02-30", "2026-09-01",
    "stu1", "li1", "student", "fully graded", "=cmd|' /C calc'!A0", "<b>x</b>", "'; drop table --",
    "\u202e\u0000\x1b", 'a "quote', '"', "two\nlines", "x" * 70_000,
)  # fmt: skip
# What is done to a row: file, row, column, text; no column: the text is the whole line.
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(FILES),
        st.integers(0, 30),
        st.none() | st.integers(0, 12),
        st.sampled_from(HOSTILE) | st.text(max_size=20).filter(lambda text: text.isprintable()),
    ),
    min_size=5,
    max_size=40,
)


def mutated(mutations: list[tuple[str, int, int | None, str]]) -> Files:
    """Return the small bundle with more rows in some files, and these changes to them."""
    files = {file: list(lines) for file, lines in BUNDLE_1_1.items()}
    for file in FILES:
        files[file] += [f"{n}{line}" for n in range(5) for line in files[file][1:]]
    for file, row, column, text in mutations:
        line = 1 + row % (len(files[file]) - 1)
        if column is None:
            files[file][line] = text
        else:
            values = next(csv.reader([files[file][line]]), [])
            values[column : column + 1] = [text]
            quoted = [value.replace('"', '""') for value in values]
            files[file][line] = ",".join(f'"{value}"' for value in quoted)
    return files


@settings(
    max_examples=3,
    phases=[Phase.generate],  # to shrink an example takes hundreds of landings
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(MUTATIONS)
def test_no_row_of_a_broken_bundle_is_lost(
    empty_warehouse: SparkSession, mutations: list[tuple[str, int, int | None, str]]
) -> None:
    spark = empty_warehouse
    with TemporaryDirectory() as folder:
        bundle = write_bundle(Path(folder), mutated(mutations))
        # Landed holds the law itself: read + released = landed + unchanged + ended + rejected.
        landed = land_oneroster(bundle, None, accept_mass_delete=True, snapshot=False)
    rejected = Counter(
        row.file
        for row in spark.table("quality.quarantine")
        .where("status = 'open' and last_batch_id = (select max(batch_id) from raw.batches)")
        .select("file", "line")
        .distinct()
        .collect()
    )
    of_files = {(one.file, one.entity): one for one in landed}
    for file in FILES:
        one = of_files[f"{file}.csv", ENTITY_OF[file]]
        assert one.rows_rejected == rejected[file], file
        landed_ids = spark.table(f"raw.{ENTITY_OF[file]}").where("id is not null").count()
        assert one.rows_landed + one.rows_unchanged <= landed_ids, file
