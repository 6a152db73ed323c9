with source as (
    select * from {{ source('raw', 'contents') }}
),

final as (
    select
        id as content_id,
        nullif(trim(course_id), '') as course_id,
        nullif(trim(teacher_id), '') as teacher_id,
        nullif(trim(title), '') as title,
        lower(nullif(trim(content_type), '')) as content_type,
        lower(nullif(trim(file_type), '')) as file_type,
        is_active,
        created_at,
        updated_at,
        effective_at,
        source_system,
        batch_id
    from source
)

select * from final
