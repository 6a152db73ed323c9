-- Per fact: active rows landed = rows in the fact + rows that the fact's grain leaves out.
with homeworks as (
    select * from {{ ref('stg_homeworks') }}
    where is_active
),

expected_homeworks as (
    select distinct
        homeworks.homework_id,
        homeworks.homework_key
    from homeworks
    inner join {{ ref('dim_assignment') }} as assignments
        on homeworks.assignment_id = assignments.assignment_id
        and assignments.is_active
        and assignments.is_homework
    inner join {{ ref('fact_enrollment') }} as enrollments
        on homeworks.student_id = enrollments.student_id
        and assignments.course_id = enrollments.course_id
        and assignments.due_date >= enrollments.begin_date
        and assignments.due_date < enrollments.end_date
),

attendance as (
    select * from {{ ref('stg_attendance') }}
    where is_active
),

daily_attendance as (
    select * from attendance
    where course_id is null and attendance_date is not null
),

content_views as (
    select * from {{ ref('stg_content_views') }}
    where is_active
),

laws as (
    select
        'fact_grade' as fact_name,
        (select count_if(is_active) from {{ ref('stg_grades') }}) as landed_count,
        (select count(*) from {{ ref('fact_grade') }}) as fact_count,
        0 as explained_count
    union all
    select
        'fact_enrollment' as fact_name,
        (select count_if(user_role = 'student') from {{ ref('stg_enrollments') }}) as landed_count,
        (select count(*) from {{ ref('fact_enrollment') }}) as fact_count,
        0 as explained_count
    union all
    -- Left out: not expected of the student, or a second record of the same homework.
    select
        'fact_homework' as fact_name,
        (select count(*) from homeworks) as landed_count,
        (select count(homework_id) from {{ ref('fact_homework') }}) as fact_count,
        (select count(*) from homeworks)
        - (select count(distinct homework_key) from expected_homeworks) as explained_count
    union all
    select
        'fact_course_load_change' as fact_name,
        (select count_if(is_active) from {{ ref('stg_adjustments') }}) as landed_count,
        (select count_if(not is_derived) from {{ ref('fact_course_load_change') }}) as fact_count,
        0 as explained_count
    union all
    -- Left out: marks of sections, and earlier marks for the same day.
    select
        'fact_attendance' as fact_name,
        (select count(*) from attendance) as landed_count,
        (select count(*) from {{ ref('fact_attendance') }}) as fact_count,
        (select count(*) from attendance)
        - (select count(distinct attendance_key) from daily_attendance) as explained_count
    union all
    select
        'fact_content_access' as fact_name,
        (select coalesce(sum(coalesce(access_count, 1)), 0) from content_views) as landed_count,
        (select coalesce(sum(access_count), 0) from {{ ref('fact_content_access') }}) as fact_count,
        0 as explained_count
    union all
    select
        'fact_communication' as fact_name,
        (select count_if(is_active) from {{ ref('stg_communications') }}) as landed_count,
        (select count(*) from {{ ref('fact_communication') }}) as fact_count,
        0 as explained_count
    union all
    select
        'fact_incident' as fact_name,
        (select count_if(is_active) from {{ ref('stg_incidents') }}) as landed_count,
        (select count(*) from {{ ref('fact_incident') }}) as fact_count,
        0 as explained_count
),

final as (
    select * from laws
    where landed_count <> fact_count + explained_count
)

select * from final
