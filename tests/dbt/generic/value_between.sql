{#- Fails once per column with a value outside its closed range; null passes. columns: column -> [low, high]. -#}
{% test value_between(model, columns) %}

with counts as (
    select
        {%- for column, range in columns.items() %}
        count_if({{ column }} not between {{ range[0] }} and {{ range[1] }})
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
