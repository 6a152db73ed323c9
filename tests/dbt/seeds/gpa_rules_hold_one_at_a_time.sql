-- A rule of grade point averages has exactly one value on each day, in each jurisdiction that has a
-- row of it, and one that a query knows.
with rows_in_order as (
    select
        *,
        lag(effective_to, 1, '1900-01-01') over (
            partition by rule, jurisdiction order by effective_from
        ) as previous_effective_to,
        lead(effective_from) over (
            partition by rule, jurisdiction order by effective_from
        ) as next_effective_from
    from {{ ref('gpa_rules') }}
),

subject_areas as (
    select distinct subject_area from {{ ref('subjects') }}
),

-- A word that is no subject area finds none.
subjects_of_rules as (
    select
        rules.jurisdiction,
        rules.effective_from,
        rules.value,
        count(subject_areas.subject_area) as known_count
    from {{ ref('gpa_rules') }} as rules
    left join subject_areas
        on ' ' || rules.value || ' ' like '% ' || subject_areas.subject_area || ' %'
    where rules.rule = 'repeatable_subjects'
    group by rules.jurisdiction, rules.effective_from, rules.value
)

select
    'gpa_rules' as seed,
    rule || ', ' || jurisdiction || ', from ' || effective_from as place,
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
union all
select
    'gpa_rules' as seed,
    rule || ', ' || jurisdiction || ', from ' || effective_from as place,
    case
        when rule = 'retake_policy' then 'is no policy'
        when rule = 'credits_when_unknown' then 'is no number of 0 or more'
        else 'is no rule'
    end as problem,
    case
        when rule = 'retake_policy' then 'write latest, best or all'
        when rule = 'credits_when_unknown' then 'write a number such as 0.5'
        else 'correct its name, or delete it'
    end as remedy
from {{ ref('gpa_rules') }}
where
    rule not in (
        'retake_policy', 'repeatable_subjects', 'credits_when_unknown', 'letters_not_attempted'
    )
    or rule = 'retake_policy' and coalesce(value, '') not in ('latest', 'best', 'all')
    -- What has letters is no number: the upper case of digits is the same.
    or rule = 'credits_when_unknown'
    and (value is null or value like '-%' or lower(value) <> upper(value))
union all
select
    'gpa_rules' as seed,
    'repeatable_subjects, ' || jurisdiction || ', from ' || effective_from as place,
    'names what is no subject area' as problem,
    'write those of seeds/subjects.csv, parted by a space, or none' as remedy
from subjects_of_rules
where
    value is null
    or value <> 'none' and length(value) - length(replace(value, ' ', '')) + 1 <> known_count
