{{ config(materialized='table') }}

with steps as (
    select * from {{ ref('source_steps') }}
    union all
    select * from {{ ref('raw_enrollment_steps') }}
    union all
    select * from {{ ref('raw_gradebook_steps') }}
    union all
    select * from {{ ref('core_enrollment_steps') }}
    union all
    select * from {{ ref('core_gradebook_steps') }}
    union all
    select * from {{ ref('kpi_steps') }}
),

-- What is left between two tables once each reason has its due.
amounts as (
    select
        source_system,
        measure,
        school_id,
        term_id,
        max(amount <> 0) as has_amount,
        max(max(step = 'source')) over (partition by source_system, measure) as has_source,
        measure in ('students', 'enrollments', 'results', 'percents') as has_kpi,
        sum(if(step = 'source', amount, 0)) as source_amount,
        sum(if(step = 'duplicate', amount, 0)) as duplicate_amount,
        sum(if(step = 'quarantined', amount, 0)) as quarantined_amount,
        sum(if(step = 'ended', amount, 0)) as ended_amount,
        sum(if(step = 'released', amount, 0)) as released_amount,
        sum(if(step = 'kept_broken', amount, 0)) as kept_broken_amount,
        sum(if(step = 'kept_unlisted', amount, 0)) as kept_unlisted_amount,
        sum(if(step = 'later_delta', amount, 0)) as later_delta_amount,
        sum(if(step = 'raw', amount, 0)) as raw_amount,
        sum(case
            when step = 'raw' then amount
            when step in (
                'source', 'duplicate', 'quarantined', 'ended', 'released', 'kept_broken',
                'kept_unlisted', 'later_delta'
            ) then -amount
            else 0
        end) as unexplained_in_raw,
        sum(if(step = 'core', amount, 0)) as core_amount,
        sum(case step when 'core' then amount when 'raw' then -amount else 0 end)
            as unexplained_in_core,
        sum(if(step = 'ended_counted', amount, 0)) as ended_counted_amount,
        sum(if(step = 'outside_terms', amount, 0)) as outside_terms_amount,
        sum(if(step = 'year_long', amount, 0)) as year_long_amount,
        sum(if(step = 'outside_dates', amount, 0)) as outside_dates_amount,
        sum(if(step = 'repeated', amount, 0)) as repeated_amount,
        sum(if(step = 'not_graded', amount, 0)) as not_graded_amount,
        sum(if(step = 'without_assignment', amount, 0)) as without_assignment_amount,
        sum(if(step = 'kpi', amount, 0)) as kpi_amount,
        sum(case
            when step = 'kpi' then amount
            when step in (
                'core', 'ended_counted', 'outside_terms', 'year_long', 'outside_dates', 'repeated',
                'not_graded', 'without_assignment'
            ) then -amount
            else 0
        end) as unexplained_in_kpi
    from steps
    group by source_system, measure, school_id, term_id
),

final as (
    select
        source_system,
        measure,
        school_id,
        term_id,
        cast(if(has_source, source_amount, null) as decimal(28, 4)) as source_amount,
        cast(duplicate_amount as decimal(28, 4)) as duplicate_amount,
        cast(quarantined_amount as decimal(28, 4)) as quarantined_amount,
        cast(ended_amount as decimal(28, 4)) as ended_amount,
        cast(released_amount as decimal(28, 4)) as released_amount,
        cast(kept_broken_amount as decimal(28, 4)) as kept_broken_amount,
        cast(kept_unlisted_amount as decimal(28, 4)) as kept_unlisted_amount,
        cast(later_delta_amount as decimal(28, 4)) as later_delta_amount,
        cast(raw_amount as decimal(28, 4)) as raw_amount,
        cast(if(has_source, unexplained_in_raw, null) as decimal(28, 4)) as unexplained_in_raw,
        cast(core_amount as decimal(28, 4)) as core_amount,
        cast(unexplained_in_core as decimal(28, 4)) as unexplained_in_core,
        cast(ended_counted_amount as decimal(28, 4)) as ended_counted_amount,
        cast(outside_terms_amount as decimal(28, 4)) as outside_terms_amount,
        cast(year_long_amount as decimal(28, 4)) as year_long_amount,
        cast(outside_dates_amount as decimal(28, 4)) as outside_dates_amount,
        cast(repeated_amount as decimal(28, 4)) as repeated_amount,
        cast(not_graded_amount as decimal(28, 4)) as not_graded_amount,
        cast(without_assignment_amount as decimal(28, 4)) as without_assignment_amount,
        cast(if(has_kpi, kpi_amount, null) as decimal(28, 4)) as kpi_amount,
        cast(if(has_kpi, unexplained_in_kpi, null) as decimal(28, 4)) as unexplained_in_kpi,
        (unexplained_in_raw = 0 or not has_source)
        and unexplained_in_core = 0
        and (unexplained_in_kpi = 0 or not has_kpi) as is_explained
    from amounts
    where has_amount
)

select * from final
