{#- The two entities whose students are also counted by subgroup: one row for each. -#}
{% macro school_and_district() -%}
    inline(array(
        struct('school' as grain, school_id as entity_id),
        struct('district' as grain, district_id as entity_id)
    )) as (grain, entity_id)
{%- endmacro %}
