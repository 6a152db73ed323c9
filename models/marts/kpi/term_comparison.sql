with kpi_values as (
    select * from {{ ref('kpi_values') }}
    where subgroup_type = 'all'
),

previous_terms as (
    select * from {{ ref('previous_terms') }}
),

-- The year before a year is both its previous one and a year earlier: it stands here once.
comparisons as (
    select
        school_year,
        term_id,
        'year_earlier' as comparison,
        school_year - 1 as earlier_school_year,
        year_earlier_term_id as earlier_term_id
    from previous_terms
    where year_earlier_term_id is not null
    union all
    select
        school_year,
        term_id,
        'previous_term' as comparison,
        previous_school_year as earlier_school_year,
        previous_term_id as earlier_term_id
    from previous_terms
    where term_id <> 'year' and previous_term_id is not null
),

final as (
    select
        kpi_values.kpi,
        kpi_values.grain,
        kpi_values.entity_id,
        kpi_values.school_year,
        kpi_values.term_id,
        comparisons.comparison,
        comparisons.earlier_school_year,
        comparisons.earlier_term_id,
        kpi_values.value as current_value,
        earlier.value as earlier_value,
        cast(kpi_values.value - earlier.value as decimal(18, 6)) as value_change,
        kpi_values.denominator,
        earlier.denominator as earlier_denominator
    from kpi_values
    inner join comparisons
        on kpi_values.school_year = comparisons.school_year
        and kpi_values.term_id = comparisons.term_id
    inner join kpi_values as earlier
        on kpi_values.kpi = earlier.kpi
        and kpi_values.grain = earlier.grain
        and kpi_values.entity_id = earlier.entity_id
        and comparisons.earlier_school_year = earlier.school_year
        and comparisons.earlier_term_id = earlier.term_id
)

select * from final
