{{ config(materialized='view') }}

with attendance as (
    select * from {{ ref('fact_attendance') }}
    where is_recorded and is_enrolled and student_id <> 'unknown'
),

stays as (
    select * from {{ ref('student_stays') }}
),

school_dates as (
    select * from {{ ref('bridge_school_date') }}
),

reporting_date as (
    select * from {{ ref('reporting_date') }}
),

school_days as (
    select
        school_dates.school_id,
        school_dates.calendar_date,
        school_dates.school_year
    from school_dates
    cross join reporting_date
    where
        school_dates.is_school_day and school_dates.calendar_date <= reporting_date.as_of_date
),

-- Nearly all students share their dates: school days are counted once per pair of dates.
spans as (
    select distinct
        school_id,
        begin_date,
        end_date
    from stays
),

span_days as (
    select
        spans.school_id,
        spans.begin_date,
        spans.end_date,
        school_days.school_year,
        count(*) as school_day_count
    from spans
    inner join school_days
        on spans.school_id = school_days.school_id
        and spans.begin_date <= school_days.calendar_date
        and spans.end_date > school_days.calendar_date
    group by spans.school_id, spans.begin_date, spans.end_date, school_days.school_year
),

-- A recorded day that the calendar does not call a school day was one.
day_counts as (
    select
        stays.student_id,
        stays.school_id,
        span_days.school_year,
        stays.school_key,
        stays.begin_date,
        span_days.school_day_count as enrolled_day_count,
        0 as recorded_day_count,
        0 as absent_day_count
    from stays
    inner join span_days
        on stays.school_id = span_days.school_id
        and stays.begin_date = span_days.begin_date
        and stays.end_date = span_days.end_date
    union all
    select
        attendance.student_id,
        attendance.school_id,
        attendance.school_year,
        max_by(attendance.school_key, attendance.attendance_date) as school_key,
        cast(null as date) as begin_date,
        count_if(school_days.school_id is null) as enrolled_day_count,
        count(*) as recorded_day_count,
        sum(attendance.is_absent_day) as absent_day_count
    from attendance
    cross join reporting_date
    left join school_days
        on attendance.school_id = school_days.school_id
        and attendance.attendance_date = school_days.calendar_date
        and attendance.school_year = school_days.school_year
    where attendance.attendance_date <= reporting_date.as_of_date
    group by attendance.student_id, attendance.school_id, attendance.school_year
),

final as (
    select
        student_id,
        school_id,
        school_year,
        max_by(school_key, struct(begin_date, school_key)) as school_key,
        sum(enrolled_day_count) as enrolled_day_count,
        sum(recorded_day_count) as recorded_day_count,
        cast(sum(absent_day_count) as decimal(18, 2)) as absent_day_count
    from day_counts
    group by student_id, school_id, school_year
)

select * from final
