with source as (
    select * from {{ source('raw', 'batches') }}
),

final as (
    select
        batch_id,
        source_system,
        kind,
        file,
        entity,
        is_complete,
        as_of,
        landed_at,
        rows_read,
        rows_released,
        rows_landed,
        rows_unchanged,
        rows_rejected,
        rows_ended,
        rows_missing,
        rows_warned,
        parameters
    from source
)

select * from final
