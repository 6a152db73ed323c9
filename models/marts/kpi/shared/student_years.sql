with enrollments as (
    select * from {{ ref('fact_enrollment') }}
    where days > 0 and student_id <> 'unknown'
),

students as (
    select * from {{ ref('dim_student') }}
),

schools as (
    select * from {{ ref('dim_school') }}
),

reporting_date as (
    select * from {{ ref('reporting_date') }}
),

latest as (
    select
        enrollments.student_id,
        enrollments.school_year,
        max_by(
            struct(enrollments.student_key, enrollments.school_key, enrollments.school_id),
            struct(enrollments.begin_date, enrollments.end_date, enrollments.enrollment_id)
        ) as enrollment
    from enrollments
    cross join reporting_date
    where enrollments.begin_date <= reporting_date.as_of_date
    group by enrollments.student_id, enrollments.school_year
),

final as (
    select
        latest.student_id,
        latest.school_year,
        latest.enrollment.school_id,
        coalesce(schools.district_id, 'unknown') as district_id,
        coalesce(students.grade_level, 'unknown') as grade_level
    from latest
    left join students on latest.enrollment.student_key = students.student_key
    left join schools on latest.enrollment.school_key = schools.school_key
)

select * from final
