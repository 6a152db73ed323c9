{{ config(
    materialized='incremental',
    tblproperties=none,
    unique_key='enrollment_id',
    meta={
        'changed_by': {
            'enrollment_id': ['stg_enrollments'],
            'student_id': ['dim_student'],
            'course_id': ['dim_course'],
            'school_id': ['dim_school'],
            '*': ['dim_term'],
        }
    }
) }}

with enrollments as (
    select * from {{ ref('stg_enrollments') }}
    where user_role = 'student'
),

courses as (
    select * from {{ ref('dim_course') }}
),

students as (
    select * from {{ ref('dim_student') }}
),

schools as (
    select * from {{ ref('dim_school') }}
),

terms as (
    select * from {{ ref('dim_term') }}
),

placed as (
    select
        enrollments.enrollment_id,
        coalesce(courses.course_key, -1) as course_key,
        coalesce(enrollments.user_id, 'unknown') as student_id,
        coalesce(enrollments.course_id, 'unknown') as course_id,
        coalesce(courses.term_id, 'unknown') as term_id,
        coalesce(
            nullif(courses.school_id, 'unknown'), enrollments.school_id, 'unknown'
        ) as school_id,
        courses.school_year,
        coalesce(
            enrollments.begin_date, courses.start_date, cast(enrollments.created_at as date)
        ) as begin_date,
        coalesce(enrollments.end_date, date_add(courses.end_date, 1)) as planned_end_date,
        if(enrollments.is_active, null, cast(enrollments.effective_at as date)) as ended_date,
        enrollments.is_active,
        greatest(enrollments.batch_id, courses.batch_id) as batch_id
    from enrollments
    left join courses on enrollments.course_id = courses.course_id
),

affected as (
    select
        *,
        coalesce(school_year, {{ school_year_of('begin_date') }}) as own_school_year
    from placed
    where {{ is_affected() }}
),

-- An ended enrollment lasted until the moment it was ended, whatever its dates say.
spans as (
    select
        *,
        greatest(
            begin_date,
            least(coalesce(planned_end_date, make_date(own_school_year, 7, 1)), ended_date)
        ) as end_date
    from affected
),

final as (
    select
        spans.enrollment_id,
        coalesce(students.student_key, -1) as student_key,
        spans.course_key,
        coalesce(terms.term_key, -1) as term_key,
        coalesce(schools.school_key, -1) as school_key,
        spans.student_id,
        spans.course_id,
        spans.term_id,
        spans.school_id,
        spans.own_school_year as school_year,
        spans.begin_date,
        spans.end_date,
        datediff(spans.end_date, spans.begin_date) as days,
        spans.is_active,
        greatest(
            spans.batch_id, students.batch_id, terms.batch_id, schools.batch_id
        ) as batch_id
    from spans
    left join students
        on spans.student_id = students.student_id
        and {{ holds_on('students', 'spans.begin_date') }}
    left join schools
        on spans.school_id = schools.school_id
        and {{ holds_on('schools', 'spans.begin_date') }}
    left join terms on spans.term_id = terms.term_id
)

select * from final
