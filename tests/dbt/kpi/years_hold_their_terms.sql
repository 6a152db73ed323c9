-- What counts in a term counts in its year: the year's counts are at least those of its terms.
with kpi_values as (
    select * from {{ ref('kpi_values') }}
    where
        kpi in ('avg_grade_percent', 'homework_submission_rate', 'attendance_rate')
        or kpi in ('changes_per_100_students', 'communications_per_student')
),

entities as (
    select
        kpi,
        grain,
        sum(if(term_id = 'year', 0, numerator)) as term_sum,
        sum(if(term_id = 'year', numerator, 0)) as year_sum
    from kpi_values
    where numerator is not null
    group by kpi, grain, entity_id, school_year
)

select
    kpi,
    grain,
    count(*) as entity_count
from entities
where term_sum > year_sum + 0.001
group by kpi, grain
