with result_summary as (
    select * from {{ ref('result_summary') }}
    where grain = 'teacher'
),

final as (
    select
        entity_id as teacher_id,
        school_year,
        term_id,
        student_count,
        cast(graded_count as decimal(18, 6)) as graded_count,
        cast(missing_count as decimal(18, 6)) as missing_count,
        cast(letter_count as decimal(18, 6)) as letter_count,
        cast(percent_sum as decimal(18, 6)) as percent_sum,
        cast(points_sum as decimal(18, 6)) as points_sum,
        avg_grade_percent,
        avg_grade_points,
        avg_grade_percent_with_missing_as_zero,
        avg_grade_points_with_missing_as_zero
    from result_summary
)

select * from final
