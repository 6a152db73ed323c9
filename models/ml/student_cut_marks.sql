{{ config(materialized='view') }}

with marks as (
    select * from {{ ref('fact_grade') }}
    where grade_type = 'course_mark' and grade_letter is not null and student_id <> 'unknown'
),

cuts as (
    select * from {{ ref('cut_dates') }}
),

final as (
    select
        marks.student_id,
        cuts.cut_id,
        count(*) as mark_count,
        cast(avg(marks.grade_points) as double) as prior_gpa,
        count_if(marks.grade_letter = 'F') as num_failures
    from marks
    inner join cuts on marks.graded_date <= cuts.cut_date
    group by marks.student_id, cuts.cut_id
)

select * from final
