{{ config(materialized='view') }}

with versions as (
    select
        student_id,
        school_id,
        cast(effective_from as date) as event_date,
        lag(school_id) over (partition by student_id order by effective_from) as previous_school_id
    from {{ ref('dim_student') }}
),

incidents as (
    select * from {{ ref('fact_incident') }}
),

changes as (
    select
        *,
        cast(occurred_at as date) as event_date
    from {{ ref('fact_course_load_change') }}
),

enrollments as (
    select * from {{ ref('fact_enrollment') }}
),

-- A derived switch is dated by its addition; between its drop and that it was a drop.
first_halves as (
    select
        changes.student_id,
        changes.other_course_id,
        changes.event_date as until_date,
        max(enrollments.end_date) as event_date
    from changes
    inner join enrollments
        on changes.student_id = enrollments.student_id
        and changes.other_course_id = enrollments.course_id
    where changes.is_derived and changes.action = 'switch'
    group by changes.student_id, changes.other_course_id, changes.event_date
),

events as (
    select
        student_id,
        event_date,
        date '9999-12-31' as until_date,
        if(action = 'drop', 'drop', 'change') as kind,
        change_count as amount
    from changes
    union all
    select
        student_id,
        event_date,
        until_date,
        'drop' as kind,
        1 as amount
    from first_halves
    where event_date < until_date
    union all
    select
        student_id,
        cast(occurred_at as date) as event_date,
        date '9999-12-31' as until_date,
        if(severity = 'severe', 'severe_incident', 'incident') as kind,
        incident_count as amount
    from incidents
    union all
    select
        student_id,
        cast(occurred_at as date) as event_date,
        date '9999-12-31' as until_date,
        'contact' as kind,
        communication_count as amount
    from {{ ref('fact_communication') }}
    union all
    select
        student_id,
        access_date as event_date,
        date '9999-12-31' as until_date,
        'view' as kind,
        access_count as amount
    from {{ ref('fact_content_access') }}
    union all
    select
        student_id,
        event_date,
        date '9999-12-31' as until_date,
        'move' as kind,
        1 as amount
    from versions
    where school_id <> previous_school_id
),

cut_days as (
    select * from {{ ref('cut_days') }}
),

final as (
    select
        events.student_id,
        cut_days.cut_id,
        sum(if(events.kind in ('change', 'drop'), events.amount, 0)) as num_changes,
        sum(if(events.kind = 'drop', events.amount, 0)) as num_drops,
        sum(if(events.kind in ('incident', 'severe_incident'), events.amount, 0)) as num_incidents,
        sum(if(events.kind = 'severe_incident', events.amount, 0)) as num_severe_incidents,
        sum(if(events.kind = 'contact', events.amount, 0)) as num_contacts,
        sum(if(events.kind = 'view', events.amount, 0)) as num_views,
        sum(if(events.kind = 'view' and cut_days.is_recent, events.amount, 0))
            as num_recent_views,
        sum(if(events.kind = 'move', events.amount, 0)) as num_school_moves
    from events
    inner join cut_days
        on events.event_date = cut_days.calendar_date
        and events.until_date > cut_days.cut_date
    where events.student_id <> 'unknown'
    group by events.student_id, cut_days.cut_id
)

select * from final
