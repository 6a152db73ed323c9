{{ config(materialized='view') }}

with marks as (
    select * from {{ ref('course_marks') }}
),

thresholds as (
    {{ thresholds_in_force('student_gpa', ['honors_weight', 'ap_weight']) }}
),

weighted as (
    select
        marks.*,
        if(marks.grade_points is not null, marks.potential_credits, 0) as gpa_credits,
        case
            when not marks.is_passed then 0
            when marks.level = 'honors' then thresholds.honors_weight
            when marks.level = 'ap' then thresholds.ap_weight
            else 0
        end as level_weight
    from marks
    left join thresholds on marks.school_year = thresholds.school_year
),

final as (
    select
        student_id,
        course_id,
        course_title,
        subject_area,
        school_year,
        term_id,
        graded_date,
        is_reporting_term,
        is_part,
        is_in_whole_mark,
        if(is_attempted, potential_credits, 0) as credits_attempted,
        if(is_passed, potential_credits, 0) as credits_earned,
        cast(gpa_credits * coalesce(grade_points, 0) as decimal(22, 10)) as unweighted_points,
        cast(
            gpa_credits * (coalesce(grade_points, 0) + level_weight) as decimal(22, 10)
        ) as weighted_points,
        gpa_credits
    from weighted
)

select * from final
