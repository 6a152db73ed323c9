with course_terms as (
    select * from {{ ref('course_terms') }}
),

section_teachers as (
    select * from {{ ref('course_entities') }}
    where grain = 'teacher'
),

students as (
    select
        entity_id as teacher_id,
        school_year,
        term_id,
        'student' as measure,
        student_count as amount
    from {{ ref('enrolled_students') }}
    where grain = 'teacher'
),

assignments as (
    select
        teacher_id,
        school_year,
        term_id,
        'assignment' as measure,
        assignment_count as amount
    from {{ ref('assignment_counts') }}
),

results as (
    select
        teacher_id,
        school_year,
        term_id,
        'result' as measure,
        graded_count as amount
    from {{ ref('avg_grade_per_teacher') }}
),

turnaround as (
    select
        teacher_id,
        school_year,
        term_id,
        stack(
            3,
            'returned_student', cast(returned_student_count as decimal(18, 1)),
            'returned', cast(returned_count as decimal(18, 1)),
            'days', cast(median_days_to_grade as decimal(18, 1))
        ) as (measure, amount)
    from {{ ref('grading_turnaround') }}
),

contents as (
    select
        entity_id as teacher_id,
        school_year,
        term_id,
        'content' as measure,
        content_count as amount
    from {{ ref('content_analysis') }}
    where grain = 'teacher'
),

sections as (
    select
        section_teachers.entity_id as teacher_id,
        course_terms.school_year,
        course_terms.term_id,
        'section' as measure,
        section_teachers.weight as amount
    from section_teachers
    inner join course_terms on section_teachers.course_id = course_terms.course_id
),

-- One long list and one sum over it cost a fraction of a chain of outer joins.
amounts as (
    select * from sections
    union all
    select * from students
    union all
    select * from assignments
    union all
    select * from results
    union all
    select * from turnaround
    union all
    select * from contents
),

final as (
    select
        teacher_id,
        school_year,
        term_id,
        count_if(measure = 'section') as section_count,
        cast(sum(if(measure = 'section', amount, 0)) as decimal(18, 6)) as section_share,
        cast(sum(if(measure = 'student', amount, 0)) as bigint) as student_count,
        cast(sum(if(measure = 'assignment', amount, 0)) as decimal(18, 6)) as assignment_count,
        cast(sum(if(measure = 'result', amount, 0)) as decimal(18, 6)) as graded_count,
        cast(sum(if(measure = 'returned_student', amount, 0)) as bigint) as returned_student_count,
        cast(sum(if(measure = 'returned', amount, 0)) as bigint) as returned_count,
        cast(max(if(measure = 'days', amount, null)) as decimal(9, 1)) as median_days_to_grade,
        cast(sum(if(measure = 'content', amount, 0)) as bigint) as content_count
    from amounts
    group by teacher_id, school_year, term_id
)

select * from final
