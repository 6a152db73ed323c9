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

final as (
    select
        attendance.student_id,
        attendance.school_id,
        coalesce(schools.district_id, 'unknown') as district_id,
        coalesce(students.grade_level, 'unknown') as grade_level,
        attendance.school_year,
        periods.period_id as term_id,
        count(*) as recorded_day_count,
        sum(attendance.absent_fraction) as absent_day_count
    from attendance
    left join students on attendance.student_key = students.student_key
    left join schools on attendance.school_key = schools.school_key
    inner join periods on attendance.term_id = periods.term_id
    group by
        attendance.student_id, attendance.school_id, district_id, grade_level,
        attendance.school_year, periods.period_id
)

select * from final
