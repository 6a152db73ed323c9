{{ config(materialized='view') }}

with assignments as (
    select * from {{ ref('dim_assignment') }}
    where assignment_id <> 'unknown' and is_active
),

section_teachers as (
    select * from {{ ref('course_entities') }}
    where grain = 'teacher'
),

periods as (
    select * from {{ ref('term_periods') }}
),

final as (
    select
        section_teachers.entity_id as teacher_id,
        assignments.school_year,
        periods.period_id as term_id,
        cast(sum(section_teachers.weight) as decimal(18, 6)) as assignment_count
    from assignments
    inner join section_teachers on assignments.course_id = section_teachers.course_id
    inner join periods on assignments.term_id = periods.term_id
    group by
        section_teachers.entity_id, assignments.school_year,
        periods.period_id
)

select * from final
