{{ config(materialized='view') }}

with cuts as (
    select * from {{ ref('cut_dates') }}
),

days as (
    select
        *,
        explode(sequence(year_start_date, cut_date)) as calendar_date
    from cuts
    where year_start_date <= cut_date
),

final as (
    select
        cut_id,
        calendar_date,
        cut_date,
        term_id,
        calendar_date >= recent_start_date as is_recent
    from days
)

select * from final
