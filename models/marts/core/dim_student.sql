with versions as (
    {{ version_spans(ref('snap_users'), 'user_id') }}
),

-- Who changes from student to another role keeps the versions, so that no gap opens.
ever_students as (
    select distinct user_id from versions
    where user_role = 'student'
),

students as (
    select
        {{ surrogate_key(['versions.user_id', 'versions.effective_from']) }} as student_key,
        versions.user_id as student_id,
        coalesce(versions.school_id, 'unknown') as school_id,
        versions.full_name,
        versions.given_name,
        versions.family_name,
        versions.grade_level,
        versions.birth_date,
        versions.sex,
        versions.race_ethnicity,
        versions.is_english_learner,
        versions.has_iep,
        versions.is_economically_disadvantaged,
        versions.effective_from,
        versions.effective_to,
        versions.is_current,
        versions.is_active and versions.user_role <=> 'student' as is_active,
        versions.batch_id
    from versions
    inner join ever_students on versions.user_id = ever_students.user_id
),

unknown_member as (
    select
        cast(-1 as bigint) as student_key,
        'unknown' as student_id,
        'unknown' as school_id,
        'unknown' as full_name,
        'unknown' as given_name,
        'unknown' as family_name,
        cast(null as string) as grade_level,
        cast(null as date) as birth_date,
        cast(null as string) as sex,
        cast(null as string) as race_ethnicity,
        cast(null as boolean) as is_english_learner,
        cast(null as boolean) as has_iep,
        cast(null as boolean) as is_economically_disadvantaged,
        timestamp '1900-01-01' as effective_from,
        timestamp '9999-12-31' as effective_to,
        true as is_current,
        true as is_active,
        cast(0 as bigint) as batch_id
),

final as (
    select * from students
    union all
    select * from unknown_member
)

select * from final
