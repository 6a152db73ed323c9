with versions as (
    {{ version_spans(ref('snap_users'), 'user_id') }}
),

courses as (
    select * from {{ ref('snap_courses') }}
),

enrollments as (
    select * from {{ ref('stg_enrollments') }}
    where user_role = 'teacher'
),

people_who_teach as (
    select user_id from versions
    where user_role = 'teacher'
    union
    select teacher_id from courses
    union
    select user_id from enrollments
),

teachers as (
    select
        {{ surrogate_key(['versions.user_id', 'versions.effective_from']) }} as teacher_key,
        versions.user_id as teacher_id,
        coalesce(versions.school_id, 'unknown') as school_id,
        versions.full_name,
        versions.effective_from,
        versions.effective_to,
        versions.is_current,
        versions.is_active,
        versions.batch_id
    from versions
    inner join people_who_teach on versions.user_id = people_who_teach.user_id
),

unknown_member as (
    select
        cast(-1 as bigint) as teacher_key,
        'unknown' as teacher_id,
        'unknown' as school_id,
        'unknown' as full_name,
        timestamp '1900-01-01' as effective_from,
        timestamp '9999-12-31' as effective_to,
        true as is_current,
        true as is_active,
        cast(0 as bigint) as batch_id
),

final as (
    select * from teachers
    union all
    select * from unknown_member
)

select * from final
