with source as (
    select * from {{ source('raw', 'incidents') }}
),

final as (
    select
        id as incident_id,
        nullif(trim(student_id), '') as student_id,
        nullif(trim(school_id), '') as school_id,
        occurred_at,
        lower(nullif(trim(category), '')) as category,
        lower(nullif(trim(severity), '')) as severity,
        days_suspended,
        is_active,
        created_at,
        updated_at,
        effective_at,
        source_system,
        batch_id
    from source
)

select * from final
