{#- Fails once per broken rule. unique: the columns of the key; not_null: what else must be there. -#}
{% test keys_hold(model, unique, not_null=[]) %}

with counts as (
    select
        map(
            {%- for column in (unique + not_null) | unique %}
            '{{ column }} is null', count_if({{ column }} is null),
            {%- endfor %}
            '{{ unique | join(', ') }} repeats',
            count(*) - count(distinct struct({{ unique | join(', ') }}))
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
