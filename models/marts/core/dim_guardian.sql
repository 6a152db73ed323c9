with people as (
    select * from {{ ref('stg_users') }}
),

guardianships as (
    select * from {{ ref('stg_guardianships') }}
),

linked as (
    select distinct guardian_id from guardianships
),

guardians as (
    select
        {{ surrogate_key(['people.user_id']) }} as guardian_key,
        people.user_id as guardian_id,
        people.full_name,
        people.email is not null as has_email,
        people.phone is not null as has_phone,
        people.is_active
        and (people.email is not null or people.phone is not null) as is_contactable,
        people.batch_id
    from people
    left join linked on people.user_id = linked.guardian_id
    where
        linked.guardian_id is not null
        or people.user_role in ('parent', 'guardian', 'relative')
),

unknown_member as (
    select
        cast(-1 as bigint) as guardian_key,
        'unknown' as guardian_id,
        'unknown' as full_name,
        false as has_email,
        false as has_phone,
        false as is_contactable,
        cast(0 as bigint) as batch_id
),

final as (
    select * from guardians
    union all
    select * from unknown_member
)

select * from final
