-- Rows are ended, never deleted: each id in raw has exactly one open version, and no other has any.
with versions as (
    select
        'snap_schools' as snapshot_name,
        school_id as row_id
    from {{ ref('snap_schools') }}
    where dbt_valid_to is null
    union all
    select
        'snap_users' as snapshot_name,
        user_id as row_id
    from {{ ref('snap_users') }}
    where dbt_valid_to is null
    union all
    select
        'snap_courses' as snapshot_name,
        course_id as row_id
    from {{ ref('snap_courses') }}
    where dbt_valid_to is null
),

landed as (
    select
        'snap_schools' as snapshot_name,
        school_id as row_id
    from {{ ref('stg_schools') }}
    union all
    select
        'snap_users' as snapshot_name,
        user_id as row_id
    from {{ ref('stg_users') }}
    union all
    select
        'snap_courses' as snapshot_name,
        course_id as row_id
    from {{ ref('stg_courses') }}
),

counted as (
    select
        *,
        1 as landed_count,
        0 as version_count
    from landed
    union all
    select
        *,
        0 as landed_count,
        1 as version_count
    from versions
),

final as (
    select
        snapshot_name,
        row_id
    from counted
    group by snapshot_name, row_id
    having sum(landed_count) <> 1 or sum(version_count) <> 1
)

select * from final
