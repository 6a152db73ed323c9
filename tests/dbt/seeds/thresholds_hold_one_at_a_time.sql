-- A threshold has exactly one value on each day, in each jurisdiction that has a row of it.
with rows_in_order as (
    select
        kpi,
        threshold,
        jurisdiction,
        effective_from,
        effective_to,
        lag(effective_to, 1, '1900-01-01') over (
            partition by kpi, threshold, jurisdiction order by effective_from
        ) as previous_effective_to,
        lead(effective_from) over (
            partition by kpi, threshold, jurisdiction order by effective_from
        ) as next_effective_from
    from {{ ref('kpi_thresholds') }}
)

select
    'kpi_thresholds' as seed,
    kpi || ', ' || threshold || ', ' || jurisdiction || ', from ' || effective_from as place,
    case
        when effective_from >= effective_to then 'ends before it begins'
        when effective_from < previous_effective_to then 'overlaps the row before it'
        when effective_from > previous_effective_to then 'leaves a gap before it'
        else 'ends, and no row follows'
    end as problem,
    'let effective_from be the effective_to of the row before; first 1900-01-01, last 9999-12-31'
        as remedy
from rows_in_order
where
    effective_from >= effective_to
    or effective_from <> previous_effective_to
    or next_effective_from is null and effective_to <> '9999-12-31'
