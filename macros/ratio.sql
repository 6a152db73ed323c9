{#- Exact quotient with 6 decimals; null when the denominator is 0. -#}
{% macro ratio(numerator, denominator) -%}
    cast(
        cast({{ numerator }} as decimal(28, 8)) / nullif(cast({{ denominator }} as decimal(28, 8)), 0)
        as decimal(18, 6)
    )
{%- endmacro %}
