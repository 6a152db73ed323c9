{{ config(
    materialized='incremental',
    tblproperties=none,
    unique_key='grade_id',
    meta={
        'changed_by': {
            'grade_id': ['stg_grades'],
            'assignment_id': ['dim_assignment'],
            'student_id': ['dim_student'],
            'course_id': ['dim_course'],
            'teacher_id': ['dim_teacher'],
            'school_id': ['dim_school'],
            '*': ['dim_term'],
        }
    }
) }}

with grades as (
    select * from {{ ref('stg_grades') }}
    where is_active
),

assignments as (
    select * from {{ ref('dim_assignment') }}
),

courses as (
    select * from {{ ref('dim_course') }}
),

terms as (
    select * from {{ ref('dim_term') }}
),

students as (
    select * from {{ ref('dim_student') }}
),

teachers as (
    select * from {{ ref('dim_teacher') }}
),

schools as (
    select * from {{ ref('dim_school') }}
),

dates as (
    select * from {{ ref('dim_date') }}
),

bands as (
    {{ rules_in_force(ref('letter_grade_bands'), ['scale_id']) }}
),

points as (
    {{ rules_in_force(ref('letter_grade_points'), ['scale_id', 'letter']) }}
),

placed as (
    select
        grades.grade_id,
        coalesce(courses.course_key, -1) as course_key,
        coalesce(grades.student_id, 'unknown') as student_id,
        coalesce(grades.course_id, assignments.course_id, 'unknown') as course_id,
        coalesce(courses.teacher_id, 'unknown') as teacher_id,
        coalesce(courses.school_id, 'unknown') as school_id,
        grades.assignment_id,
        coalesce(grades.term_id, assignments.term_id, courses.term_id) as source_term_id,
        courses.school_year,
        coalesce(
            cast(grades.graded_at as date),
            assignments.due_date,
            cast(grades.effective_at as date)
        ) as graded_date,
        assignments.category,
        assignments.grade_type as category_type,
        grades.status,
        grades.letter,
        grades.points_earned,
        coalesce(grades.points_possible, assignments.points_possible) as points_possible,
        greatest(grades.batch_id, assignments.batch_id, courses.batch_id) as batch_id
    from grades
    left join assignments on grades.assignment_id = assignments.assignment_id
    left join courses on coalesce(grades.course_id, assignments.course_id) = courses.course_id
),

affected as (
    select
        *,
        coalesce(
            status = 'fully graded' and points_possible > 0 and points_earned is not null, false
        ) as is_counted
    from placed
    where {{ is_affected() }}
),

-- Bands are compared with the exact ratio: 89.99999 percent stays below 90.
lettered as (
    select
        affected.*,
        if(
            affected.status = 'fully graded', coalesce(affected.letter, bands.letter), null
        ) as grade_letter
    from affected
    left join bands
        on affected.is_counted
        and affected.letter is null
        and bands.scale_id = '{{ var("grading_scale") }}'
        and affected.graded_date >= bands.effective_from
        and affected.graded_date < bands.effective_to
        and 100 * affected.points_earned >= bands.minimum_percent * affected.points_possible
        and 100 * affected.points_earned < bands.below_percent * affected.points_possible
),

final as (
    select
        lettered.grade_id,
        coalesce(students.student_key, -1) as student_key,
        lettered.course_key,
        coalesce(terms.reporting_term_key, -1) as term_key,
        coalesce(teachers.teacher_key, -1) as teacher_key,
        coalesce(schools.school_key, -1) as school_key,
        coalesce(dates.date_key, -1) as date_key,
        lettered.student_id,
        lettered.course_id,
        lettered.teacher_id,
        coalesce(terms.reporting_term_id, 'unknown') as term_id,
        lettered.school_id,
        lettered.assignment_id,
        coalesce(
            terms.school_year,
            lettered.school_year,
            {{ school_year_of('lettered.graded_date') }}
        ) as school_year,
        lettered.graded_date,
        if(
            lettered.assignment_id is null or lettered.category_type <=> 'course_mark',
            'course_mark', 'assignment'
        ) as grade_type,
        lettered.category,
        lettered.status,
        lettered.is_counted,
        lettered.points_earned,
        lettered.points_possible,
        if(
            lettered.is_counted,
            cast(100 * lettered.points_earned / lettered.points_possible as decimal(9, 4)),
            null
        ) as grade_numeric,
        lettered.grade_letter,
        points.points as grade_points,
        greatest(
            lettered.batch_id,
            students.batch_id,
            teachers.batch_id,
            schools.batch_id,
            terms.batch_id
        ) as batch_id
    from lettered
    left join students
        on lettered.student_id = students.student_id
        and {{ holds_on('students', 'lettered.graded_date') }}
    left join teachers
        on lettered.teacher_id = teachers.teacher_id
        and {{ holds_on('teachers', 'lettered.graded_date') }}
    left join schools
        on lettered.school_id = schools.school_id
        and {{ holds_on('schools', 'lettered.graded_date') }}
    left join terms on lettered.source_term_id = terms.term_id
    left join dates on lettered.graded_date = dates.calendar_date
    left join points
        on lettered.grade_letter = points.letter
        and points.scale_id = '{{ var("grading_scale") }}'
        and points.counts_in_gpa
        and lettered.graded_date >= points.effective_from
        and lettered.graded_date < points.effective_to
)

select * from final
