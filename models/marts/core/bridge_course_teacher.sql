with courses as (
    select * from {{ ref('stg_courses') }}
),

enrollments as (
    select * from {{ ref('stg_enrollments') }}
    where user_role = 'teacher' and user_id is not null
),

-- Ended enrollments count for the batch: with them the weights of the others changed.
claims as (
    select
        course_id,
        teacher_id,
        true as is_primary,
        true as is_active,
        batch_id
    from courses
    where teacher_id is not null
    union all
    select
        enrollments.course_id,
        enrollments.user_id as teacher_id,
        courses.teacher_id is null and coalesce(enrollments.is_primary, false) as is_primary,
        enrollments.is_active,
        enrollments.batch_id
    from enrollments
    inner join courses on enrollments.course_id = courses.course_id
),

newest as (
    select
        *,
        max(batch_id) over (partition by course_id) as course_batch_id
    from claims
),

teachers as (
    select
        course_id,
        teacher_id,
        bool_or(is_primary) as is_primary,
        max(course_batch_id) as batch_id
    from newest
    where is_active
    group by course_id, teacher_id
),

counted as (
    select
        *,
        count(*) over (partition by course_id) as teacher_count,
        row_number() over (
            partition by course_id order by is_primary desc, teacher_id asc
        ) as teacher_number
    from teachers
),

shares as (
    select
        *,
        cast(1 / cast(teacher_count as decimal(9, 0)) as decimal(9, 8)) as equal_part
    from counted
),

-- The first teacher takes what rounding leaves, so that a section's weights are exactly 1.
final as (
    select
        course_id,
        teacher_id,
        is_primary,
        cast(
            if(
                teacher_number = 1,
                1 - equal_part * cast(teacher_count - 1 as decimal(9, 0)),
                equal_part
            )
            as decimal(9, 8)
        ) as weight,
        batch_id
    from shares
)

select * from final
