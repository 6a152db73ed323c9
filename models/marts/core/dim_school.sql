with versions as (
    {{ version_spans(ref('snap_schools'), 'school_id') }}
),

districts as (
    select * from {{ ref('stg_schools') }}
),

students as (
    select * from {{ ref('snap_users') }}
    where user_role = 'student'
),

courses as (
    select * from {{ ref('snap_courses') }}
),

-- An organisation of another type counts as a school when it ever had students or sections.
places as (
    select school_id from versions
    where school_type = 'school'
    union
    select school_id from students
    union
    select school_id from courses
),

schools as (
    select
        {{ surrogate_key(['versions.school_id', 'versions.effective_from']) }} as school_key,
        versions.school_id,
        versions.school_name,
        versions.school_type,
        versions.region,
        coalesce(versions.district_id, 'unknown') as district_id,
        coalesce(districts.school_name, 'unknown') as district_name,
        versions.effective_from,
        versions.effective_to,
        versions.is_current,
        versions.is_active,
        greatest(versions.batch_id, districts.batch_id) as batch_id
    from versions
    inner join places on versions.school_id = places.school_id
    left join districts on versions.district_id = districts.school_id
    where versions.school_type <> 'district'
),

unknown_member as (
    select
        cast(-1 as bigint) as school_key,
        'unknown' as school_id,
        'unknown' as school_name,
        'unknown' as school_type,
        cast(null as string) as region,
        'unknown' as district_id,
        'unknown' as district_name,
        timestamp '1900-01-01' as effective_from,
        timestamp '9999-12-31' as effective_to,
        true as is_current,
        true as is_active,
        cast(0 as bigint) as batch_id
),

final as (
    select * from schools
    union all
    select * from unknown_member
)

select * from final
