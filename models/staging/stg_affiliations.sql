with source as (
    select * from {{ source('raw', 'affiliations') }}
),

final as (
    select
        id as affiliation_id,
        nullif(trim(user_id), '') as user_id,
        nullif(trim(school_id), '') as school_id,
        lower(nullif(trim(role), '')) as user_role,
        is_primary,
        begin_date,
        end_date,
        is_active,
        created_at,
        updated_at,
        effective_at,
        source_system,
        batch_id
    from source
)

select * from final
