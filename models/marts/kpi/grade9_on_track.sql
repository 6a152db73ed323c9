with students as (
    select * from {{ ref('student_years') }}
    where grade_level = '09'
),

marks as (
    select * from {{ ref('course_marks') }}
),

school_years as (
    select * from {{ ref('school_years') }}
),

thresholds as (
    {{ thresholds_in_force('grade9_on_track', ['minimum_credits', 'maximum_core_failures']) }}
),

-- Rounded to 4 decimals, so that three thirds of a credit are a credit.
results as (
    select
        student_id,
        school_year,
        count(*) as mark_count,
        round(sum(if(is_passed, potential_credits, 0)), 4) as credits_earned,
        sum(if(is_failed and is_core_subject, term_count, 0)) as core_failure_count
    from marks
    where not is_in_whole_mark
    group by student_id, school_year
),

student_results as (
    select
        students.student_id,
        students.school_id,
        students.district_id,
        students.school_year,
        coalesce(results.mark_count, 0) as mark_count,
        cast(coalesce(results.credits_earned, 0) as decimal(18, 4)) as credits_earned,
        coalesce(results.core_failure_count, 0) as core_failure_count,
        coalesce(school_years.is_ended, false) as is_final,
        thresholds.minimum_credits,
        thresholds.maximum_core_failures
    from students
    left join results
        on students.student_id = results.student_id
        and students.school_year = results.school_year
    left join school_years on students.school_year = school_years.school_year
    left join thresholds on students.school_year = thresholds.school_year
),

final as (
    select
        student_id,
        school_id,
        district_id,
        school_year,
        credits_earned,
        core_failure_count,
        case
            when mark_count = 0 then null
            when core_failure_count > maximum_core_failures then false
            when is_final then
                credits_earned >= minimum_credits and core_failure_count <= maximum_core_failures
        end as is_on_track,
        is_final
    from student_results
)

select * from final
