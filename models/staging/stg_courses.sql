with source as (
    select * from {{ source('raw', 'courses') }}
),

final as (
    select
        id as course_id,
        nullif(trim(name), '') as course_name,
        nullif(trim(course_code), '') as course_code,
        nullif(trim(subject), '') as subject,
        lower(nullif(trim(level), '')) as level,
        credits,
        nullif(trim(school_id), '') as school_id,
        nullif(trim(teacher_id), '') as teacher_id,
        term_ids,
        grade_levels,
        is_active,
        created_at,
        updated_at,
        effective_at,
        source_system,
        batch_id
    from source
)

select * from final
