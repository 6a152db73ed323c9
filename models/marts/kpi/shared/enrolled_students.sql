-- A student's rows lie together, so that those per entity are added up where they are made.
with enrolled_sections as (
    select * from {{ ref('enrolled_sections') }}
    distribute by student_id
),

section_entities as (
    {{ section_entities() }}
),

entity_rows as (
    {{ rows_per_entity('enrolled_sections') }}
),

final as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        count(distinct student_id) as student_count
    from entity_rows
    where grain <> 'student'
    group by grain, entity_id, school_year, term_id
)

select * from final
