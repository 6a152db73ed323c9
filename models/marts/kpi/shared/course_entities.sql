with courses as (
    select * from {{ ref('dim_course') }}
),

teachers as (
    select * from {{ ref('bridge_course_teacher') }}
),

sections as (
    select
        course_id,
        inline(array(
            struct('course' as grain, course_id as entity_id),
            struct('subject' as grain, coalesce(subject_area, 'unknown') as entity_id)
        )) as (grain, entity_id),
        cast(1 as decimal(9, 8)) as weight
    from courses
),

-- A section nobody teaches counts for the teacher 'unknown', so that totals add up.
section_teachers as (
    select
        courses.course_id,
        'teacher' as grain,
        coalesce(teachers.teacher_id, 'unknown') as entity_id,
        cast(coalesce(teachers.weight, 1) as decimal(9, 8)) as weight
    from courses
    left join teachers on courses.course_id = teachers.course_id
),

final as (
    select * from sections
    union all
    select * from section_teachers
)

select * from final
