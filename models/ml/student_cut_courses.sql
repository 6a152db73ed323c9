{{ config(materialized='view') }}

with results as (
    select * from {{ ref('student_results') }}
),

courses as (
    select * from {{ ref('dim_course') }}
),

cut_days as (
    select * from {{ ref('cut_days') }}
),

known as (
    select
        results.*,
        cut_days.cut_id,
        cut_days.cut_date,
        cut_days.is_recent,
        results.term_id = cut_days.term_id as is_of_term
    from results
    inner join cut_days
        on results.from_date = cut_days.calendar_date
        and results.until_date > cut_days.cut_date
),

-- Missing work counts 0 in a grade so far, and not at all in a mean of percents.
final as (
    select
        known.student_id,
        known.cut_id,
        max(known.cut_date) as cut_date,
        known.course_id,
        max(courses.subject_area) as subject_area,
        sum(if(known.is_of_term, known.points_possible, 0)) as term_possible,
        sum(if(known.is_of_term, known.points_earned, 0)) as term_earned,
        count(known.grade_numeric) as result_count,
        sum(coalesce(known.grade_numeric, 0)) as percent_sum,
        count_if(known.grade_numeric is not null and known.is_recent) as recent_count,
        sum(if(known.is_recent, coalesce(known.grade_numeric, 0), 0)) as recent_percent_sum
    from known
    left join courses on known.course_id = courses.course_id
    group by known.student_id, known.cut_id, known.course_id
)

select * from final
