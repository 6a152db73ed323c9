{#-
  Fails once per broken rule, with the number of rows that break it; the model is read once.
  unique: the columns of the key. not_null: what else must be there. In all others null passes:
  accepted_values: column -> list of texts.
  ranges: column -> [low, high], closed.
  rules: name -> condition.
  relationships: column -> "ref('parent')", or { to: ref('parent'), field: key } when the names differ.
-#}
{% test rows_hold(
    model, unique, not_null=[], accepted_values={}, ranges={}, rules={}, relationships={}
) %}

with counts as (
    select
        map(
            {%- for column in (unique + not_null) | unique %}
            '{{ column }} is null', count_if({{ column }} is null),
            {%- endfor %}
            {%- for column, values in accepted_values.items() %}
            '{{ column }} is none of its values',
            count_if({{ column }} not in ('{{ values | join("', '") }}')),
            {%- endfor %}
            {%- for column, range in ranges.items() %}
            '{{ column }} is out of range',
            count_if({{ column }} not between {{ range[0] }} and {{ range[1] }}),
            {%- endfor %}
            {%- for name, condition in rules.items() %}
            '{{ name }}: broken', count_if(not ({{ condition }})),
            {%- endfor %}
            {%- for column in relationships %}
            '{{ column }} has no parent',
            count_if({{ column }} is not null and parent_{{ loop.index }}.parent_key is null),
            {%- endfor %}
            '{{ unique | join(', ') }} repeats',
            count(*) - count(distinct struct({{ unique | join(', ') }}))
        ) as row_counts
    from {{ model }}
    {%- for column, parent in relationships.items() %}
    {%- set to = parent.to if parent.field is string else parent %}
    {%- set field = parent.field if parent.field is string else column %}
    left join (select distinct {{ field }} as parent_key from {{ to }}) as parent_{{ loop.index }}
        on {{ column }} = parent_{{ loop.index }}.parent_key
    {%- endfor %}
),

broken as (
    select explode(row_counts) as (rule, row_count)
    from counts
)

select * from broken
where row_count > 0

{% endtest %}
