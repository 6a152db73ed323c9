with source as (
    select * from {{ source('raw', 'communications') }}
),

final as (
    select
        id as communication_id,
        nullif(trim(student_id), '') as student_id,
        nullif(trim(guardian_id), '') as guardian_id,
        nullif(trim(staff_id), '') as staff_id,
        lower(nullif(trim(channel), '')) as channel,
        occurred_at,
        lower(nullif(trim(outcome), '')) as outcome,
        is_active,
        created_at,
        updated_at,
        effective_at,
        source_system,
        batch_id
    from source
)

select * from final
