{{ config(materialized='view') }}

with results as (
    select * from {{ ref('fact_grade') }}
    where status = 'fully graded' and assignment_id is not null
),

submissions as (
    select * from {{ ref('fact_homework') }}
    where submitted_at is not null
),

section_teachers as (
    select * from {{ ref('course_entities') }}
    where grain = 'teacher'
),

periods as (
    select * from {{ ref('term_periods') }}
),

reporting_date as (
    select * from {{ ref('reporting_date') }}
),

-- Graded before it was handed in: a later version was handed in, so the wait is not known.
waits as (
    select
        section_teachers.entity_id as teacher_id,
        results.student_id,
        results.school_year,
        periods.period_id as term_id,
        datediff(results.graded_date, to_date(submissions.submitted_at)) as waited_days
    from results
    inner join submissions
        on results.student_id = submissions.student_id
        and results.assignment_id = submissions.assignment_id
    inner join section_teachers on results.course_id = section_teachers.course_id
    inner join periods on results.term_id = periods.term_id
    cross join reporting_date
    where
        results.graded_date >= to_date(submissions.submitted_at)
        and results.graded_date <= reporting_date.as_of_date
),

final as (
    select
        teacher_id,
        school_year,
        term_id,
        count(distinct student_id) as returned_student_count,
        count(*) as returned_count,
        cast(median(waited_days) as decimal(9, 1)) as median_days_to_grade
    from waits
    group by teacher_id, school_year, term_id
)

select * from final
