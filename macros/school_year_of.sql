{#- The year in which the school year of a date ends, for dates that no term holds: from July on, the next. -#}
{% macro school_year_of(date) -%}
    year(add_months({{ date }}, 6))
{%- endmacro %}
