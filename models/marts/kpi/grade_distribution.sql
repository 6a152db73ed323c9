with reporting_date as (
    select * from {{ ref('reporting_date') }}
),

results as (
    select * from {{ ref('fact_grade') }}
    where
        assignment_id is not null
        and status = 'fully graded'
        and grade_letter is not null
        and graded_date <= (select reporting_date.as_of_date from reporting_date)
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

-- A student's rows lie together, so that all that follows is added up where they are.
student_results as (
    select
        student_id,
        course_id,
        course_key,
        school_id,
        school_key,
        school_year,
        term_id,
        grade_letter
    from results
    distribute by student_id
),

student_sums as (
    select
        *,
        count(*) as letter_count
    from student_results
    group by all
),

student_letters as (
    select
        student_sums.student_id,
        student_sums.course_id,
        student_sums.school_id,
        coalesce(courses.subject_area, 'unknown') as subject_area,
        coalesce(schools.district_id, 'unknown') as district_id,
        student_sums.school_year,
        periods.period_id as term_id,
        student_sums.grade_letter,
        student_sums.letter_count
    from student_sums
    left join courses on student_sums.course_key = courses.course_key
    left join schools on student_sums.school_key = schools.school_key
    inner join periods on student_sums.term_id = periods.term_id
),

letter_rows as (
    select
        *,
        explode(array(grade_letter, cast(null as string))) as counted_letter
    from student_letters
),

entity_rows as (
    select
        student_id,
        school_year,
        term_id,
        counted_letter,
        letter_count,
        inline(array(
            struct('course' as grain, course_id as entity_id),
            struct('school' as grain, school_id as entity_id),
            struct('subject' as grain, subject_area as entity_id),
            struct('district' as grain, district_id as entity_id)
        )) as (grain, entity_id)
    from letter_rows
),

-- A student's letters, each and all together (grade_letter is null).
student_rows as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        student_id,
        counted_letter as grade_letter,
        sum(letter_count) as letter_count
    from entity_rows
    group by grain, entity_id, school_year, term_id, student_id, counted_letter
),

counts as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        grade_letter,
        count(*) as student_count,
        sum(letter_count) as letter_count
    from student_rows
    group by grain, entity_id, school_year, term_id, grade_letter
),

entities as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        max(if(grade_letter is null, student_count, null)) as student_count,
        max(if(grade_letter is null, letter_count, null)) as result_count,
        map_from_entries(
            collect_list(if(grade_letter is null, null, struct(grade_letter, student_count)))
        ) as letter_students,
        map_from_entries(
            collect_list(if(grade_letter is null, null, struct(grade_letter, letter_count)))
        ) as letter_results
    from counts
    group by grain, entity_id, school_year, term_id
),

letters as (
    select distinct
        results.school_year,
        periods.period_id as term_id,
        results.grade_letter
    from results
    inner join periods on results.term_id = periods.term_id
),

-- Every letter that anybody has in the period: one that an entity lacks is a share of 0.
entity_letters as (
    select
        entities.grain,
        entities.entity_id,
        entities.school_year,
        entities.term_id,
        letters.grade_letter,
        entities.student_count,
        coalesce(
            element_at(entities.letter_students, letters.grade_letter), 0
        ) as letter_student_count,
        coalesce(element_at(entities.letter_results, letters.grade_letter), 0) as letter_count,
        entities.result_count
    from entities
    inner join letters
        on entities.school_year = letters.school_year
        and entities.term_id = letters.term_id
),

final as (
    select
        *,
        {{ ratio('letter_count', 'result_count') }} as letter_rate
    from entity_letters
)

select * from final
