with source as (
    select * from {{ source('raw', 'grades') }}
),

final as (
    select
        id as grade_id,
        nullif(trim(assignment_id), '') as assignment_id,
        nullif(trim(student_id), '') as student_id,
        nullif(trim(course_id), '') as course_id,
        nullif(trim(term_id), '') as term_id,
        graded_at,
        points_earned,
        points_possible,
        nullif(upper(translate(trim(letter), '−– ', '--')), '') as letter,
        lower(nullif(trim(status), '')) as status,
        nullif(trim(comment), '') as comment,
        is_active,
        created_at,
        updated_at,
        effective_at,
        source_system,
        batch_id
    from source
)

select * from final
