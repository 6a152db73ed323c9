with batches as (
    select * from {{ ref('stg_batches') }}
),

final as (
    select
        {%- if var('as_of') %}
        date '{{ var("as_of") }}' as as_of_date
        {%- else %}
        cast(max(as_of) as date) as as_of_date
        {%- endif %}
    from batches
)

select * from final
