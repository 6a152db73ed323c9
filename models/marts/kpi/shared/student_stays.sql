{{ config(materialized='view') }}

with enrollments as (
    select * from {{ ref('fact_enrollment') }}
    where days > 0 and student_id <> 'unknown'
),

-- Enrollments of a student in sections overlap: a stay at a school is their union.
section_spans as (
    select
        student_id,
        school_id,
        begin_date,
        end_date,
        max(school_key) as school_key
    from enrollments
    group by student_id, school_id, begin_date, end_date
),

marked_spans as (
    select
        *,
        coalesce(
            begin_date > max(end_date) over (
                partition by student_id, school_id order by begin_date, end_date
                rows between unbounded preceding and 1 preceding
            ),
            true
        ) as opens_stay
    from section_spans
),

numbered_spans as (
    select
        *,
        count_if(opens_stay) over (
            partition by student_id, school_id order by begin_date, end_date
            rows between unbounded preceding and current row
        ) as stay_number
    from marked_spans
),

final as (
    select
        student_id,
        school_id,
        min(begin_date) as begin_date,
        max(end_date) as end_date,
        max_by(school_key, struct(begin_date, end_date)) as school_key
    from numbered_spans
    group by student_id, school_id, stay_number
)

select * from final
