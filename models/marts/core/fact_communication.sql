{{ config(
    materialized='incremental',
    tblproperties=none,
    unique_key='communication_id',
    meta={
        'changed_by': {
            'communication_id': ['stg_communications'],
            'student_id': ['dim_student'],
            'guardian_id': ['dim_guardian'],
            'school_id': ['dim_school', 'dim_course'],
            '*': ['dim_term'],
        }
    }
) }}
-- depends_on: {{ ref('dim_course') }}, {{ ref('dim_term') }}

with communications as (
    select
        *,
        cast(coalesce(occurred_at, effective_at) as date) as occurred_date
    from {{ ref('stg_communications') }}
    where is_active
),

students as (
    select * from {{ ref('dim_student') }}
),

guardians as (
    select * from {{ ref('dim_guardian') }}
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

placed as (
    select
        communications.communication_id,
        coalesce(students.student_key, -1) as student_key,
        coalesce(communications.student_id, 'unknown') as student_id,
        coalesce(communications.guardian_id, 'unknown') as guardian_id,
        communications.staff_id,
        coalesce(students.school_id, 'unknown') as school_id,
        communications.channel,
        communications.occurred_at,
        communications.occurred_date,
        communications.outcome,
        greatest(communications.batch_id, students.batch_id) as batch_id
    from communications
    left join students
        on communications.student_id = students.student_id
        and {{ holds_on('students', 'communications.occurred_date') }}
),

affected as (
    select * from placed
    where {{ is_affected() }}
),

final as (
    select
        affected.communication_id,
        affected.student_key,
        coalesce(guardians.guardian_key, -1) as guardian_key,
        coalesce(schools.school_key, -1) as school_key,
        coalesce(school_dates.term_key, -1) as term_key,
        coalesce(dates.date_key, -1) as date_key,
        affected.student_id,
        affected.guardian_id,
        affected.staff_id,
        affected.school_id,
        coalesce(
            school_dates.school_year, {{ school_year_of('affected.occurred_date') }}
        ) as school_year,
        coalesce(school_dates.term_id, 'unknown') as term_id,
        affected.channel,
        affected.occurred_at,
        affected.outcome,
        1 as communication_count,
        greatest(
            affected.batch_id, guardians.batch_id, schools.batch_id, school_dates.batch_id
        ) as batch_id
    from affected
    left join guardians on affected.guardian_id = guardians.guardian_id
    left join schools
        on affected.school_id = schools.school_id
        and {{ holds_on('schools', 'affected.occurred_date') }}
    left join school_dates
        on affected.school_id = school_dates.school_id
        and affected.occurred_date = school_dates.calendar_date
    left join dates on affected.occurred_date = dates.calendar_date
)

select * from final
