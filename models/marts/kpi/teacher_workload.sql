-- noqa: disable=ST07
-- (USING: a full outer join then has one key, not two)
with course_terms as (
    select * from {{ ref('course_terms') }}
),

section_teachers as (
    select
        course_id,
        entity_id as teacher_id,
        weight
    from {{ ref('course_entities') }}
    where grain = 'teacher'
),

sections as (
    select
        section_teachers.teacher_id,
        course_terms.school_year,
        course_terms.term_id,
        count(*) as section_count,
        sum(section_teachers.weight) as section_share
    from section_teachers
    inner join course_terms on section_teachers.course_id = course_terms.course_id
    group by section_teachers.teacher_id, course_terms.school_year, course_terms.term_id
),

students as (
    select
        entity_id as teacher_id,
        school_year,
        term_id,
        student_count
    from {{ ref('enrolled_students') }}
    where grain = 'teacher'
),

results as (
    select
        teacher_id,
        school_year,
        term_id,
        graded_count
    from {{ ref('avg_grade_per_teacher') }}
),

assignments as (
    select * from {{ ref('assignment_counts') }}
),

turnaround as (
    select * from {{ ref('grading_turnaround') }}
),

contents as (
    select
        entity_id as teacher_id,
        school_year,
        term_id,
        sum(content_count) as content_count
    from {{ ref('content_analysis') }}
    where grain = 'teacher'
    group by entity_id, school_year, term_id
),

final as (
    select
        teacher_id,
        school_year,
        term_id,
        coalesce(sections.section_count, 0) as section_count,
        cast(coalesce(sections.section_share, 0) as decimal(18, 6)) as section_share,
        coalesce(students.student_count, 0) as student_count,
        coalesce(assignments.assignment_count, 0) as assignment_count,
        coalesce(results.graded_count, 0) as graded_count,
        coalesce(turnaround.returned_count, 0) as returned_count,
        turnaround.median_days_to_grade,
        coalesce(contents.content_count, 0) as content_count
    from sections
    full outer join students using (teacher_id, school_year, term_id)
    full outer join assignments using (teacher_id, school_year, term_id)
    full outer join results using (teacher_id, school_year, term_id)
    full outer join turnaround using (teacher_id, school_year, term_id)
    full outer join contents using (teacher_id, school_year, term_id)
)

select * from final
