"""What moved between two releases, by how much, and why."""

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from python_jobs.console import out, print_table
from python_jobs.landing.forgotten import FORGOTTEN
from python_jobs.release_tables import KEY, facts_behind

KPI_KEY = ["kpi", *KEY]
AMOUNTS = ["numerator", "denominator", "value"]
LARGEST = 20


def values_that_differ(before: DataFrame, after: DataFrame) -> DataFrame:
    """Return the cells of kpi_values whose published amounts differ, in either direction.

    Returns KPI_KEY, the amounts with _before and _after, and suppression_before and _after.
    """
    columns = [*AMOUNTS, "suppression"]
    sides = [
        frame.select(*KPI_KEY, *[frame[name].alias(f"{name}_{side}") for name in columns])
        for frame, side in ((before, "before"), (after, "after"))
    ]
    differs = " or ".join(f"not {name}_before <=> {name}_after" for name in columns)
    return sides[0].join(sides[1], KPI_KEY, "full_outer").where(differs)


def show_values(moved: DataFrame) -> None:
    """Print the largest changes of values."""
    rows = (
        moved.selectExpr(
            *KPI_KEY, "value_before", "value_after", "value_after - value_before as change"
        )
        .orderBy(F.abs("change").desc_nulls_last(), *KPI_KEY)
        .limit(LARGEST)
        .collect()
    )
    print_table(f"Values that move (up to {LARGEST})", list(rows[0].asDict()) if rows else [], rows)


def changed_values(spark: SparkSession, first: int, second: int) -> DataFrame:
    """Return the cells that differ between two releases with a reason.

    reason: 'definition' (its SQL, a seed or a var changed), else what happened to the facts that
    the KPI is made of in that school year, and school where the cell is one: 'corrected rows',
    'new rows', 'removed rows'; 'hidden cells' when only what is hidden differs; 'other' else, or
    when its facts are no longer there: somebody was forgotten since the first release, or Delta has
    cleaned their log.
    """
    values = spark.table("releases.kpi_values")
    moved = values_that_differ(
        values.where(f"release_id = {first}"), values.where(f"release_id = {second}")
    )
    moved.createOrReplaceTempView("moved_values")
    definitions = spark.sql(
        f"""
        select later.table_name as kpi
        from releases.log as earlier
        inner join releases.log as later
            on later.table_name = earlier.table_name and later.release_id = {second}
        where
            earlier.release_id = {first} and earlier.row_count is null
            and earlier.definition <> later.definition
        """
    )
    definitions.createOrReplaceTempView("changed_definitions")
    _fact_changes(spark, first, second).createOrReplaceTempView("changed_facts")
    return spark.sql(
        """
        select
            moved_values.*,
            value_after - value_before as change,
            case
                when changed_definitions.kpi is not null then 'definition'
                when (
                    numerator_before is null and suppression_before is not null
                    or numerator_after is null and suppression_after is not null
                ) and coalesce(denominator_before = denominator_after, true) then 'hidden cells'
                when corrected > 0 then 'corrected rows'
                when removed > 0 then 'removed rows'
                when added > 0 then 'new rows'
                else 'other'
            end as reason,
            coalesce(added, 0) as new_rows,
            coalesce(corrected, 0) as corrected_rows,
            coalesce(removed, 0) as removed_rows
        from moved_values
        left join changed_definitions on moved_values.kpi = changed_definitions.kpi
        left join changed_facts
            on moved_values.kpi = changed_facts.kpi
            and moved_values.school_year = changed_facts.school_year
            and if(moved_values.grain = 'school', moved_values.entity_id, 'all')
            = changed_facts.school_id
        """
    )


def _fact_changes(spark: SparkSession, first: int, second: int) -> DataFrame:
    """Return, per KPI, school year and school ('all' too), how many rows of its facts changed."""
    if spark.catalog.tableExists(FORGOTTEN):
        vacuumed = spark.sql(
            f"""
            select 1 from {FORGOTTEN}
            where forgotten_at > (
                select min(released_at) from releases.log where release_id = {first}
            )
            """
        )
        facts_are_there = vacuumed.isEmpty()
    else:
        facts_are_there = True
    log = spark.sql(
        f"""
        select source, min_by(version, release_id) as first, max_by(version, release_id) as second
        from releases.log
        where release_id in ({first}, {second}) and row_count is null and {facts_are_there}
        group by source
        having first <> second
        """
    ).collect()
    kpis = [row.kpi for row in spark.sql("select kpi from reference.kpi_definitions").collect()]
    facts_of = {kpi: {node.name: node for node in facts_behind(kpi)} for kpi in kpis}
    nodes = {name: node for facts in facts_of.values() for name, node in facts.items()}
    queries = []
    for row in log:
        name = row.source.split(".")[1]
        if name not in nodes or not _can_be_read(spark, row.source, (row.first, row.second)):
            continue
        key = nodes[name].config.unique_key
        said = [column for column in nodes[name].columns if column != "batch_id"]
        earlier, later = (
            f"struct({', '.join(f'{side}.{column}' for column in said)})"
            for side in ("earlier", "later")
        )
        school = "school_id" if "school_id" in nodes[name].columns else "'all'"
        queries.append(
            f"""
            select
                '{name}' as fact, school_year, {school} as school_id,
                count_if(earlier_key is null) as added,
                count_if(earlier_key is not null and later_key is not null) as corrected,
                count_if(later_key is null) as removed
            from (
                select
                    coalesce(later.school_year, earlier.school_year) as school_year,
                    coalesce(later.school_id, earlier.school_id) as school_id,
                    earlier.{key} as earlier_key, later.{key} as later_key
                from {row.source} version as of {row.first} as earlier
                full outer join {row.source} version as of {row.second} as later
                    on earlier.{key} = later.{key}
                where
                    earlier.{key} is null or later.{key} is null
                    or not {earlier} <=> {later}
            )
            group by all
            """
        )
    pairs = ", ".join(f"('{kpi}', '{fact}')" for kpi, facts in facts_of.items() for fact in facts)
    nothing = (
        "select '' as fact, 0 as school_year, '' as school_id, "
        "0 as added, 0 as corrected, 0 as removed where false"
    )
    return spark.sql(
        f"""
        select
            kpi, changes.school_year,
            coalesce(changes.school_id, 'all') as school_id,
            sum(added) as added, sum(corrected) as corrected, sum(removed) as removed
        from ({" union all ".join(queries) or nothing}) as changes
        inner join (values {pairs} as behind (kpi, fact)) using (fact)
        group by grouping sets (
            (kpi, changes.school_year, changes.school_id),
            (kpi, changes.school_year)
        )
        """
    )


def _can_be_read(spark: SparkSession, table: str, versions: tuple[int, int]) -> bool:
    """Return false when Delta's log has been cleaned, or old files are gone."""
    try:
        for version in versions:
            spark.sql(f"select 1 from {table} version as of {version} limit 1").collect()
    except PySparkException:
        return False
    return True


def show_changes(spark: SparkSession, first: int, second: int) -> None:
    """Print how many numbers of each KPI moved and why, and the largest moves."""
    moved = changed_values(spark, first, second).cache()
    rows = (
        moved.groupBy("kpi", "reason")
        .agg({"*": "count", "new_rows": "max", "corrected_rows": "max", "removed_rows": "max"})
        .selectExpr(
            "kpi",
            "reason",
            "`count(1)`",
            "`max(new_rows)`",
            "`max(corrected_rows)`",
            "`max(removed_rows)`",
        )
        .orderBy("kpi", "reason")
        .collect()
    )
    if not rows:
        out.print(f"No published number differs between release {first} and {second}.")
        return
    header = ["KPI", "reason", "cells", "new rows", "corrected", "removed"]
    print_table(f"Numbers that moved from release {first} to {second}", header, rows)
    show_values(moved)
    moved.unpersist()
