{#- Rows of `relation` once per entity they count for: the student, the grade level, the school, the
    district, and what the CTE section_entities gives for the section (a teacher with a weight). -#}
{% macro rows_per_entity(relation) -%}
    select
        {{ relation }}.*,
        inline(concat(
            array(
                struct('student' as grain, {{ relation }}.student_id as entity_id, 1bd as weight),
                struct('grade_level' as grain, {{ relation }}.grade_level as entity_id, 1bd as weight),
                struct('school' as grain, {{ relation }}.school_id as entity_id, 1bd as weight),
                struct('district' as grain, {{ relation }}.district_id as entity_id, 1bd as weight)
            ),
            coalesce(
                section_entities.entities,
                array(
                    struct('course' as grain, 'unknown' as entity_id, 1bd as weight),
                    struct('subject' as grain, 'unknown' as entity_id, 1bd as weight),
                    struct('teacher' as grain, 'unknown' as entity_id, 1bd as weight)
                )
            )
        )) as (grain, entity_id, weight)
    from {{ relation }}
    left join section_entities on {{ relation }}.course_id = section_entities.course_id
{%- endmacro %}
