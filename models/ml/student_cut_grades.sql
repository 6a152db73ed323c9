{{ config(materialized='view') }}

with courses as (
    select
        *,
        100 * term_earned / nullif(term_possible, 0) as course_percent
    from {{ ref('student_cut_courses') }}
),

bands as (
    {{ rules_in_force(ref('letter_grade_bands'), ['scale_id']) }}
),

points as (
    {{ rules_in_force(ref('letter_grade_points'), ['scale_id', 'letter']) }}
),

-- The letter that the gradebook would show on the cut date.
lettered as (
    select
        courses.*,
        points.points,
        bands.letter = 'F' as is_failing
    from courses
    left join bands
        on bands.scale_id = '{{ var("grading_scale") }}'
        and courses.cut_date >= bands.effective_from
        and courses.cut_date < bands.effective_to
        and courses.course_percent >= bands.minimum_percent
        and courses.course_percent < bands.below_percent
    left join points
        on bands.letter = points.letter
        and points.scale_id = '{{ var("grading_scale") }}'
        and points.counts_in_gpa
        and courses.cut_date >= points.effective_from
        and courses.cut_date < points.effective_to
),

final as (
    select
        student_id,
        cut_id,
        cast(avg(points) as double) as avg_gpa,
        count_if(is_failing) as num_failing_now,
        cast(min(course_percent) as double) as lowest_course_percent,
        cast(avg(if(subject_area = 'math', course_percent, null)) as double) as math_percent,
        cast(avg(if(subject_area = 'english', course_percent, null)) as double) as english_percent,
        cast(avg(if(subject_area = 'science', course_percent, null)) as double) as science_percent,
        cast(avg(if(subject_area = 'social_science', course_percent, null)) as double)
            as social_science_percent,
        sum(if(subject_area = 'math', result_count, 0)) as math_count,
        sum(if(subject_area = 'math', percent_sum, 0)) as math_sum,
        sum(if(subject_area = 'math', recent_count, 0)) as math_recent_count,
        sum(if(subject_area = 'math', recent_percent_sum, 0)) as math_recent_sum,
        sum(if(subject_area = 'english', result_count, 0)) as english_count,
        sum(if(subject_area = 'english', percent_sum, 0)) as english_sum,
        sum(if(subject_area = 'english', recent_count, 0)) as english_recent_count,
        sum(if(subject_area = 'english', recent_percent_sum, 0)) as english_recent_sum,
        sum(if(subject_area = 'science', result_count, 0)) as science_count,
        sum(if(subject_area = 'science', percent_sum, 0)) as science_sum,
        sum(if(subject_area = 'science', recent_count, 0)) as science_recent_count,
        sum(if(subject_area = 'science', recent_percent_sum, 0)) as science_recent_sum,
        sum(if(subject_area = 'social_science', result_count, 0)) as social_science_count,
        sum(if(subject_area = 'social_science', percent_sum, 0)) as social_science_sum,
        sum(if(subject_area = 'social_science', recent_count, 0)) as social_science_recent_count,
        sum(if(subject_area = 'social_science', recent_percent_sum, 0))
            as social_science_recent_sum,
        sum(result_count) as result_count,
        sum(percent_sum) as percent_sum,
        sum(recent_count) as recent_count,
        sum(recent_percent_sum) as recent_percent_sum
    from lettered
    group by student_id, cut_id
)

select * from final
