-- Every KPI of kpi_values has a definition; every definition has a KPI where others of its mart and
-- family have. A letter on no scale (letters_are_on_the_scale names it) has no definition, and a
-- letter that nobody got has no row.
with counted as (
    select distinct kpi from {{ ref('kpi_values') }}
),

definitions as (
    select
        definitions.kpi,
        counted.kpi is not null as is_counted,
        bool_or(counted.kpi is not null) over (
            partition by definitions.mart, definitions.suppression_family
        ) as has_data
    from {{ ref('kpi_definitions') }} as definitions
    left join counted on definitions.kpi = counted.kpi
),

letters as (
    select distinct concat('letter_rate_', letter) as kpi from {{ ref('letter_grade_points') }}
)

select
    counted.kpi,
    'has no definition' as problem
from counted
left join definitions on counted.kpi = definitions.kpi
left join letters on counted.kpi = letters.kpi
where
    definitions.kpi is null
    and (counted.kpi not like 'letter_rate_%' or letters.kpi is not null)
union all
select
    kpi,
    'is defined and never counted' as problem
from definitions
where has_data and not is_counted and kpi not like 'letter_rate_%'
