{#-
  Fails once per column that holds a text outside its list; null passes.
  columns: column -> list.
-#}
{% test values_accepted(model, columns) %}

with counts as (
    select
        map(
            {%- for column, values in columns.items() %}
            '{{ column }}', count_if({{ column }} not in ('{{ values | join("', '") }}'))
            {{- ',' if not loop.last }}
            {%- endfor %}
        ) as row_counts
    from {{ model }}
),

broken as (
    select explode(row_counts) as (rule, row_count)
    from counts
)

select * from broken
where row_count > 0

{% endtest %}
