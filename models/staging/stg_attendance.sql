with source as (
    select * from {{ source('raw', 'attendance') }}
),

cleaned as (
    select
        id as attendance_id,
        nullif(trim(student_id), '') as student_id,
        nullif(trim(school_id), '') as school_id,
        nullif(trim(course_id), '') as course_id,
        date as attendance_date,
        lower(nullif(trim(status), '')) as status,
        absent_fraction,
        is_excused,
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
        {{ surrogate_key(['student_id', 'school_id', 'attendance_date']) }}
            as attendance_key,
        *
    from cleaned
)

select * from final
