-- The shares of an entity's letters, and of its contents, make one whole.
with letters as (
    select
        'grade_distribution' as mart,
        grain,
        sum(letter_count) = max(result_count) and abs(sum(letter_rate) - 1) < 0.0001 as is_whole
    from {{ ref('grade_distribution') }}
    group by grain, entity_id, school_year, term_id
),

contents as (
    select
        'content_analysis' as mart,
        grain,
        sum(content_count) = max(total_content_count)
        and abs(sum(content_rate) - 1) < 0.0001 as is_whole
    from {{ ref('content_analysis') }}
    group by grain, entity_id, school_year, term_id
),

marts as (
    select * from letters
    union all
    select * from contents
)

select
    mart,
    grain,
    count(*) as entity_count
from marts
where not is_whole
group by mart, grain
