with students as (
    select * from {{ ref('student_engagement') }}
),

-- A student of two schools counts once in each of them, and once in the district.
entity_rows as (
    select
        student_id,
        school_year,
        term_id,
        is_linked,
        is_contactable,
        is_covered,
        communication_count,
        inline(array(
            struct('school' as grain, school_id as entity_id, 'all' as grade_level),
            struct('school_grade_level' as grain, school_id as entity_id, grade_level),
            struct('grade_level' as grain, grade_level as entity_id, 'all' as grade_level),
            struct('district' as grain, district_id as entity_id, 'all' as grade_level)
        )) as (grain, entity_id, grade_level)
    from students
),

student_rows as (
    select
        grain,
        entity_id,
        grade_level,
        school_year,
        term_id,
        student_id,
        max(is_linked) as is_linked,
        max(is_contactable) as is_contactable,
        max(is_covered) as is_covered,
        sum(communication_count) as communication_count
    from entity_rows
    group by grain, entity_id, grade_level, school_year, term_id, student_id
),

sums as (
    select
        grain,
        entity_id,
        grade_level,
        school_year,
        term_id,
        count(*) as student_count,
        count_if(is_linked) as linked_student_count,
        count_if(is_contactable) as contactable_student_count,
        count_if(is_covered) as covered_student_count,
        count_if(is_covered and communication_count > 0) as reached_student_count,
        sum(if(is_covered, communication_count, 0)) as communication_count
    from student_rows
    group by grain, entity_id, grade_level, school_year, term_id
),

final as (
    select
        grain,
        entity_id,
        grade_level,
        school_year,
        term_id,
        student_count,
        linked_student_count,
        contactable_student_count,
        covered_student_count,
        if(covered_student_count > 0, reached_student_count, null) as reached_student_count,
        if(covered_student_count > 0, communication_count, null) as communication_count,
        {{ ratio('linked_student_count', 'student_count') }} as linked_rate,
        {{ ratio('contactable_student_count', 'student_count') }} as contactable_rate,
        {{ ratio('reached_student_count', 'covered_student_count') }} as reached_rate,
        {{ ratio('communication_count', 'covered_student_count') }} as communications_per_student
    from sums
)

select * from final
