{#- Fails once per rule that is false for some row. rules: name -> condition; null passes. -#}
{% test rules_hold(model, rules) %}

with counts as (
    select
        map(
            {%- for name, condition in rules.items() %}
            '{{ name }}', count_if(not ({{ condition }})){{ ',' if not loop.last }}
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
