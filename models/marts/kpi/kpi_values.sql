with learning_values as (
    select * from {{ ref('learning_values') }}
),

service_values as (
    select * from {{ ref('service_values') }}
),

combined as (
    select * from learning_values
    union all
    select * from service_values
),

final as (
    select
        kpi,
        grain,
        entity_id,
        school_year,
        term_id,
        cast(numerator as decimal(18, 6)) as numerator,
        cast(denominator as decimal(18, 6)) as denominator,
        cast(kpi_value as decimal(18, 6)) as value -- noqa: RF04
    from combined
)

select * from final
