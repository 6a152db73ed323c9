{{ config(materialized='view') }}

with results as (
    select * from {{ ref('result_summary') }}
),

homework as (
    select * from {{ ref('homework_submission_rate') }}
    where grain <> 'student_course'
),

attendance as (
    select * from {{ ref('attendance_rate') }}
),

distribution as (
    select * from {{ ref('grade_distribution') }}
),

result_values as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        stack(
            6,
            'avg_grade_percent', percent_sum, graded_count, avg_grade_percent,
            'avg_grade_percent_with_missing_as_zero', percent_sum,
            graded_or_missing_count, avg_grade_percent_with_missing_as_zero,
            'avg_grade_points', points_sum, letter_count, avg_grade_points,
            'avg_grade_points_with_missing_as_zero', points_sum,
            letter_or_missing_count, avg_grade_points_with_missing_as_zero,
            'a_b_rate', a_b_count, letter_count, a_b_rate,
            'd_f_rate', d_f_count, letter_count, d_f_rate
        ) as (kpi, numerator, denominator, kpi_value)
    from results
),

homework_values as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        stack(
            2,
            'homework_submission_rate', submitted_count, expected_count, homework_submission_rate,
            'homework_on_time_rate', on_time_count, expected_count, homework_on_time_rate
        ) as (kpi, numerator, denominator, kpi_value)
    from homework
),

attendance_values as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        'attendance_rate' as kpi,
        attended_day_count as numerator,
        recorded_day_count as denominator,
        attendance_rate as kpi_value
    from attendance
),

letter_values as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        concat('letter_rate_', grade_letter) as kpi,
        letter_count as numerator,
        result_count as denominator,
        letter_rate as kpi_value
    from distribution
),

final as (
    select * from result_values
    union all
    select * from homework_values
    union all
    select * from attendance_values
    union all
    select * from letter_values
)

select * from final
