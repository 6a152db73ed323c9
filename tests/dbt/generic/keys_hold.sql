{#- Fails once per broken rule: `unique` are the columns of the key, `not_null` what may not lack. -#}
{% test keys_hold(model, unique, not_null=[]) %}

with counts as (
    select
        {%- for column in (unique + not_null) | unique %}
        count_if({{ column }} is null) as `{{ column }} is null`,
        {%- endfor %}
        count(*) - count(distinct struct({{ unique | join(', ') }}))
            as `{{ unique | join(', ') }} repeats`
    from {{ model }}
),

rules as (
    select * from counts
    unpivot (row_count for rule in (*))
)

select * from rules
where row_count > 0

{% endtest %}
