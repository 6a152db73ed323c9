with marks as (
    select * from {{ ref('course_marks') }}
    where is_failed
),

final as (
    select
        student_id,
        course_id,
        teacher_id,
        school_id,
        district_id,
        subject_area,
        is_core_subject,
        school_year,
        term_id
    from marks
)

select * from final
