-- A student's rows lie together, so that those per entity are added up where they are made.
with student_courses as (
    select * from {{ ref('student_course_homework') }}
    distribute by student_id
),

section_entities as (
    {{ section_entities() }}
),

entity_rows as (
    {{ rows_per_entity('student_courses', ['expected_count', 'submitted_count', 'on_time_count']) }}
),

student_rows as (
    select
        grain,
        entity_id,
        'all' as course_id,
        school_year,
        term_id,
        student_id,
        {{ weighted_sum('expected_count') }} as expected_count,
        {{ weighted_sum('submitted_count') }} as submitted_count,
        {{ weighted_sum('on_time_count') }} as on_time_count
    from entity_rows
    group by grain, entity_id, school_year, term_id, student_id
    union all
    select
        'student_course' as grain,
        student_id as entity_id,
        course_id,
        school_year,
        term_id,
        student_id,
        sum(expected_count) * 100000000 as expected_count,
        sum(submitted_count) * 100000000 as submitted_count,
        sum(on_time_count) * 100000000 as on_time_count
    from student_courses
    group by student_id, course_id, school_year, term_id
),

sums as (
    select
        grain,
        entity_id,
        course_id,
        school_year,
        term_id,
        count(*) as student_count,
        count_if(submitted_count > 0) as submitted_student_count,
        count_if(on_time_count > 0) as on_time_student_count,
        {{ sum_of_weighted('expected_count') }} as expected_count,
        {{ sum_of_weighted('submitted_count') }} as submitted_count,
        {{ sum_of_weighted('on_time_count') }} as on_time_count
    from student_rows
    group by grain, entity_id, course_id, school_year, term_id
),

final as (
    select
        grain,
        entity_id,
        course_id,
        school_year,
        term_id,
        student_count,
        submitted_student_count,
        on_time_student_count,
        cast(expected_count as decimal(18, 6)) as expected_count,
        cast(submitted_count as decimal(18, 6)) as submitted_count,
        cast(on_time_count as decimal(18, 6)) as on_time_count,
        {{ ratio('submitted_count', 'expected_count') }} as homework_submission_rate,
        {{ ratio('on_time_count', 'expected_count') }} as homework_on_time_rate
    from sums
)

select * from final
