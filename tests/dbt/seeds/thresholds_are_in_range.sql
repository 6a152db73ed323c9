-- Shares and rates are between 0 and 1, no other threshold is below 0, and min_n is at least 1.
select
    'kpi_thresholds' as seed,
    kpi || ', ' || threshold || ', ' || jurisdiction || ', from ' || effective_from as place,
    case
        when threshold = 'min_n' then 'is below 1'
        when value < 0 then 'is below 0'
        else 'is a rate above 1'
    end as problem,
    case
        when threshold = 'min_n' then 'write the least number of students that may be shown'
        else 'write a rate as a share, such as 0.9 for 90 percent'
    end as remedy
from {{ ref('kpi_thresholds') }}
where
    value < 0
    or threshold = 'min_n' and value < 1
    or value > 1
    and (threshold like '%rate' or threshold like '%share' or threshold like 'attendance%')
