{{ config(materialized='view') }}

-- noqa: disable=ST07
-- (USING: a full outer join then has one key, not two)
with enrolled_students as (
    select * from {{ ref('enrolled_students') }}
    where grain in ('school', 'subject')
),

result_summary as (
    select * from {{ ref('result_summary') }}
    where grain in ('school', 'subject')
),

homework as (
    select * from {{ ref('homework_submission_rate') }}
    where grain in ('school', 'subject')
),

attendance as (
    select * from {{ ref('attendance_rate') }}
    where grain in ('school', 'subject')
),

previous_terms as (
    select * from {{ ref('previous_terms') }}
),

joined as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        coalesce(enrolled_students.student_count, 0) as student_count,
        cast(coalesce(result_summary.graded_count, 0) as bigint) as graded_count,
        result_summary.avg_grade_percent,
        cast(coalesce(result_summary.letter_count, 0) as bigint) as letter_count,
        result_summary.avg_grade_points,
        cast(coalesce(result_summary.a_b_count, 0) as bigint) as a_b_count,
        result_summary.a_b_rate,
        cast(coalesce(result_summary.d_f_count, 0) as bigint) as d_f_count,
        result_summary.d_f_rate,
        cast(coalesce(homework.expected_count, 0) as bigint) as expected_count,
        cast(coalesce(homework.submitted_count, 0) as bigint) as submitted_count,
        homework.homework_submission_rate,
        coalesce(attendance.recorded_day_count, 0) as recorded_day_count,
        coalesce(attendance.attended_day_count, 0) as attended_day_count,
        attendance.attendance_rate
    from enrolled_students
    full outer join result_summary using (grain, entity_id, school_year, term_id)
    full outer join homework using (grain, entity_id, school_year, term_id)
    full outer join attendance using (grain, entity_id, school_year, term_id)
),

final as (
    select
        joined.*,
        cast(joined.avg_grade_percent - earlier.avg_grade_percent as decimal(18, 6))
            as avg_grade_percent_change
    from joined
    left join previous_terms
        on joined.school_year = previous_terms.school_year
        and joined.term_id = previous_terms.term_id
    left join joined as earlier
        on joined.grain = earlier.grain
        and joined.entity_id = earlier.entity_id
        and previous_terms.previous_school_year = earlier.school_year
        and previous_terms.previous_term_id = earlier.term_id
)

select * from final
