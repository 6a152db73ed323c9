{#-
  Fails once per column of `columns` that holds a value which its parent lacks; null passes.
  columns: column -> "ref('parent')", or { to: ref('parent'), field: key } when the names differ.
-#}
{% test relationships_hold(model, columns) %}

with counts as (
    select
        {%- for column in columns %}
        count_if(child.{{ column }} is not null and parent_{{ loop.index }}.parent_key is null)
            as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }} as child
    {%- for column, parent in columns.items() %}
    {%- set to = parent.to if parent is mapping else parent %}
    {%- set field = parent.field if parent is mapping else column %}
    left join (select distinct {{ field }} as parent_key from {{ to }}) as parent_{{ loop.index }}
        on child.{{ column }} = parent_{{ loop.index }}.parent_key
    {%- endfor %}
),

orphans as (
    select * from counts
    unpivot (row_count for child_column in (*))
)

select * from orphans
where row_count > 0

{% endtest %}
