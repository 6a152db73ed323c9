-- The variable jurisdiction names one that a seed knows; a misspelt one would mean the defaults.
with jurisdictions as (
    select jurisdiction from {{ ref('kpi_thresholds') }}
    union all
    select jurisdiction from {{ ref('letter_grade_bands') }}
    union all
    select jurisdiction from {{ ref('letter_grade_points') }}
    union all
    select jurisdiction from {{ ref('school_holidays') }}
),

found as (
    select count(*) as found_count from jurisdictions
    where jurisdiction = '{{ var("jurisdiction") }}'
)

select
    'dbt_project.yml' as seed,
    'jurisdiction {{ var("jurisdiction") }}' as place,
    'is in no seed' as problem,
    'correct the variable, or add rows of it to seeds/kpi_thresholds.csv' as remedy
from found
where found_count = 0 and '{{ var("jurisdiction") }}' <> 'default'
