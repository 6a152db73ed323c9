with source as (
    select * from {{ source('raw', 'users') }}
),

final as (
    select
        id as user_id,
        nullif(trim(school_id), '') as school_id,
        lower(nullif(trim(role), '')) as user_role,
        nullif(trim(username), '') as username,
        nullif(trim(given_name), '') as given_name,
        nullif(trim(family_name), '') as family_name,
        nullif(trim(concat_ws(' ', trim(given_name), trim(family_name))), '') as full_name,
        nullif(trim(email), '') as email,
        nullif(trim(phone), '') as phone,
        nullif(trim(grade_level), '') as grade_level,
        birth_date,
        lower(nullif(trim(sex), '')) as sex,
        lower(nullif(trim(race_ethnicity), '')) as race_ethnicity,
        is_english_learner,
        has_iep,
        is_economically_disadvantaged,
        is_active,
        created_at,
        updated_at,
        effective_at,
        source_system,
        batch_id
    from source
)

select * from final
