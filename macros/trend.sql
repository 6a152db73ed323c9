{#- Mean of the last school days less that of the school year so far; null when either has none. -#}
{% macro trend(amount, count, recent_amount, recent_count) -%}
    {{ mean(recent_amount, recent_count) }} - {{ mean(amount, count) }}
{%- endmacro %}
