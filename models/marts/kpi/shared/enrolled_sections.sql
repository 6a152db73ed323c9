with enrollments as (
    select * from {{ ref('fact_enrollment') }}
),

course_terms as (
    select * from {{ ref('course_terms') }}
),

groups as (
    select * from {{ ref('student_periods') }}
),

schools as (
    select * from {{ ref('dim_school') }}
),

reporting_date as (
    select * from {{ ref('reporting_date') }}
),

-- An enrollment that begins after the as-of date, or never held a day, is not yet one.
final as (
    select distinct
        enrollments.student_id,
        enrollments.course_id,
        enrollments.school_id,
        coalesce(schools.district_id, 'unknown') as district_id,
        coalesce(groups.grade_level, 'unknown') as grade_level,
        course_terms.subject_area,
        course_terms.school_year,
        course_terms.term_id
    from enrollments
    inner join course_terms
        on enrollments.course_id = course_terms.course_id
        and enrollments.begin_date <= course_terms.end_date
        and enrollments.end_date > course_terms.start_date
    cross join reporting_date
    left join groups
        on enrollments.student_id = groups.student_id
        and course_terms.school_year = groups.school_year
        and course_terms.term_id = groups.term_id
    left join schools on enrollments.school_key = schools.school_key
    where
        enrollments.begin_date < enrollments.end_date
        and greatest(enrollments.begin_date, course_terms.start_date)
        <= reporting_date.as_of_date
)

select * from final
