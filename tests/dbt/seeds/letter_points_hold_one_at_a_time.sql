-- A letter of a scale has one number of points on each day from its first to its last; the scale in
-- use has points.
with rows_in_order as (
    select
        *,
        lag(effective_to) over (
            partition by scale_id, letter, jurisdiction order by effective_from
        ) as previous_effective_to
    from {{ ref('letter_grade_points') }}
),

in_use as (
    select count(*) as found_count from {{ ref('letter_grade_points') }}
    where scale_id = '{{ var("grading_scale") }}'
)

select
    'letter_grade_points' as seed,
    scale_id || ', ' || letter || ', ' || jurisdiction || ', from ' || effective_from as place,
    case
        when effective_from >= effective_to then 'ends before it begins'
        when effective_from < previous_effective_to then 'overlaps the row before it'
        else 'leaves a gap before it'
    end as problem,
    'let effective_from be the effective_to of the row before' as remedy
from rows_in_order
where effective_from >= effective_to or effective_from <> previous_effective_to
union all
select
    'letter_grade_points' as seed,
    'grading_scale {{ var("grading_scale") }}' as place,
    'has no points' as problem,
    'add the scale to seeds/letter_grade_points.csv' as remedy
from in_use
where found_count = 0
