with contents as (
    select
        {{ surrogate_key(['content_id']) }} as content_key,
        content_id,
        coalesce(course_id, 'unknown') as course_id,
        coalesce(teacher_id, 'unknown') as teacher_id,
        title,
        content_type,
        file_type,
        cast(created_at as date) as created_date,
        is_active,
        batch_id
    from {{ ref('stg_contents') }}
),

unknown_member as (
    select
        cast(-1 as bigint) as content_key,
        'unknown' as content_id,
        'unknown' as course_id,
        'unknown' as teacher_id,
        'unknown' as title,
        'unknown' as content_type,
        cast(null as string) as file_type,
        cast(null as date) as created_date,
        true as is_active,
        cast(0 as bigint) as batch_id
),

final as (
    select * from contents
    union all
    select * from unknown_member
)

select * from final
