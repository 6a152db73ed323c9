with source as (
    select * from {{ source('raw', 'adjustments') }}
),

final as (
    select
        id as adjustment_id,
        nullif(trim(student_id), '') as student_id,
        nullif(trim(course_id), '') as course_id,
        nullif(trim(other_course_id), '') as other_course_id,
        lower(nullif(trim(action), '')) as action,
        occurred_at,
        is_active,
        created_at,
        updated_at,
        effective_at,
        source_system,
        batch_id
    from source
)

select * from final
