{#- Fails once per rule that is false for some row. rules: name -> condition; null passes. -#}
{% test rules_hold(model, rules) %}

with counts as (
    select
        {%- for name, condition in rules.items() %}
        count_if(not ({{ condition }})) as `{{ name }}`{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ model }}
),

broken as (
    select * from counts
    unpivot (row_count for rule in (*))
)

select * from broken
where row_count > 0

{% endtest %}
