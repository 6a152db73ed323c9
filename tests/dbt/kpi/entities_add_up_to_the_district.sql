-- Counts and sums over all students, sections, teachers, subjects, grade levels or schools are
-- those of all districts. Fails once per KPI, grain, year and term; weights are rounded.
with kpi_values as (
    select * from {{ ref('kpi_values') }}
    where
        kpi in ('avg_grade_percent', 'avg_grade_points_with_missing_as_zero', 'd_f_rate')
        or kpi in ('homework_submission_rate', 'attendance_rate')
        or kpi in ('changes_per_100_students', 'communications_per_student')
        or kpi like 'letter_rate_%'
),

-- A student has several subjects, and a day of school belongs to each of them. Denominators add up
-- where they are no students.
additive as (
    select * from kpi_values
    where not (kpi = 'attendance_rate' and grain = 'subject')
),

sums as (
    select
        kpi,
        grain,
        school_year,
        term_id,
        sum(numerator) as numerator,
        if(rlike(kpi, '_students?$'), 0, sum(denominator)) as denominator
    from additive
    group by kpi, grain, school_year, term_id
)

select
    entities.kpi,
    entities.grain,
    entities.school_year,
    entities.term_id
from sums as entities
left join sums as districts
    on entities.kpi = districts.kpi
    and entities.school_year = districts.school_year
    and entities.term_id = districts.term_id
    and districts.grain = 'district'
where
    not entities.numerator <=> districts.numerator
    and coalesce(
        abs(entities.numerator - districts.numerator) > 0.0001 * (1 + abs(districts.numerator)),
        true
    )
    or coalesce(
        abs(entities.denominator - districts.denominator)
        > 0.0001 * (1 + abs(districts.denominator)),
        true
    )
