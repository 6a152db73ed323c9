with results as (
    select * from {{ ref('fact_grade') }}
    where assignment_id is not null
),

assignments as (
    select * from {{ ref('dim_assignment') }}
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

marked_results as (
    select
        results.student_id,
        results.course_id,
        results.school_id,
        coalesce(schools.district_id, 'unknown') as district_id,
        coalesce(students.grade_level, 'unknown') as grade_level,
        results.school_year,
        periods.period_id as term_id,
        results.grade_numeric,
        if(results.status = 'fully graded', results.grade_points, null) as grade_points,
        left(results.grade_letter, 1) as letter,
        results.status = 'not submitted'
        and coalesce(assignments.due_date <= reporting_date.as_of_date, true) as is_missing
    from results
    cross join reporting_date
    left join assignments on results.assignment_id = assignments.assignment_id
    left join students on results.student_key = students.student_key
    left join schools on results.school_key = schools.school_key
    inner join periods on results.term_id = periods.term_id
),

final as (
    select
        student_id,
        course_id,
        school_id,
        district_id,
        grade_level,
        school_year,
        term_id,
        count(grade_numeric) as graded_count,
        sum(grade_numeric) as percent_sum,
        count_if(is_missing) as missing_count,
        count(grade_points) as letter_count,
        sum(grade_points) as points_sum,
        count_if(grade_points is not null and letter in ('A', 'B')) as a_b_count,
        count_if(grade_points is not null and letter in ('D', 'F')) as d_f_count
    from marked_results
    group by
        student_id, course_id, school_id, district_id, grade_level, school_year, term_id
)

select * from final
