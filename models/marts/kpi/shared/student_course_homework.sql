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
final as (
    select
        homework.student_id,
        homework.course_id,
        homework.school_id,
        coalesce(schools.district_id, 'unknown') as district_id,
        coalesce(students.grade_level, 'unknown') as grade_level,
        homework.school_year,
        periods.period_id as term_id,
        count(*) as expected_count,
        sum(homework.submitted_flag) as submitted_count,
        count_if(homework.submitted_flag = 1 and homework.is_on_time) as on_time_count
    from homework
    cross join reporting_date
    left join students on homework.student_key = students.student_key
    left join schools on homework.school_key = schools.school_key
    inner join periods on homework.term_id = periods.term_id
    where homework.due_date <= reporting_date.as_of_date and not homework.is_exempt
    group by
        homework.student_id, homework.course_id, homework.school_id, district_id, grade_level,
        homework.school_year, periods.period_id
)

select * from final
