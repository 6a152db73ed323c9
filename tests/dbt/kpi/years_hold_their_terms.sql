-- What counts in a term counts in its year. What kpi_definitions calls additive: the terms add up
-- to no more than the year, and to all of it when nothing of the year is outside of its reporting
-- terms. What counts distinct students, or takes part in several terms: the year is no less than
-- its greatest term, and then no more than their sum. Fails once per KPI, grain and side.
with kpi_values as (
    select * from {{ ref('kpi_values') }}
    where subgroup_type = 'all' and grain <> 'school_week'
),

definitions as (
    select * from {{ ref('kpi_definitions') }}
),

reporting_terms as (
    select term_id from {{ ref('dim_term') }}
    where is_reporting_term
),

rows_of_years as (
    select
        'results' as suppression_family,
        school_year,
        term_id
    from {{ ref('fact_grade') }}
    where assignment_id is not null
    union all
    select
        'homework' as suppression_family,
        school_year,
        term_id
    from {{ ref('fact_homework') }}
    union all
    select
        'attendance' as suppression_family,
        school_year,
        term_id
    from {{ ref('fact_attendance') }}
    union all
    select
        'students' as suppression_family,
        school_year,
        term_id
    from {{ ref('fact_communication') }}
    union all
    select
        'students' as suppression_family,
        school_year,
        term_id
    from {{ ref('fact_course_load_change') }}
    union all
    select
        'students' as suppression_family,
        school_year,
        term_id
    from {{ ref('fact_content_access') }}
    union all
    select
        'students' as suppression_family,
        school_year,
        coalesce(max(nullif(term_id, 'year')), 'unknown') as term_id
    from {{ ref('enrolled_sections') }}
    group by school_year, student_id, course_id
),

whole_years as (
    select
        rows_of_years.suppression_family,
        rows_of_years.school_year
    from rows_of_years
    left join reporting_terms on rows_of_years.term_id = reporting_terms.term_id
    group by rows_of_years.suppression_family, rows_of_years.school_year
    having count(*) = count(reporting_terms.term_id)
),

-- The students of a subject are others in each term, and so are its days of attendance; students of
-- a grade level are in it at the end of the period. The GPA of a year is no sum of those of its
-- terms.
sides as (
    select
        kpi_values.kpi,
        kpi_values.grain,
        kpi_values.entity_id,
        kpi_values.school_year,
        kpi_values.term_id,
        definitions.suppression_family,
        stack(
            2,
            'numerator', kpi_values.numerator, definitions.additive in ('both', 'numerator'),
            'denominator', kpi_values.denominator, definitions.additive = 'both'
        ) as (side, amount, is_additive)
    from kpi_values
    inner join definitions on kpi_values.kpi = definitions.kpi
    where
        not (kpi_values.kpi = 'attendance_rate' and kpi_values.grain = 'subject')
        and not (definitions.suppression_family = 'students' and kpi_values.grain = 'grade_level')
        and definitions.suppression_family <> 'gpa'
),

entities as (
    select
        kpi,
        grain,
        entity_id,
        school_year,
        suppression_family,
        side,
        is_additive,
        max(if(term_id = 'year', amount, null)) as year_amount,
        coalesce(sum(if(term_id = 'year', null, amount)), 0) as term_sum,
        coalesce(max(if(term_id = 'year', null, amount)), 0) as term_max
    from sides
    where amount is not null
    group by all
)

select
    entities.kpi,
    entities.grain,
    entities.side,
    count(*) as entity_count
from entities
left join whole_years
    on entities.suppression_family = whole_years.suppression_family
    and entities.school_year = whole_years.school_year
where
    entities.year_amount is null
    or if(entities.is_additive, entities.term_sum, entities.term_max)
    > entities.year_amount + 0.001
    or whole_years.school_year is not null and entities.year_amount > entities.term_sum + 0.001
group by entities.kpi, entities.grain, entities.side
