{{ config(materialized='view') }}

-- A mart of students adds its KPIs here: one more CTE, in the columns of the others. Where no mart
-- counts whole schools and districts, has_total is false and subgroup_values counts them.
with learning as (
    select
        *,
        true as has_total
    from {{ ref('student_learning_values') }}
),

services as (
    select
        *,
        true as has_total
    from {{ ref('student_service_values') }}
),

outcomes as (
    select
        *,
        false as has_total
    from {{ ref('student_outcome_values') }}
),

combined as (
    select * from learning
    union all
    select * from services
    union all
    select * from outcomes
),

final as (
    select
        grain,
        entity_id,
        student_id,
        school_year,
        term_id,
        kpi,
        cast(numerator as decimal(18, 6)) as numerator,
        denominator,
        is_numerator_student,
        has_total
    from combined
)

select * from final
