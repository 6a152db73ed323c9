{{ config(
    materialized='incremental',
    tblproperties=none,
    unique_key='incident_id',
    meta={
        'changed_by': {
            'incident_id': ['stg_incidents'],
            'student_id': ['dim_student'],
            'school_id': ['dim_school', 'dim_course'],
            '*': ['dim_term'],
        }
    }
) }}
-- depends_on: {{ ref('dim_course') }}, {{ ref('dim_term') }}

with incidents as (
    select
        *,
        cast(coalesce(occurred_at, effective_at) as date) as occurred_date
    from {{ ref('stg_incidents') }}
    where is_active
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

placed as (
    select
        incidents.incident_id,
        coalesce(students.student_key, -1) as student_key,
        coalesce(incidents.student_id, 'unknown') as student_id,
        coalesce(incidents.school_id, students.school_id, 'unknown') as school_id,
        incidents.occurred_at,
        incidents.occurred_date,
        incidents.category,
        incidents.severity,
        incidents.days_suspended,
        greatest(incidents.batch_id, students.batch_id) as batch_id
    from incidents
    left join students
        on incidents.student_id = students.student_id
        and {{ holds_on('students', 'incidents.occurred_date') }}
),

affected as (
    select * from placed
    where {{ is_affected() }}
),

final as (
    select
        affected.incident_id,
        affected.student_key,
        coalesce(schools.school_key, -1) as school_key,
        coalesce(school_dates.term_key, -1) as term_key,
        coalesce(dates.date_key, -1) as date_key,
        affected.student_id,
        affected.school_id,
        coalesce(
            school_dates.school_year, {{ school_year_of('affected.occurred_date') }}
        ) as school_year,
        coalesce(school_dates.term_id, 'unknown') as term_id,
        affected.occurred_at,
        affected.category,
        affected.severity,
        cast(coalesce(affected.days_suspended, 0) as decimal(5, 2)) as days_suspended,
        1 as incident_count,
        greatest(affected.batch_id, schools.batch_id, school_dates.batch_id) as batch_id
    from affected
    left join schools
        on affected.school_id = schools.school_id
        and {{ holds_on('schools', 'affected.occurred_date') }}
    left join school_dates
        on affected.school_id = school_dates.school_id
        and affected.occurred_date = school_dates.calendar_date
    left join dates on affected.occurred_date = dates.calendar_date
)

select * from final
