with source as (
    select * from {{ source('raw', 'terms') }}
),

final as (
    select
        id as term_id,
        nullif(trim(name), '') as term_name,
        term_type,
        nullif(trim(parent_id), '') as parent_term_id,
        school_year,
        start_date,
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
