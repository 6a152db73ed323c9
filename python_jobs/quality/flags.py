"""The rows of a raw table, each with the rules that it breaks, and nothing of what it says."""

from functools import reduce

from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from python_jobs.landing.oneroster_checks import all_roles, landed_roles, school_dates
from python_jobs.quality.suites import COPIES, REFERENCES, ROLES_OF_USER, Expected, known, suite


class RawRows:
    """The active rows of raw, and what they may refer to; ids that many tables name are kept.

    Call `release` when done.
    """

    def __init__(self, spark: SparkSession) -> None:
        self.spark = spark
        self._school_dates = school_dates(spark.table("raw.terms").select("start_date", "end_date"))
        self._kept: list[DataFrame] = []
        targets = {target.rstrip("?") for one in REFERENCES.values() for target in one.values()}
        self._ids = {
            target: self._keep(spark.table(f"raw.{target}").select("id").distinct())
            for target in sorted(targets)
        }

    def suite(self, entity: str) -> list[Expected]:
        """Return the rules that hold for the entity in this warehouse."""
        return suite(entity, self._school_dates)

    def flags(self, entity: str, after: int | None) -> DataFrame:
        """Return id, and per rule of the entity's suite a column named by its fault.

        after: only rows of later batches; None: all. A flag is true where the row breaks the rule,
        else null. The frame is kept, for it is read several times.
        """
        rows = self._rows(entity, after)
        joins = []
        if entity == "enrollments":
            roles = all_roles(landed_roles(self.spark)).toDF("_role_of", ROLES_OF_USER)
            joins.append((roles, "user_id", "_role_of"))
        for column, target in REFERENCES[entity].items():
            joins.append((self._ids[target.rstrip("?")].toDF(known(column)), column, known(column)))
        joined = reduce(
            lambda frame, join: frame.join(join[0], F.col(join[1]) == F.col(join[2]), "left"),
            joins,
            rows,
        )
        return self._keep(
            joined.selectExpr(
                "id",
                *[f"if({one.broken}, true, null) as `{one.fault}`" for one in self.suite(entity)],
            )
        )

    def release(self) -> None:
        """Free what was kept."""
        for frame in self._kept:
            frame.unpersist()

    def _rows(self, entity: str, after: int | None) -> DataFrame:
        """Return the active rows of batches after that one, with how many rows have their id."""
        rows = self.spark.table(f"raw.{entity}")
        is_new = F.lit(True)
        if after is not None:
            is_new = F.expr(f"coalesce(batch_id > {after}, true)")
            new = rows.where(is_new).select(F.col("id").alias("_new_id"))
            rows = rows.join(new, F.col("id").eqNullSafe(F.col("_new_id")), "left_semi")
        copies = F.count("id").over(Window.partitionBy("id"))
        return rows.withColumn(COPIES, copies).where(is_new & F.col("is_active"))

    def _keep(self, frame: DataFrame) -> DataFrame:
        self._kept.append(frame.persist())
        return frame
