with batches as (
    select * from {{ ref('stg_batches') }}
),

final as (
    select
        cast({{ "'" ~ var('as_of') ~ "'" if var('as_of') else 'max(as_of)' }} as date) as as_of_date
    from batches
)

select * from final
