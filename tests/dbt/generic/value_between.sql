{#-
  Fails once per column with a value outside its closed range; null passes.
  columns: column -> [low, high].
-#}
{% test value_between(model, columns) %}

with counts as (
    select
        map(
            {%- for column, range in columns.items() %}
            '{{ column }}', count_if({{ column }} not between {{ range[0] }} and {{ range[1] }})
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
