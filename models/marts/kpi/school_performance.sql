with performance as (
    select * from {{ ref('performance') }}
    where grain = 'school'
),

final as (
    select
        entity_id as school_id,
        school_year,
        term_id,
        student_count,
        graded_count,
        avg_grade_percent,
        letter_count,
        avg_grade_points,
        a_b_count,
        a_b_rate,
        d_f_count,
        d_f_rate,
        expected_count,
        submitted_count,
        homework_submission_rate,
        recorded_day_count,
        attended_day_count,
        attendance_rate,
        avg_grade_percent_change
    from performance
)

select * from final
