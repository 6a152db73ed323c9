{{ config(materialized='view') }}

with course_results as (
    select * from {{ ref('student_course_results') }}
),

homework as (
    select
        *,
        {{ school_and_district() }}
    from {{ ref('student_course_homework') }}
),

attendance as (
    select
        *,
        {{ school_and_district() }}
    from {{ ref('student_attendance') }}
),

-- Per school first: most students have one, so that few rows stand for its district too.
school_results as (
    select
        student_id,
        school_id,
        district_id,
        school_year,
        term_id,
        sum(graded_count) as graded_count,
        sum(missing_count) as missing_count,
        sum(letter_count) as letter_count,
        sum(percent_sum) as percent_sum,
        sum(points_sum) as points_sum,
        sum(a_b_count) as a_b_count,
        sum(d_f_count) as d_f_count
    from course_results
    group by student_id, school_id, district_id, school_year, term_id
),

results as (
    select
        *,
        {{ school_and_district() }}
    from school_results
),

student_results as (
    select
        grain,
        entity_id,
        student_id,
        school_year,
        term_id,
        sum(graded_count) as graded_count,
        sum(graded_count + missing_count) as graded_or_missing_count,
        sum(letter_count) as letter_count,
        sum(letter_count + missing_count) as letter_or_missing_count,
        cast(coalesce(sum(percent_sum), 0) as decimal(18, 6)) as percent_sum,
        cast(coalesce(sum(points_sum), 0) as decimal(18, 6)) as points_sum,
        sum(a_b_count) as a_b_count,
        sum(d_f_count) as d_f_count
    from results
    group by grain, entity_id, student_id, school_year, term_id
),

student_homework as (
    select
        grain,
        entity_id,
        student_id,
        school_year,
        term_id,
        sum(expected_count) as expected_count,
        sum(submitted_count) as submitted_count,
        sum(on_time_count) as on_time_count
    from homework
    group by grain, entity_id, student_id, school_year, term_id
),

student_days as (
    select
        grain,
        entity_id,
        student_id,
        school_year,
        term_id,
        sum(recorded_day_count) as recorded_day_count,
        sum(recorded_day_count - absent_day_count) as attended_day_count
    from attendance
    group by grain, entity_id, student_id, school_year, term_id
),

amounts as (
    select
        grain,
        entity_id,
        student_id,
        school_year,
        term_id,
        stack(
            6,
            'avg_grade_percent', percent_sum, graded_count, cast(null as boolean),
            'avg_grade_percent_with_missing_as_zero', percent_sum,
            graded_or_missing_count, cast(null as boolean),
            'avg_grade_points', points_sum, letter_count, cast(null as boolean),
            'avg_grade_points_with_missing_as_zero', points_sum,
            letter_or_missing_count, cast(null as boolean),
            'a_b_rate', cast(a_b_count as decimal(18, 6)), letter_count, a_b_count > 0,
            'd_f_rate', cast(d_f_count as decimal(18, 6)), letter_count, d_f_count > 0
        ) as (kpi, numerator, denominator, is_numerator_student)
    from student_results
    union all
    select
        grain,
        entity_id,
        student_id,
        school_year,
        term_id,
        stack(
            2,
            'homework_submission_rate', cast(submitted_count as decimal(18, 6)),
            expected_count, submitted_count > 0,
            'homework_on_time_rate', cast(on_time_count as decimal(18, 6)),
            expected_count, on_time_count > 0
        ) as (kpi, numerator, denominator, is_numerator_student)
    from student_homework
    union all
    select
        grain,
        entity_id,
        student_id,
        school_year,
        term_id,
        'attendance_rate' as kpi,
        cast(attended_day_count as decimal(18, 6)) as numerator,
        recorded_day_count as denominator,
        cast(null as boolean) as is_numerator_student
    from student_days
),

final as (
    select * from amounts
    where denominator > 0
)

select * from final
