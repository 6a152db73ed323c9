with changes as (
    select * from {{ ref('fact_course_load_change') }}
),

schools as (
    select * from {{ ref('dim_school') }}
),

periods as (
    select * from {{ ref('term_periods') }}
),

enrolled_students as (
    select * from {{ ref('enrolled_students') }}
    where grain in ('course', 'school', 'district')
),

entity_rows as (
    select
        changes.student_id,
        changes.school_year,
        periods.period_id as term_id,
        changes.action,
        changes.change_count,
        inline(array(
            struct('course' as grain, changes.course_id as entity_id),
            struct('school' as grain, changes.school_id as entity_id),
            struct('district' as grain, coalesce(schools.district_id, 'unknown') as entity_id)
        )) as (grain, entity_id)
    from changes
    left join schools on changes.school_key = schools.school_key
    inner join periods on changes.term_id = periods.term_id
),

student_rows as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        student_id,
        sum(if(action = 'add', change_count, 0)) as add_count,
        sum(if(action = 'drop', change_count, 0)) as drop_count,
        sum(if(action = 'switch', change_count, 0)) as switch_count,
        sum(if(action = 'audit', change_count, 0)) as audit_count,
        sum(change_count) as change_count,
        cast(0 as bigint) as student_count
    from entity_rows
    group by grain, entity_id, school_year, term_id, student_id
),

-- Enrolled students come along as rows without a change, so that one sum does for all.
combined as (
    select * from student_rows
    union all
    select
        grain,
        entity_id,
        school_year,
        term_id,
        'none' as student_id,
        cast(0 as bigint) as add_count,
        cast(0 as bigint) as drop_count,
        cast(0 as bigint) as switch_count,
        cast(0 as bigint) as audit_count,
        cast(0 as bigint) as change_count,
        student_count
    from enrolled_students
),

sums as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        sum(student_count) as student_count,
        count_if(add_count > 0) as add_student_count,
        count_if(drop_count > 0) as drop_student_count,
        count_if(switch_count > 0) as switch_student_count,
        count_if(audit_count > 0) as audit_student_count,
        count_if(change_count > 0) as change_student_count,
        sum(add_count) as add_count,
        sum(drop_count) as drop_count,
        sum(switch_count) as switch_count,
        sum(audit_count) as audit_count,
        sum(change_count) as change_count
    from combined
    group by grain, entity_id, school_year, term_id
),

final as (
    select
        *,
        {{ ratio('100 * add_count', 'student_count') }} as adds_per_100_students,
        {{ ratio('100 * drop_count', 'student_count') }} as drops_per_100_students,
        {{ ratio('100 * switch_count', 'student_count') }} as switches_per_100_students,
        {{ ratio('100 * audit_count', 'student_count') }} as audits_per_100_students,
        {{ ratio('100 * change_count', 'student_count') }} as changes_per_100_students
    from sums
)

select * from final
