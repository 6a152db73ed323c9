with contents as (
    select * from {{ ref('dim_content') }}
    where content_id <> 'unknown' and is_active
),

course_terms as (
    select * from {{ ref('course_terms') }}
),

entity_rows as (
    select
        course_terms.school_year,
        course_terms.term_id,
        coalesce(contents.content_type, 'unknown') as content_type,
        coalesce(contents.file_type, 'none') as file_type,
        inline(array(
            struct('course' as grain, contents.course_id as entity_id),
            struct('subject' as grain, coalesce(course_terms.subject_area, 'unknown') as entity_id),
            struct(
                'teacher' as grain,
                coalesce(nullif(contents.teacher_id, 'unknown'), course_terms.teacher_id, 'unknown')
                    as entity_id
            )
        )) as (grain, entity_id)
    from contents
    inner join course_terms on contents.course_id = course_terms.course_id
),

counts as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        content_type,
        file_type,
        count(*) as content_count
    from entity_rows
    group by grain, entity_id, school_year, term_id, content_type, file_type
),

totals as (
    select
        *,
        sum(content_count) over (
            partition by grain, entity_id, school_year, term_id
        ) as total_content_count
    from counts
),

final as (
    select
        *,
        {{ ratio('content_count', 'total_content_count') }} as content_rate
    from totals
)

select * from final
