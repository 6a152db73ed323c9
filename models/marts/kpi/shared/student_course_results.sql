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
        results.*,
        if(results.status = 'fully graded', results.grade_points, null) as counted_points,
        left(results.grade_letter, 1) as letter,
        results.status = 'not submitted'
        and coalesce(assignments.due_date <= reporting_date.as_of_date, true) as is_missing
    from results
    cross join reporting_date
    left join assignments on results.assignment_id = assignments.assignment_id
    where results.graded_date <= reporting_date.as_of_date
),

sums as (
    select
        student_id,
        student_key,
        course_id,
        school_id,
        school_key,
        school_year,
        term_id,
        count(grade_numeric) as graded_count,
        sum(grade_numeric) as percent_sum,
        count_if(is_missing) as missing_count,
        count(counted_points) as letter_count,
        sum(counted_points) as points_sum,
        count_if(counted_points is not null and letter in ('A', 'B')) as a_b_count,
        count_if(counted_points is not null and letter in ('D', 'F')) as d_f_count
    from marked_results
    group by all
),

final as (
    select
        sums.student_id,
        sums.course_id,
        sums.school_id,
        coalesce(schools.district_id, 'unknown') as district_id,
        coalesce(students.grade_level, 'unknown') as grade_level,
        sums.school_year,
        periods.period_id as term_id,
        sum(sums.graded_count) as graded_count,
        cast(sum(sums.percent_sum) as decimal(19, 4)) as percent_sum,
        sum(sums.missing_count) as missing_count,
        sum(sums.letter_count) as letter_count,
        cast(sum(sums.points_sum) as decimal(13, 2)) as points_sum,
        sum(sums.a_b_count) as a_b_count,
        sum(sums.d_f_count) as d_f_count
    from sums
    left join students on sums.student_key = students.student_key
    left join schools on sums.school_key = schools.school_key
    inner join periods on sums.term_id = periods.term_id
    group by
        sums.student_id, sums.course_id, sums.school_id, district_id, grade_level,
        sums.school_year, periods.period_id
)

select * from final
