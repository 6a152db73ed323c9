with guardianships as (
    select * from {{ ref('stg_guardianships') }}
    where is_active and student_id is not null and guardian_id is not null
),

guardians as (
    select * from {{ ref('dim_guardian') }}
),

links as (
    select
        student_id,
        guardian_id,
        min(relationship) as relationship,
        max(batch_id) as batch_id
    from guardianships
    group by student_id, guardian_id
),

final as (
    select
        links.student_id,
        links.guardian_id,
        coalesce(guardians.guardian_key, -1) as guardian_key,
        links.relationship,
        greatest(links.batch_id, guardians.batch_id) as batch_id
    from links
    left join guardians on links.guardian_id = guardians.guardian_id
)

select * from final
