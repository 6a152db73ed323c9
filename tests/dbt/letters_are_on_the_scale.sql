{{ config(severity='warn') }}
-- A letter outside seed letter_grade_points has no grade points and enters no average of points.
with grades as (
    select * from {{ ref('fact_grade') }}
    where grade_letter is not null
),

points as (
    {{ rules_in_force(ref('letter_grade_points'), ['scale_id', 'letter']) }}
)

select
    grades.grade_letter,
    count(*) as grade_count
from grades
left anti join points
    on grades.grade_letter = points.letter
    and points.scale_id = '{{ var("grading_scale") }}'
    and grades.graded_date >= points.effective_from
    and grades.graded_date < points.effective_to
group by grades.grade_letter
