with kpi_values as (
    select * from {{ ref('kpi_values') }}
    where term_id <> 'year' and subgroup_type = 'all'
),

courses as (
    select * from {{ ref('dim_course') }}
),

terms as (
    select * from {{ ref('dim_term') }}
),

school_values as (
    select
        entity_id as school_id,
        term_id,
        kpi,
        numerator,
        denominator
    from kpi_values
    where grain = 'school' and kpi in ('student_count', 'avg_grade_percent')
),

-- No mart counts the enrollments of a school; those of its sections add up to them.
section_values as (
    select
        courses.school_id,
        kpi_values.term_id,
        sum(kpi_values.numerator) as student_count
    from kpi_values
    inner join courses on kpi_values.entity_id = courses.course_id
    where kpi_values.grain = 'course' and kpi_values.kpi = 'student_count'
    group by courses.school_id, kpi_values.term_id
),

amounts as (
    select
        school_id,
        term_id,
        'students' as measure,
        numerator as amount
    from school_values
    where kpi = 'student_count'
    union all
    select
        school_id,
        term_id,
        stack(2, 'results', denominator, 'percents', numerator) as (measure, amount)
    from school_values
    where kpi = 'avg_grade_percent'
    union all
    select
        school_id,
        term_id,
        'enrollments' as measure,
        student_count as amount
    from section_values
),

final as (
    select
        terms.source_system,
        amounts.measure,
        amounts.school_id,
        amounts.term_id,
        'kpi' as step,
        cast(amounts.amount as decimal(28, 4)) as amount
    from amounts
    inner join terms on amounts.term_id = terms.term_id
)

select * from final
