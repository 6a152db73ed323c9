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

-- Twelve decimals, rounded to six in the sum: thirds of a mean at a boundary meet it exactly.
percents as (
    select
        results.student_id,
        results.school_year,
        courses.subject_area,
        cast(100 * results.points_earned / results.points_possible as decimal(20, 12))
            as exact_percent
    from results
    inner join courses on results.course_key = courses.course_key
    cross join reporting_date
    where results.graded_date <= reporting_date.as_of_date
),

final as (
    select
        student_id,
        school_year,
        count_if(subject_area = 'math') as math_count,
        cast(sum(if(subject_area = 'math', exact_percent, null)) as decimal(18, 6)) as math_sum,
        count_if(subject_area = 'english') as english_count,
        cast(sum(if(subject_area = 'english', exact_percent, null)) as decimal(18, 6))
            as english_sum
    from percents
    group by student_id, school_year
)

select * from final
