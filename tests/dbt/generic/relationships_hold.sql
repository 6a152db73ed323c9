{#-
  Fails once per column of `columns` that holds a value which its parent lacks; null passes.
  columns: column -> "ref('parent')", or { to: ref('parent'), field: key } when the names differ.
-#}
{% test relationships_hold(model, columns) %}

with counts as (
    select
        map(
            {%- for column in columns %}
            '{{ column }} has no parent',
            count_if(child.{{ column }} is not null and parent_{{ loop.index }}.parent_key is null)
            {{- ',' if not loop.last }}
            {%- endfor %}
        ) as row_counts
    from {{ model }} as child
    {%- for column, parent in columns.items() %}
    {%- set to = parent.to if parent.field is string else parent %}
    {%- set field = parent.field if parent.field is string else column %}
    left join (select distinct {{ field }} as parent_key from {{ to }}) as parent_{{ loop.index }}
        on child.{{ column }} = parent_{{ loop.index }}.parent_key
    {%- endfor %}
),

broken as (
    select explode(row_counts) as (rule, row_count)
    from counts
)

select * from broken
where row_count > 0

{% endtest %}
