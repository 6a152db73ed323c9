with source as (
    select * from {{ source('raw', 'homeworks') }}
),

cleaned as (
    select
        id as homework_id,
        nullif(trim(assignment_id), '') as assignment_id,
        nullif(trim(student_id), '') as student_id,
        nullif(trim(course_id), '') as course_id,
        lower(nullif(trim(status), '')) as status,
        submitted_at,
        is_late,
        lower(nullif(trim(file_type), '')) as file_type,
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
        {{ surrogate_key(['student_id', 'assignment_id']) }}
            as homework_key,
        *
    from cleaned
)

select * from final
