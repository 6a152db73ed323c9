with source as (
    select * from {{ source('raw', 'assignments') }}
),

final as (
    select
        id as assignment_id,
        nullif(trim(course_id), '') as course_id,
        nullif(trim(term_id), '') as term_id,
        nullif(trim(title), '') as title,
        lower(nullif(trim(category), '')) as category,
        assigned_date,
        due_date,
        points_possible,
        is_homework,
        is_active,
        created_at,
        updated_at,
        effective_at,
        source_system,
        batch_id
    from source
)

select * from final
