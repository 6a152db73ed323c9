{{ config(materialized='view') }}

with attendance as (
    select * from {{ ref('fact_attendance') }}
    where is_recorded and is_enrolled
),

cut_days as (
    select * from {{ ref('cut_days') }}
),

final as (
    select
        attendance.student_id,
        cut_days.cut_id,
        count(*) as day_count,
        sum(attendance.is_absent_day) as absent_days,
        count_if(cut_days.is_recent) as recent_day_count,
        sum(if(cut_days.is_recent, attendance.is_absent_day, 0)) as recent_absent_days,
        count_if(attendance.is_tardy) as tardy_count
    from attendance
    inner join cut_days on attendance.attendance_date = cut_days.calendar_date
    group by attendance.student_id, cut_days.cut_id
)

select * from final
