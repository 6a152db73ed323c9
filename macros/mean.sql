{#- Mean as a double; null when there is nothing to count. -#}
{% macro mean(amount, count) -%}
    cast({{ amount }} / nullif({{ count }}, 0) as double)
{%- endmacro %}
