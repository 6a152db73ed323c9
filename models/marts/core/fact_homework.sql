{{ config(
    materialized='incremental',
    tblproperties=none,
    unique_key='homework_key',
    meta={
        'changed_by': {
            'homework_key': ['stg_homeworks'],
            'homework_id': ['stg_homeworks'],
            'assignment_id': ['dim_assignment'],
            'enrollment_id': ['stg_enrollments'],
            'student_id': ['stg_enrollments.user_id', 'dim_student'],
            'course_id': ['dim_course'],
            'school_id': ['dim_school'],
            '*': ['dim_term'],
        }
    }
) }}
-- depends_on: {{ ref('stg_enrollments') }}, {{ ref('dim_course') }}

with assignments as (
    select * from {{ ref('dim_assignment') }}
    where is_active and is_homework and due_date is not null
),

enrollments as (
    select * from {{ ref('fact_enrollment') }}
),

homeworks as (
    select * from {{ ref('stg_homeworks') }}
    where is_active
),

terms as (
    select * from {{ ref('dim_term') }}
),

students as (
    select * from {{ ref('dim_student') }}
),

schools as (
    select * from {{ ref('dim_school') }}
),

dates as (
    select * from {{ ref('dim_date') }}
),

-- homework_id comes later; here it only lets the condition below name it.
expected as (
    select
        {{ surrogate_key(['enrollments.student_id', 'assignments.assignment_id']) }}
            as homework_key,
        enrollments.course_key,
        enrollments.student_id,
        assignments.assignment_id,
        enrollments.course_id,
        assignments.term_id,
        enrollments.school_id,
        enrollments.enrollment_id,
        cast(null as string) as homework_id,
        coalesce(assignments.school_year, enrollments.school_year) as school_year,
        assignments.due_date,
        greatest(assignments.batch_id, enrollments.batch_id) as batch_id
    from assignments
    inner join enrollments
        on assignments.course_id = enrollments.course_id
        and assignments.due_date >= enrollments.begin_date
        and assignments.due_date < enrollments.end_date
),

affected as (
    select * from expected
    where {{ is_affected() }}
),

-- Two enrollments in one section, or two records of one homework, make one row.
matched as (
    select
        affected.* except (homework_id, batch_id),
        homeworks.homework_id,
        coalesce(homeworks.status, 'not submitted') as status,
        homeworks.submitted_at,
        homeworks.is_late,
        homeworks.file_type,
        greatest(affected.batch_id, homeworks.batch_id) as batch_id,
        coalesce(
            homeworks.status in ('submitted', 'partially graded', 'fully graded'), false
        ) as is_submitted
    from affected
    left join homeworks on affected.homework_key = homeworks.homework_key
),

chosen as (
    select *
    from matched
    qualify row_number() over (
        partition by homework_key
        order by enrollment_id asc, is_submitted desc, submitted_at desc, homework_id asc
    ) = 1
),

judged as (
    select
        *,
        is_submitted and coalesce(is_late, cast(submitted_at as date) > due_date, false)
            as is_submitted_late
    from chosen
),

final as (
    select
        judged.homework_key,
        coalesce(students.student_key, -1) as student_key,
        judged.course_key,
        coalesce(terms.term_key, -1) as term_key,
        coalesce(schools.school_key, -1) as school_key,
        coalesce(dates.date_key, -1) as date_key,
        judged.student_id,
        judged.assignment_id,
        judged.course_id,
        judged.term_id,
        judged.school_id,
        judged.enrollment_id,
        judged.homework_id,
        judged.school_year,
        judged.due_date,
        judged.status,
        if(judged.is_submitted, 1, 0) as submitted_flag,
        judged.is_submitted and not judged.is_submitted_late as is_on_time,
        judged.is_submitted_late as is_late,
        judged.status = 'exempt' as is_exempt,
        not judged.is_submitted and judged.status <> 'exempt' as is_missing,
        judged.file_type,
        judged.submitted_at,
        greatest(
            judged.batch_id, students.batch_id, schools.batch_id, terms.batch_id
        ) as batch_id
    from judged
    left join students
        on judged.student_id = students.student_id
        and {{ holds_on('students', 'judged.due_date') }}
    left join schools
        on judged.school_id = schools.school_id
        and {{ holds_on('schools', 'judged.due_date') }}
    left join terms on judged.term_id = terms.term_id
    left join dates on judged.due_date = dates.calendar_date
)

select * from final
