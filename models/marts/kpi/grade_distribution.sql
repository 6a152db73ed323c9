with results as (
    select * from {{ ref('fact_grade') }}
    where
        assignment_id is not null
        and status = 'fully graded'
        and grade_letter is not null
),

courses as (
    select * from {{ ref('dim_course') }}
),

schools as (
    select * from {{ ref('dim_school') }}
),

periods as (
    select * from {{ ref('term_periods') }}
),

entity_rows as (
    select
        results.school_year,
        periods.period_id as term_id,
        results.grade_letter,
        inline(array(
            struct('course' as grain, results.course_id as entity_id),
            struct('school' as grain, results.school_id as entity_id),
            struct('subject' as grain, coalesce(courses.subject_area, 'unknown') as entity_id),
            struct('district' as grain, coalesce(schools.district_id, 'unknown') as entity_id)
        )) as (grain, entity_id)
    from results
    left join courses on results.course_key = courses.course_key
    left join schools on results.school_key = schools.school_key
    inner join periods on results.term_id = periods.term_id
),

letters as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        grade_letter,
        count(*) as letter_count
    from entity_rows
    group by
        grain, entity_id, school_year, grade_letter, term_id
),

totals as (
    select
        *,
        sum(letter_count) over (
            partition by grain, entity_id, school_year, term_id
        ) as result_count
    from letters
),

final as (
    select
        *,
        {{ ratio('letter_count', 'result_count') }} as letter_rate
    from totals
)

select * from final
