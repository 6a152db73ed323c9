{#- School year of a date that no term holds, by the year it ends in: July begins the next. -#}
{% macro school_year_of(date) -%}
    year(add_months({{ date }}, 6))
{%- endmacro %}
