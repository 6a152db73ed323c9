with assignments as (
    select * from {{ ref('stg_assignments') }}
),

categories as (
    select * from {{ ref('assignment_categories') }}
),

courses as (
    select * from {{ ref('dim_course') }}
),

terms as (
    select * from {{ ref('dim_term') }}
),

known as (
    select
        {{ surrogate_key(['assignments.assignment_id']) }} as assignment_key,
        assignments.assignment_id,
        coalesce(assignments.course_id, 'unknown') as course_id,
        coalesce(terms.reporting_term_id, courses.term_id, 'unknown') as term_id,
        coalesce(courses.school_id, 'unknown') as school_id,
        coalesce(terms.school_year, courses.school_year) as school_year,
        assignments.title,
        assignments.category,
        categories.grade_type,
        assignments.assigned_date,
        assignments.due_date,
        coalesce(
            assignments.is_homework, categories.grade_type = 'homework', false
        ) as is_homework,
        assignments.points_possible,
        assignments.is_active,
        greatest(assignments.batch_id, courses.batch_id, terms.batch_id) as batch_id
    from assignments
    left join categories on assignments.category = categories.category
    left join courses on assignments.course_id = courses.course_id
    left join terms on assignments.term_id = terms.term_id
),

unknown_member as (
    select
        cast(-1 as bigint) as assignment_key,
        'unknown' as assignment_id,
        'unknown' as course_id,
        'unknown' as term_id,
        'unknown' as school_id,
        cast(null as int) as school_year,
        'unknown' as title,
        cast(null as string) as category,
        cast(null as string) as grade_type,
        cast(null as date) as assigned_date,
        cast(null as date) as due_date,
        false as is_homework,
        cast(null as decimal(9, 3)) as points_possible,
        true as is_active,
        cast(0 as bigint) as batch_id
),

final as (
    select * from known
    union all
    select * from unknown_member
)

select * from final
