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
        results.student_id,
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
    select distinct
        school_year,
        term_id,
        grade_letter
    from entity_rows
),

totals as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        count(distinct student_id) as student_count,
        count(*) as result_count
    from entity_rows
    group by grain, entity_id, school_year, term_id
),

counts as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        grade_letter,
        count(distinct student_id) as letter_student_count,
        count(*) as letter_count
    from entity_rows
    group by grain, entity_id, school_year, term_id, grade_letter
),

-- Every letter that anybody has in the period: one that an entity lacks is a share of 0.
final as (
    select
        totals.grain,
        totals.entity_id,
        totals.school_year,
        totals.term_id,
        letters.grade_letter,
        totals.student_count,
        coalesce(counts.letter_student_count, 0) as letter_student_count,
        coalesce(counts.letter_count, 0) as letter_count,
        totals.result_count,
        {{ ratio('coalesce(counts.letter_count, 0)', 'totals.result_count') }} as letter_rate
    from totals
    inner join letters
        on totals.school_year = letters.school_year
        and totals.term_id = letters.term_id
    left join counts
        on totals.grain = counts.grain
        and totals.entity_id = counts.entity_id
        and totals.school_year = counts.school_year
        and totals.term_id = counts.term_id
        and letters.grade_letter = counts.grade_letter
)

select * from final
