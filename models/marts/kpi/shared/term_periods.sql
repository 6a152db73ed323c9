{{ config(materialized='view') }}

with terms as (
    select * from {{ ref('dim_term') }}
),

-- What belongs to no reporting term, as a result of the school year, stands in the year row only.
final as (
    select
        term_id,
        term_id as period_id
    from terms
    where is_reporting_term
    union all
    select
        term_id,
        'year' as period_id
    from terms
)

select * from final
