{#- Sum of column x weight; rows of weight 1, nearly all, stay out of slow wide decimals. -#}
{% macro weighted_sum(column) -%}
    cast(
        coalesce(sum(if(weight = 1, {{ column }}, null)), 0)
        + coalesce(sum(if(weight < 1, {{ column }} * weight, null)), 0)
        as decimal(28, 8)
    )
{%- endmacro %}
