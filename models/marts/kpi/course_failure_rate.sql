-- A student's rows lie together, so that all that follows is added up where they are.
with marks as (
    select * from {{ ref('course_marks') }}
    where is_attempted
    distribute by student_id
),

periods as (
    select * from {{ ref('term_periods') }}
),

section_entities as (
    select
        course_id,
        collect_list(struct(grain, entity_id)) as entities
    from {{ ref('course_entities') }}
    group by course_id
),

student_courses as (
    select
        marks.student_id,
        marks.course_id,
        marks.grade_level,
        marks.school_id,
        marks.district_id,
        marks.school_year,
        periods.period_id as term_id,
        count(*) as mark_count,
        count_if(marks.is_failed) as failed_mark_count,
        count_if(marks.is_failed and marks.is_core_subject) as core_failed_mark_count
    from marks
    inner join periods on marks.term_id = periods.term_id
    group by
        marks.student_id, marks.course_id, marks.grade_level, marks.school_id,
        marks.district_id, marks.school_year, periods.period_id
),

entity_rows as (
    select
        student_courses.student_id,
        student_courses.school_year,
        student_courses.term_id,
        student_courses.mark_count,
        student_courses.failed_mark_count,
        student_courses.core_failed_mark_count,
        inline(concat(
            array(
                struct('grade_level' as grain, student_courses.grade_level as entity_id),
                struct('school' as grain, student_courses.school_id as entity_id),
                struct('district' as grain, student_courses.district_id as entity_id)
            ),
            coalesce(
                section_entities.entities,
                array(
                    struct('course' as grain, 'unknown' as entity_id),
                    struct('subject' as grain, 'unknown' as entity_id),
                    struct('teacher' as grain, 'unknown' as entity_id)
                )
            )
        )) as (grain, entity_id)
    from student_courses
    left join section_entities on student_courses.course_id = section_entities.course_id
),

-- Students first: then a student counts by a row, which is cheaper than three distinct counts.
students as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        student_id,
        sum(mark_count) as mark_count,
        sum(failed_mark_count) as failed_mark_count,
        sum(core_failed_mark_count) as core_failed_mark_count
    from entity_rows
    group by grain, entity_id, school_year, term_id, student_id
),

sums as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        count(*) as marked_student_count,
        count_if(failed_mark_count > 0) as failed_student_count,
        count_if(core_failed_mark_count > 0) as core_failed_student_count,
        sum(mark_count) as mark_count,
        sum(failed_mark_count) as failed_mark_count
    from students
    group by grain, entity_id, school_year, term_id
),

final as (
    select
        *,
        {{ ratio('failed_student_count', 'marked_student_count') }} as course_failure_rate
    from sums
)

select * from final
