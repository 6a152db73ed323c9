with totals as (
    select * from {{ source('quality', 'source_totals') }}
),

-- The last bulk file states the total; without one, what raw held before the first batch does.
starts as (
    select
        source_system,
        measure,
        max(if(is_total, batch_id, null)) as total_batch_id,
        min(batch_id) as first_batch_id
    from totals
    group by source_system, measure
),

since_start as (
    select
        totals.*,
        totals.batch_id <=> starts.total_batch_id as is_stated,
        totals.batch_id = starts.first_batch_id and starts.total_batch_id is null as is_first_change
    from totals
    inner join starts
        on totals.source_system = starts.source_system
        and totals.measure = starts.measure
        and totals.batch_id >= coalesce(starts.total_batch_id, starts.first_batch_id)
),

-- A bulk file's own reasons end with it; of later delta files only the change of raw counts.
amounts as (
    select
        source_system,
        measure,
        school_id,
        term_id,
        stack(
            8,
            'source', if(is_stated, source_amount, if(is_first_change, known_amount, 0)),
            'duplicate', if(is_stated, duplicate_amount, 0),
            'quarantined', if(is_stated, quarantined_amount, 0),
            'ended', if(is_stated, ended_amount, 0),
            'released', if(is_stated, released_amount, 0),
            'kept_broken', if(is_stated, kept_broken_amount, 0),
            'kept_unlisted', if(is_stated, kept_unlisted_amount, 0),
            'later_delta', if(is_stated, 0, cast(expected_amount - known_amount as decimal(28, 4)))
        ) as (step, amount)
    from since_start
),

final as (
    select
        source_system,
        measure,
        school_id,
        term_id,
        step,
        cast(sum(amount) as decimal(28, 4)) as amount
    from amounts
    group by source_system, measure, school_id, term_id, step
    having step = 'source' or sum(amount) <> 0
)

select * from final
