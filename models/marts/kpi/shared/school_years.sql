{{ config(materialized='view') }}

with terms as (
    select * from {{ ref('dim_term') }}
    where term_id <> 'unknown'
),

reporting_date as (
    select * from {{ ref('reporting_date') }}
),

-- Marks may be older than the first term landed: 13 years hold a student's time at school.
bounds as (
    select
        min(school_year) - 13 as first_year,
        max(school_year) + 1 as last_year
    from terms
),

years as (
    select explode(sequence(first_year, last_year)) as school_year
    from bounds
),

last_days as (
    select
        years.school_year,
        coalesce(max(terms.end_date), make_date(years.school_year, 6, 30)) as end_date
    from years
    left join terms on years.school_year = terms.school_year
    group by years.school_year
),

final as (
    select
        last_days.school_year,
        last_days.end_date,
        least(last_days.end_date, reporting_date.as_of_date) as rule_date,
        last_days.end_date <= reporting_date.as_of_date as is_ended
    from last_days
    cross join reporting_date
)

select * from final
