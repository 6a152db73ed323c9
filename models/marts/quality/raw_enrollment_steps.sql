with enrollments as (
    select * from {{ ref('stg_enrollments') }}
    where is_active and user_role = 'student'
),

courses as (
    select * from {{ ref('dim_course') }}
),

counts as (
    select
        enrollments.source_system,
        coalesce(
            nullif(courses.school_id, 'unknown'), enrollments.school_id, 'unknown'
        ) as school_id,
        coalesce(courses.term_id, 'unknown') as term_id,
        count(*) as enrollment_count,
        count(distinct coalesce(enrollments.user_id, 'unknown')) as student_count
    from enrollments
    left join courses on enrollments.course_id = courses.course_id
    group by all
),

amounts as (
    select
        source_system,
        school_id,
        term_id,
        stack(2, 'students', student_count, 'enrollments', enrollment_count) as (measure, amount)
    from counts
),

final as (
    select
        source_system,
        measure,
        school_id,
        term_id,
        'raw' as step,
        cast(amount as decimal(28, 4)) as amount
    from amounts
)

select * from final
