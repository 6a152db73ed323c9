with attendance as (
    select * from {{ ref('fact_attendance') }}
    where is_recorded and is_enrolled
),

periods as (
    select * from {{ ref('term_periods') }}
    where period_id = 'year'
),

reporting_date as (
    select * from {{ ref('reporting_date') }}
),

sums as (
    select
        attendance.school_id,
        attendance.school_year,
        cast(date_trunc('week', attendance.attendance_date) as date) as week_start_date,
        count(distinct attendance.student_id) as student_count,
        cast(count(*) as decimal(18, 6)) as recorded_day_count,
        cast(sum(1 - attendance.is_absent_day) as decimal(18, 6)) as attended_day_count
    from attendance
    inner join periods on attendance.term_id = periods.term_id
    cross join reporting_date
    where attendance.attendance_date <= reporting_date.as_of_date
    group by
        attendance.school_id,
        attendance.school_year,
        date_trunc('week', attendance.attendance_date)
),

final as (
    select
        concat_ws(' ', school_id, week_start_date) as school_week_id,
        *,
        {{ ratio('attended_day_count', 'recorded_day_count') }} as attendance_rate
    from sums
)

select * from final
