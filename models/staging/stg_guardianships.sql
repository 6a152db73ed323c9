with source as (
    select * from {{ source('raw', 'guardianships') }}
),

final as (
    select
        id as guardianship_id,
        nullif(trim(student_id), '') as student_id,
        nullif(trim(guardian_id), '') as guardian_id,
        lower(nullif(trim(relationship), '')) as relationship,
        is_active,
        created_at,
        updated_at,
        effective_at,
        source_system,
        batch_id
    from source
)

select * from final
