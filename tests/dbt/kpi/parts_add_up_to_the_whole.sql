-- The numerators of the parts (kpi_definitions.part_of) add up to the numerator of the whole.
-- Fails once per whole and grain.
with kpi_values as (
    select * from {{ ref('kpi_values') }}
    where subgroup_type = 'all'
),

definitions as (
    select * from {{ ref('kpi_definitions') }}
),

parts as (
    select
        definitions.part_of as kpi,
        kpi_values.grain,
        kpi_values.entity_id,
        kpi_values.school_year,
        kpi_values.term_id,
        sum(kpi_values.numerator) as numerator
    from kpi_values
    inner join definitions on kpi_values.kpi = definitions.kpi
    where definitions.part_of is not null
    group by all
),

wholes as (
    select * from kpi_values
    where kpi in (select definitions.part_of from definitions)
)

select
    wholes.kpi,
    wholes.grain,
    count(*) as entity_count
from wholes
left join parts
    on wholes.kpi = parts.kpi
    and wholes.grain = parts.grain
    and wholes.entity_id = parts.entity_id
    and wholes.school_year = parts.school_year
    and wholes.term_id = parts.term_id
where not wholes.numerator <=> parts.numerator
group by wholes.kpi, wholes.grain
