with source as (
    select * from {{ source('raw', 'content_views') }}
),

cleaned as (
    select
        id as content_view_id,
        nullif(trim(student_id), '') as student_id,
        nullif(trim(content_id), '') as content_id,
        viewed_at,
        cast(viewed_at as date) as access_date,
        lower(nullif(trim(access_type), '')) as access_type,
        access_count,
        is_active,
        created_at,
        updated_at,
        effective_at,
        source_system,
        batch_id
    from source
),

final as (
    select
        {{ surrogate_key(['student_id', 'content_id', 'access_date', 'access_type']) }}
            as content_access_key,
        *
    from cleaned
)

select * from final
