with homework as (
    select * from {{ ref('fact_homework') }}
),

students as (
    select * from {{ ref('dim_student') }}
),

schools as (
    select * from {{ ref('dim_school') }}
),

periods as (
    select * from {{ ref('term_periods') }}
),

reporting_date as (
    select * from {{ ref('reporting_date') }}
),

-- Expected: due by the as-of date, and not excused.
expected as (
    select
        homework.student_id,
        homework.student_key,
        homework.course_id,
        homework.school_id,
        homework.school_key,
        homework.school_year,
        homework.term_id,
        count(*) as expected_count,
        sum(homework.submitted_flag) as submitted_count,
        count_if(homework.submitted_flag = 1 and homework.is_on_time) as on_time_count
    from homework
    cross join reporting_date
    where homework.due_date <= reporting_date.as_of_date and not homework.is_exempt
    group by all
),

final as (
    select
        expected.student_id,
        expected.course_id,
        expected.school_id,
        coalesce(schools.district_id, 'unknown') as district_id,
        coalesce(students.grade_level, 'unknown') as grade_level,
        expected.school_year,
        periods.period_id as term_id,
        sum(expected.expected_count) as expected_count,
        sum(expected.submitted_count) as submitted_count,
        sum(expected.on_time_count) as on_time_count
    from expected
    left join students on expected.student_key = students.student_key
    left join schools on expected.school_key = schools.school_key
    inner join periods on expected.term_id = periods.term_id
    group by
        expected.student_id, expected.course_id, expected.school_id, district_id, grade_level,
        expected.school_year, periods.period_id
)

select * from final
