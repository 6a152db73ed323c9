with student_courses as (
    select * from {{ ref('student_course_homework') }}
),

section_entities as (
    select
        course_id,
        collect_list(struct(grain, entity_id, weight)) as entities
    from {{ ref('course_entities') }}
    group by course_id
),

entity_rows as (
    {{ rows_per_entity('student_courses') }}
),

-- A student's homework counts once over all sections, and once per section.
scoped_rows as (
    select
        *,
        explode(if(grain = 'student', array('all', course_id), array('all'))) as scope_id
    from entity_rows
),

sums as (
    select
        if(scope_id = 'all', grain, 'student_course') as grain,
        entity_id,
        scope_id as course_id,
        school_year,
        term_id,
        count(distinct student_id) as student_count,
        {{ weighted_sum('expected_count') }} as expected_count,
        {{ weighted_sum('submitted_count') }} as submitted_count,
        {{ weighted_sum('on_time_count') }} as on_time_count
    from scoped_rows
    group by grain, entity_id, scope_id, school_year, term_id
),

final as (
    select
        grain,
        entity_id,
        course_id,
        school_year,
        term_id,
        student_count,
        cast(expected_count as decimal(18, 6)) as expected_count,
        cast(submitted_count as decimal(18, 6)) as submitted_count,
        cast(on_time_count as decimal(18, 6)) as on_time_count,
        {{ ratio('submitted_count', 'expected_count') }} as homework_submission_rate,
        {{ ratio('on_time_count', 'expected_count') }} as homework_on_time_rate
    from sums
)

select * from final
