-- What kpi_definitions calls additive adds up: over all students, sections, teachers, subjects,
-- grade levels or schools it is that of all districts. What counts distinct students lies between
-- the greatest entity and their sum. Fails once per KPI, grain, year, term and side; a hundredth
-- covers the rounding of weights and of sums.
with kpi_values as (
    select * from {{ ref('kpi_values') }}
    where subgroup_type = 'all'
),

definitions as (
    select * from {{ ref('kpi_definitions') }}
),

-- A student has several subjects, and a day of school belongs to each of them. A district counts
-- the days of absence at all schools of a student, a GPA of one student is over credits: neither
-- lies between its parts.
sides as (
    select
        kpi_values.kpi,
        kpi_values.grain,
        kpi_values.school_year,
        kpi_values.term_id,
        stack(
            2,
            'numerator', kpi_values.numerator, definitions.additive in ('both', 'numerator'),
            'denominator', kpi_values.denominator, definitions.additive = 'both'
        ) as (side, amount, is_additive)
    from kpi_values
    inner join definitions on kpi_values.kpi = definitions.kpi
    where
        not (kpi_values.kpi = 'attendance_rate' and kpi_values.grain = 'subject')
        and not (definitions.suppression_family = 'gpa' and kpi_values.grain = 'student')
        and kpi_values.kpi <> 'chronic_absence_rate'
),

sums as (
    select
        kpi,
        grain,
        school_year,
        term_id,
        side,
        is_additive,
        sum(amount) as total,
        max(amount) as greatest_amount
    from sides
    group by all
),

districts as (
    select * from sums
    where grain = 'district'
),

entities as (
    select * from sums
    where kpi in (select districts.kpi from districts)
)

select
    entities.kpi,
    entities.grain,
    entities.school_year,
    entities.term_id,
    entities.side
from entities
left join districts
    on entities.kpi = districts.kpi
    and entities.school_year = districts.school_year
    and entities.term_id = districts.term_id
    and entities.side = districts.side
where
    not entities.total <=> districts.total
    and coalesce(
        if(
            entities.is_additive,
            abs(entities.total - districts.total) > 0.01,
            districts.total < entities.greatest_amount
            or districts.total > entities.total + 0.01
        ),
        true
    )
