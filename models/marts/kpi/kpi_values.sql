with mart_values as (
    select * from {{ ref('learning_values') }}
    union all
    select * from {{ ref('service_values') }}
    union all
    select * from {{ ref('outcome_values') }}
),

subgroup_values as (
    select * from {{ ref('subgroup_values') }}
),

combined as (
    select
        kpi,
        grain,
        entity_id,
        'all' as subgroup_type,
        'all' as subgroup,
        school_year,
        term_id,
        numerator,
        denominator,
        kpi_value,
        student_count,
        numerator_student_count
    from mart_values
    union all
    select
        kpi,
        grain,
        entity_id,
        subgroup_type,
        subgroup,
        school_year,
        term_id,
        numerator,
        denominator,
        kpi_value,
        student_count,
        numerator_student_count
    from subgroup_values
),

final as (
    select
        kpi,
        grain,
        entity_id,
        subgroup_type,
        subgroup,
        school_year,
        term_id,
        cast(numerator as decimal(18, 6)) as numerator,
        cast(denominator as decimal(18, 6)) as denominator,
        cast(kpi_value as decimal(18, 6)) as value, -- noqa: RF04
        student_count,
        numerator_student_count
    from combined
)

select * from final
