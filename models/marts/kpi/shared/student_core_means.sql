{{ config(materialized='view') }}

with results as (
    select * from {{ ref('fact_grade') }}
    where grade_type = 'assignment' and is_counted
),

courses as (
    select * from {{ ref('dim_course') }}
    where subject_area in ('math', 'english')
),

reporting_date as (
    select * from {{ ref('reporting_date') }}
),

final as (
    select
        results.student_id,
        results.school_year,
        count_if(courses.subject_area = 'math') as math_count,
        sum(if(courses.subject_area = 'math', results.grade_numeric, null)) as math_sum,
        count_if(courses.subject_area = 'english') as english_count,
        sum(if(courses.subject_area = 'english', results.grade_numeric, null)) as english_sum
    from results
    inner join courses on results.course_key = courses.course_key
    cross join reporting_date
    where results.graded_date <= reporting_date.as_of_date
    group by results.student_id, results.school_year
)

select * from final
