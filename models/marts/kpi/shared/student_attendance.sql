with attendance as (
    select * from {{ ref('fact_attendance') }}
    where is_recorded and is_enrolled
),

students as (
    select * from {{ ref('dim_student') }}
),

schools as (
    select * from {{ ref('dim_school') }}
),

periods as (
    select * from {{ ref('term_periods') }}
),

reporting_date as (
    select * from {{ ref('reporting_date') }}
),

student_days as (
    select
        attendance.student_id,
        attendance.student_key,
        attendance.school_id,
        attendance.school_key,
        attendance.school_year,
        attendance.term_id,
        count(*) as recorded_day_count,
        sum(attendance.is_absent_day) as absent_day_count
    from attendance
    cross join reporting_date
    where attendance.attendance_date <= reporting_date.as_of_date
    group by all
),

final as (
    select
        student_days.student_id,
        student_days.school_id,
        coalesce(schools.district_id, 'unknown') as district_id,
        coalesce(students.grade_level, 'unknown') as grade_level,
        student_days.school_year,
        periods.period_id as term_id,
        sum(student_days.recorded_day_count) as recorded_day_count,
        cast(sum(student_days.absent_day_count) as decimal(13, 2)) as absent_day_count
    from student_days
    left join students on student_days.student_key = students.student_key
    left join schools on student_days.school_key = schools.school_key
    inner join periods on student_days.term_id = periods.term_id
    group by
        student_days.student_id, student_days.school_id, district_id, grade_level,
        student_days.school_year, periods.period_id
)

select * from final
