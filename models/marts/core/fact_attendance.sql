{{ config(
    materialized='incremental',
    tblproperties=none,
    unique_key='attendance_key',
    meta={
        'changed_by': {
            'attendance_key': ['stg_attendance'],
            'attendance_id': ['stg_attendance'],
            'enrollment_id': ['stg_enrollments'],
            'student_id': ['stg_enrollments.user_id', 'fact_enrollment', 'dim_student'],
            'school_id': ['dim_school', 'dim_course'],
            '*': ['dim_term'],
        }
    }
) }}
-- depends_on: {{ ref('stg_enrollments') }}, {{ ref('dim_course') }}, {{ ref('dim_term') }}

with attendance as (
    select * from {{ ref('stg_attendance') }}
    where is_active and course_id is null and attendance_date is not null
),

enrollments as (
    select * from {{ ref('fact_enrollment') }}
    where days > 0
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

school_dates as (
    select * from {{ ref('bridge_school_date') }}
),

-- Enrollments may overlap: cut at every bound, so that a day meets one piece at most.
bounds as (
    select
        student_id,
        school_id,
        explode(array_distinct(flatten(collect_list(array(begin_date, end_date))))) as bound_date
    from enrollments
    group by student_id, school_id
),

pieces as (
    select
        student_id,
        school_id,
        bound_date as begin_date,
        lead(bound_date) over (
            partition by student_id, school_id order by bound_date
        ) as end_date
    from bounds
),

stays as (
    select
        pieces.student_id,
        pieces.school_id,
        pieces.begin_date,
        pieces.end_date,
        min(enrollments.enrollment_id) as enrollment_id
    from pieces
    inner join enrollments
        on pieces.student_id = enrollments.student_id
        and pieces.school_id = enrollments.school_id
        and pieces.begin_date >= enrollments.begin_date
        and pieces.end_date <= enrollments.end_date
    group by all
),

-- enrollment_id comes later; here it only lets the condition below name it.
placed as (
    select
        attendance_key,
        coalesce(student_id, 'unknown') as student_id,
        coalesce(school_id, 'unknown') as school_id,
        cast(null as string) as enrollment_id,
        attendance_id,
        attendance_date,
        status,
        coalesce(
            absent_fraction,
            case
                when status in ('absent', 'suspended') then 1
                when status = 'half_day' then 0.5
                else 0
            end
        ) as absent_fraction,
        is_excused,
        batch_id
    from attendance
),

affected as (
    select * from placed
    where {{ is_affected() }}
    qualify row_number() over (
        partition by attendance_key order by batch_id desc, attendance_id desc
    ) = 1
),

final as (
    select
        affected.attendance_key,
        coalesce(students.student_key, -1) as student_key,
        coalesce(schools.school_key, -1) as school_key,
        coalesce(school_dates.term_key, -1) as term_key,
        coalesce(dates.date_key, -1) as date_key,
        affected.student_id,
        affected.school_id,
        stays.enrollment_id,
        affected.attendance_id,
        coalesce(
            school_dates.school_year, {{ school_year_of('affected.attendance_date') }}
        ) as school_year,
        coalesce(school_dates.term_id, 'unknown') as term_id,
        affected.attendance_date,
        affected.status,
        stays.enrollment_id is not null as is_enrolled,
        affected.status is not null as is_recorded,
        cast(affected.absent_fraction as decimal(3, 2)) as absent_fraction,
        cast(
            if(affected.status in ('absent', 'suspended', 'half_day'), affected.absent_fraction, 0)
            as decimal(3, 2)
        ) as is_absent_day,
        affected.is_excused,
        affected.status <=> 'tardy' as is_tardy,
        greatest(
            affected.batch_id, students.batch_id, schools.batch_id, school_dates.batch_id
        ) as batch_id
    from affected
    left join stays
        on affected.student_id = stays.student_id
        and affected.school_id = stays.school_id
        and affected.attendance_date >= stays.begin_date
        and affected.attendance_date < stays.end_date
    left join students
        on affected.student_id = students.student_id
        and {{ holds_on('students', 'affected.attendance_date') }}
    left join schools
        on affected.school_id = schools.school_id
        and {{ holds_on('schools', 'affected.attendance_date') }}
    left join school_dates
        on affected.school_id = school_dates.school_id
        and affected.attendance_date = school_dates.calendar_date
    left join dates on affected.attendance_date = dates.calendar_date
)

select * from final
