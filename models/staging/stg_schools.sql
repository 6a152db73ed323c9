with source as (
    select * from {{ source('raw', 'schools') }}
),

final as (
    select
        id as school_id,
        nullif(trim(name), '') as school_name,
        lower(nullif(trim(school_type), '')) as school_type,
        nullif(trim(region), '') as region,
        nullif(trim(parent_id), '') as district_id,
        grades as grade_levels,
        is_active,
        created_at,
        updated_at,
        effective_at,
        source_system,
        batch_id
    from source
)

select * from final
