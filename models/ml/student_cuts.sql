{{ config(materialized='view') }}

with cuts as (
    select * from {{ ref('cut_dates') }}
),

enrollments as (
    select * from {{ ref('fact_enrollment') }}
    where student_id <> 'unknown'
),

terms as (
    select * from {{ ref('dim_term') }}
),

students as (
    select * from {{ ref('dim_student') }}
),

-- Whether an enrollment has ended is only known of the days up to the cut.
enrolled as (
    select
        enrollments.student_id,
        cuts.cut_id,
        count(distinct enrollments.course_id) as num_courses
    from enrollments
    inner join terms on enrollments.term_id = terms.term_id
    inner join cuts
        on terms.source_system = cuts.source_system
        and enrollments.school_year = cuts.school_year
    where
        enrollments.begin_date <= cuts.cut_date
        and enrollments.end_date > least(cuts.cut_date, cuts.term_end_date)
    group by enrollments.student_id, cuts.cut_id
),

final as (
    select
        enrolled.student_id,
        enrolled.cut_id,
        students.student_key,
        students.school_id,
        students.grade_level,
        cuts.cut_type,
        cuts.cut_date,
        cuts.school_year,
        cuts.term_id,
        cuts.label_term_id,
        cuts.label_school_year,
        cuts.label_start_date,
        cuts.label_end_date,
        cuts.is_label_complete,
        cuts.school_days,
        cuts.term_school_days,
        enrolled.num_courses
    from enrolled
    inner join cuts on enrolled.cut_id = cuts.cut_id
    inner join students
        on enrolled.student_id = students.student_id
        and {{ holds_on('students', 'cuts.cut_date') }}
)

select * from final
