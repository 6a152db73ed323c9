{#- Condition: the version that held when the day ended; exactly one per id of an SCD2 dimension. -#}
{% macro holds_on(versions, date) -%}
    {{ date }} >= cast({{ versions }}.effective_from as date)
    and {{ date }} < cast({{ versions }}.effective_to as date)
{%- endmacro %}
