{{ config(materialized='view') }}

with scores as (
    select * from {{ ref('fact_grade') }}
    where grade_type = 'assignment' and points_possible > 0 and is_counted
),

homework as (
    select
        *,
        if(submitted_flag = 1, coalesce(cast(submitted_at as date), due_date), null)
            as submitted_date
    from {{ ref('fact_homework') }}
    where not is_exempt
),

assignments as (
    select * from {{ ref('dim_assignment') }}
    where points_possible > 0
),

first_scores as (
    select
        student_id,
        assignment_id,
        min(graded_date) as graded_date
    from scores
    group by student_id, assignment_id
),

-- A score without a day of its own has that on which the work was due, which may have come later.
scored as (
    select
        scores.student_id,
        scores.course_id,
        scores.term_id,
        greatest(scores.graded_date, homework.submitted_date) as from_date,
        date '9999-12-31' as until_date,
        scores.points_possible,
        scores.points_earned,
        scores.grade_numeric
    from scores
    left join homework
        on scores.student_id = homework.student_id
        and scores.assignment_id = homework.assignment_id
),

-- Of other work nothing tells since when it is missing, so that it does not count.
missing as (
    select
        homework.student_id,
        homework.course_id,
        homework.term_id,
        homework.due_date as from_date,
        coalesce(homework.submitted_date, first_scores.graded_date, date '9999-12-31')
            as until_date,
        assignments.points_possible,
        0 as points_earned,
        null as grade_numeric
    from homework
    inner join assignments on homework.assignment_id = assignments.assignment_id
    left join first_scores
        on homework.student_id = first_scores.student_id
        and homework.assignment_id = first_scores.assignment_id
),

final as (
    select * from scored
    union all
    select * from missing
    where from_date < until_date
)

select * from final
