{#- The day as the integer yyyymmdd, the key of dim_date; -1 when the date is null. -#}
{% macro date_key(date) -%}
    coalesce(cast(date_format({{ date }}, 'yyyyMMdd') as int), -1)
{%- endmacro %}
