{{ config(materialized='view') }}

with homework as (
    select
        *,
        submitted_flag = 1 as is_submitted,
        coalesce(cast(submitted_at as date), due_date) as submitted_date
    from {{ ref('fact_homework') }}
    where not is_exempt
),

cut_days as (
    select * from {{ ref('cut_days') }}
),

-- What came in after the cut was missing on that day.
final as (
    select
        homework.student_id,
        cut_days.cut_id,
        count(*) as homework_count,
        count_if(homework.is_submitted and homework.submitted_date <= cut_days.cut_date)
            as submitted_count,
        count_if(homework.is_on_time and homework.submitted_date <= cut_days.cut_date)
            as on_time_count,
        count_if(cut_days.is_recent) as recent_homework_count,
        count_if(
            cut_days.is_recent
            and homework.is_submitted
            and homework.submitted_date <= cut_days.cut_date
        ) as recent_submitted_count,
        count_if(
            cut_days.is_recent
            and homework.is_on_time
            and homework.submitted_date <= cut_days.cut_date
        ) as recent_on_time_count
    from homework
    inner join cut_days on homework.due_date = cut_days.calendar_date
    group by homework.student_id, cut_days.cut_id
)

select * from final
