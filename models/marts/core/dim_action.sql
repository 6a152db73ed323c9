with actions as (
    select
        {{ surrogate_key(['action']) }} as action_key,
        action,
        description
    from {{ ref('course_load_actions') }}
),

unknown_member as (
    select
        cast(-1 as bigint) as action_key,
        'unknown' as action,
        'The source does not say what changed' as description
),

final as (
    select * from actions
    union all
    select * from unknown_member
)

select * from final
