{{ config(materialized='view') }}

with results as (
    select * from {{ ref('fact_grade') }}
    where
        grade_type = 'assignment'
        and points_possible > 0
        and (is_counted or status = 'not submitted')
),

courses as (
    select * from {{ ref('dim_course') }}
),

cut_days as (
    select * from {{ ref('cut_days') }}
),

-- Work that was not handed in counts 0 in a grade so far, and not at all in a mean of percents.
final as (
    select
        results.student_id,
        cut_days.cut_id,
        max(cut_days.cut_date) as cut_date,
        results.course_id,
        max(courses.subject_area) as subject_area,
        sum(if(results.term_id = cut_days.term_id, results.points_possible, 0)) as term_possible,
        sum(
            if(
                results.term_id = cut_days.term_id and results.is_counted,
                results.points_earned, 0
            )
        ) as term_earned,
        count_if(results.is_counted) as result_count,
        sum(if(results.is_counted, results.grade_numeric, 0)) as percent_sum,
        count_if(results.is_counted and cut_days.is_recent) as recent_count,
        sum(if(results.is_counted and cut_days.is_recent, results.grade_numeric, 0))
            as recent_percent_sum
    from results
    inner join cut_days on results.graded_date = cut_days.calendar_date
    left join courses on results.course_id = courses.course_id
    group by results.student_id, cut_days.cut_id, results.course_id
)

select * from final
