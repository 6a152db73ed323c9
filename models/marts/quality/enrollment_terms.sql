with enrollments as (
    select * from {{ ref('fact_enrollment') }}
),

landed as (
    select * from {{ ref('stg_enrollments') }}
),

courses as (
    select * from {{ ref('dim_course') }}
),

course_terms as (
    select * from {{ ref('course_terms') }}
    where term_id <> 'year'
),

reporting_date as (
    select * from {{ ref('reporting_date') }}
),

-- The core has a section in one term, its own; the marts in each term that it meets in.
section_terms as (
    select
        course_id,
        term_id,
        start_date,
        end_date,
        true as is_met
    from course_terms
    union all
    select
        courses.course_id,
        courses.term_id,
        cast(null as date) as start_date,
        cast(null as date) as end_date,
        false as is_met
    from courses
    left anti join course_terms
        on courses.course_id = course_terms.course_id and courses.term_id = course_terms.term_id
),

final as (
    select
        enrollments.enrollment_id,
        landed.source_system,
        enrollments.student_id,
        enrollments.course_id,
        enrollments.school_id,
        coalesce(section_terms.term_id, 'unknown') as term_id,
        enrollments.is_active,
        coalesce(section_terms.term_id = enrollments.term_id, true) as is_own,
        coalesce(section_terms.is_met, false) as is_met,
        coalesce(
            enrollments.begin_date < enrollments.end_date
            and enrollments.begin_date <= section_terms.end_date
            and enrollments.end_date > section_terms.start_date
            and greatest(enrollments.begin_date, section_terms.start_date)
            <= reporting_date.as_of_date,
            false
        ) as is_in_dates
    from enrollments
    cross join reporting_date
    inner join landed on enrollments.enrollment_id = landed.enrollment_id
    left join section_terms on enrollments.course_id = section_terms.course_id
)

select * from final
