{{ config(materialized='view') }}

with marks as (
    select * from {{ ref('weighted_marks') }}
    where not is_in_whole_mark
),

rules_of_years as (
    {{ gpa_rules_in_force(['retake_policy', 'repeatable_subjects']) }}
),

-- Terms of one section are one attempt, and so are those of sections of their own, each passed;
-- a term passed once more, or after a failure, is another attempt.
numbered as (
    select
        *,
        row_number() over (
            partition by student_id, course_title, school_year, term_id, credits_earned > 0
            order by graded_date, course_id
        ) as term_attempt
    from marks
),

named as (
    select
        *,
        if(
            is_part or (is_reporting_term and credits_earned > 0 and term_attempt = 1),
            'terms', concat_ws(' ', course_id, term_id)
        ) as attempt
    from numbered
),

attempts as (
    select
        student_id,
        course_title,
        school_year,
        attempt,
        max(subject_area) as subject_area,
        max(graded_date) as last_graded_date,
        sum(credits_attempted) as credits_attempted,
        sum(credits_earned) as credits_earned,
        sum(unweighted_points) as unweighted_points,
        sum(weighted_points) as weighted_points,
        sum(gpa_credits) as gpa_credits
    from named
    group by student_id, course_title, school_year, attempt
),

student_years as (
    select distinct
        student_id,
        school_year
    from attempts
),

period_attempts as (
    select
        attempts.*,
        'year' as period_type,
        attempts.school_year as period_year
    from attempts
    union all
    select
        attempts.*,
        'cumulative' as period_type,
        student_years.school_year as period_year
    from attempts
    inner join student_years
        on attempts.student_id = student_years.student_id
        and attempts.school_year <= student_years.school_year
),

-- An attempt without a mark in the average neither replaces another nor is replaced; of a course
-- that may be taken for credit each year, a passed one is not replaced.
counted as (
    select period_attempts.*
    from period_attempts
    left join rules_of_years on period_attempts.period_year = rules_of_years.school_year
    qualify
        period_attempts.gpa_credits = 0
        or rules_of_years.retake_policy = 'all'
        or period_attempts.credits_earned > 0
        and coalesce(
            array_contains(
                split(rules_of_years.repeatable_subjects, ' '), period_attempts.subject_area
            ), false
        )
        or row_number() over (
            partition by
                period_attempts.student_id, period_attempts.period_type,
                period_attempts.period_year, period_attempts.course_title
            order by
                period_attempts.gpa_credits > 0 desc,
                if(
                    rules_of_years.retake_policy = 'best',
                    {{ ratio('period_attempts.unweighted_points', 'period_attempts.gpa_credits') }},
                    null
                ) desc,
                period_attempts.school_year desc,
                period_attempts.last_graded_date desc,
                period_attempts.attempt desc
        ) = 1
),

final as (
    select
        student_id,
        period_type,
        period_year as school_year,
        course_title,
        attempt,
        credits_attempted,
        credits_earned,
        unweighted_points,
        weighted_points,
        gpa_credits
    from counted
)

select * from final
