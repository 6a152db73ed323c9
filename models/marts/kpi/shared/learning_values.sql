{{ config(materialized='view') }}

with results as (
    select * from {{ ref('result_summary') }}
),

homework as (
    select * from {{ ref('homework_submission_rate') }}
    where grain <> 'student_course'
),

attendance as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        student_count,
        recorded_day_count,
        attended_day_count,
        attendance_rate
    from {{ ref('attendance_rate') }}
    union all
    select
        'school_week' as grain,
        school_week_id as entity_id,
        school_year,
        'year' as term_id,
        student_count,
        recorded_day_count,
        attended_day_count,
        attendance_rate
    from {{ ref('attendance_by_week') }}
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
            graded_student_count, cast(null as bigint),
            'avg_grade_percent_with_missing_as_zero', percent_sum,
            graded_or_missing_count, avg_grade_percent_with_missing_as_zero,
            graded_or_missing_student_count, cast(null as bigint),
            'avg_grade_points', points_sum, letter_count, avg_grade_points,
            letter_student_count, cast(null as bigint),
            'avg_grade_points_with_missing_as_zero', points_sum,
            letter_or_missing_count, avg_grade_points_with_missing_as_zero,
            letter_or_missing_student_count, cast(null as bigint),
            'a_b_rate', a_b_count, letter_count, a_b_rate,
            letter_student_count, a_b_student_count,
            'd_f_rate', d_f_count, letter_count, d_f_rate,
            letter_student_count, d_f_student_count
        ) as (kpi, numerator, denominator, kpi_value, student_count, numerator_student_count)
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
            'homework_submission_rate', submitted_count, expected_count,
            homework_submission_rate, student_count, submitted_student_count,
            'homework_on_time_rate', on_time_count, expected_count,
            homework_on_time_rate, student_count, on_time_student_count
        ) as (kpi, numerator, denominator, kpi_value, student_count, numerator_student_count)
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
        attendance_rate as kpi_value,
        student_count,
        cast(null as bigint) as numerator_student_count
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
        letter_rate as kpi_value,
        student_count,
        letter_student_count as numerator_student_count
    from distribution
    union all
    select distinct
        grain,
        entity_id,
        school_year,
        term_id,
        'result_count' as kpi,
        result_count as numerator,
        cast(null as bigint) as denominator,
        cast(result_count as decimal(18, 6)) as kpi_value,
        student_count,
        student_count as numerator_student_count
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
