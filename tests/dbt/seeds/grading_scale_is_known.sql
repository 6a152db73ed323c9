-- The variable grading_scale names a scale that has bands.
with found as (
    select count(*) as found_count from {{ ref('letter_grade_bands') }}
    where
        scale_id = '{{ var("grading_scale") }}'
        and jurisdiction in ('default', '{{ var("jurisdiction") }}')
)

select
    'dbt_project.yml' as seed,
    'grading_scale {{ var("grading_scale") }}' as place,
    'has no bands' as problem,
    'correct the variable, or add the scale to seeds/letter_grade_bands.csv' as remedy
from found
where found_count = 0
