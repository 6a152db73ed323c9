{#- Fails once per column that holds a text outside its list; null passes. columns: column -> list. -#}
{% test values_accepted(model, columns) %}

with counts as (
    select
        {%- for column, values in columns.items() %}
        count_if({{ column }} not in ('{{ values | join("', '") }}'))
            as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}
),

broken as (
    select * from counts
    unpivot (row_count for checked_column in (*))
)

select * from broken
where row_count > 0

{% endtest %}
