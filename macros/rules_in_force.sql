{#- Rows of a seed that hold in var jurisdiction; for a key that it lacks, the rows of default. -#}
{% macro rules_in_force(seed, keys) -%}
    {%- set jurisdiction = var('jurisdiction') -%}
    select * from {{ seed }}
    where
        jurisdiction = '{{ jurisdiction }}'
        {%- if jurisdiction != 'default' %}
        or (
            jurisdiction = 'default'
            and ({{ keys | join(', ') }}) not in (
                select {{ keys | join(', ') }}
                from {{ seed }}
                where jurisdiction = '{{ jurisdiction }}'
            )
        )
        {%- endif %}
{%- endmacro %}
