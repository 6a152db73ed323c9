-- A student is in one group of each type: groups add up to the school or district, exactly, in
-- numerator, denominator and students. Fails once per KPI, grain and type.
with kpi_values as (
    select * from {{ ref('kpi_values') }}
    where grain in ('school', 'district')
),

wholes as (
    select * from kpi_values
    where subgroup_type = 'all' and (student_count > 0 or denominator is null)
),

subgroup_types as (
    select distinct
        kpi,
        subgroup_type
    from kpi_values
    where subgroup_type <> 'all'
),

sums as (
    select
        kpi,
        grain,
        entity_id,
        subgroup_type,
        school_year,
        term_id,
        sum(numerator) as numerator,
        sum(denominator) as denominator,
        sum(student_count) as student_count,
        sum(numerator_student_count) as numerator_student_count
    from kpi_values
    where subgroup_type <> 'all'
    group by all
),

expected as (
    select
        wholes.kpi,
        wholes.grain,
        wholes.entity_id,
        wholes.school_year,
        wholes.term_id,
        wholes.numerator,
        wholes.denominator,
        wholes.student_count,
        wholes.numerator_student_count,
        subgroup_types.subgroup_type
    from wholes
    inner join subgroup_types on wholes.kpi = subgroup_types.kpi
)

select
    coalesce(expected.kpi, sums.kpi) as kpi,
    coalesce(expected.grain, sums.grain) as grain,
    coalesce(expected.subgroup_type, sums.subgroup_type) as subgroup_type,
    count(*) as entity_count
from expected
full outer join sums
    on expected.kpi = sums.kpi
    and expected.grain = sums.grain
    and expected.entity_id = sums.entity_id
    and expected.subgroup_type = sums.subgroup_type
    and expected.school_year = sums.school_year
    and expected.term_id = sums.term_id
where
    not (
        expected.numerator <=> sums.numerator
        and expected.denominator <=> sums.denominator
        and expected.student_count <=> sums.student_count
        and expected.numerator_student_count <=> sums.numerator_student_count
    )
group by all
