"""The suites of raw as Great Expectations suites, run as checkpoints on frames of flags.

A flag tells which rule a row breaks and nothing else, so no result holds a value of the data, and
all expectations of a table are one aggregation in Spark. Importing this takes seconds.
"""

import logging
from collections.abc import Sequence
from typing import Any

import great_expectations as gx
from great_expectations.data_context.types.base import ProgressBarsConfig
from great_expectations.expectations import ExpectColumnValuesToBeNull
from pyspark.sql import DataFrame

from python_jobs.quality.suites import Expected, Result

LISTED_IDS = 100
FAILED_ROWS = {
    "result_format": "SUMMARY",
    "unexpected_index_column_names": ["id"],
    "exclude_unexpected_values": True,
    "partial_unexpected_count": LISTED_IDS,
}
GX_SEVERITY = {"stop": "critical", "warn": "warning"}
for name in ("great_expectations", "great_expectations.data_context.types.base"):
    logging.getLogger(name).setLevel(logging.ERROR)


class Checkpoints:
    """Runs suites in a context of Great Expectations that keeps nothing and calls nobody."""

    def __init__(self) -> None:
        self._context = gx.get_context(mode="ephemeral")
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        self._source = self._context.data_sources.add_spark("raw", persist=False)

    def run(self, entity: str, frame: DataFrame, suite: Sequence[Expected]) -> list[Result]:
        """Validate a frame of flags, as `RawRows.flags` makes it, against the entity's suite.

        Ids are asked for in a second run, of what failed, for they cost a Spark job each.
        Raises RuntimeError when Great Expectations could not evaluate an expectation.
        """
        rows = self._source.add_dataframe_asset(entity).add_batch_definition_whole_dataframe("rows")
        succeeded = self._run(entity, rows, frame, suite, {"result_format": "BOOLEAN_ONLY"})
        failed = [one for one in suite if not succeeded[one.fault]["success"]]
        details = self._run(f"{entity} failed", rows, frame, failed, FAILED_ROWS) if failed else {}
        return [
            _failure(one, details[one.fault]["result"]) if one in failed else Result(one)
            for one in suite
        ]

    def _run(
        self,
        name: str,
        rows: Any,
        frame: DataFrame,
        suite: Sequence[Expected],
        result_format: dict[str, Any],
    ) -> dict[str, dict[str, Any]]:
        """Return the results of a checkpoint by fault, in the JSON of Great Expectations."""
        expectations = [
            ExpectColumnValuesToBeNull(
                column=one.fault,
                severity=GX_SEVERITY[one.severity],
                meta={"rule": one.rule, "column": one.column, "severity": one.severity},
            )
            for one in suite
        ]
        definition = gx.ValidationDefinition(
            name=name,
            data=rows,
            suite=self._context.suites.add(gx.ExpectationSuite(name, expectations=expectations)),
        )
        checkpoint = gx.Checkpoint(
            name=name,
            validation_definitions=[self._context.validation_definitions.add(definition)],
            result_format=result_format,
        )
        ran = self._context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
        (validation,) = ran.run_results.values()
        results = {}
        for one in validation.results:
            result = one.to_json_dict()
            column = result["expectation_config"]["kwargs"]["column"]
            if result["exception_info"].get("raised_exception", True):
                raise RuntimeError(f"Great Expectations could not evaluate {name} {column}")
            results[column] = result
        return results


def _failure(expected: Expected, result: dict[str, Any]) -> Result:
    listed = result["partial_unexpected_index_list"]
    ids = [id_ for one in listed for id_ in one["id"]]
    return Result(expected, result["unexpected_count"], ids)
