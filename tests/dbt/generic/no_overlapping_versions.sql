{#-
  Fails on each id whose versions are not one unbroken chain from 1900-01-01 to 9999-12-31 with
  exactly one current version, the last.
-#}
{% test no_overlapping_versions(model, durable_id) %}

with versions as (
    select
        {{ durable_id }},
        effective_from,
        effective_to,
        is_current,
        lag(effective_to, 1, timestamp '1900-01-01') over (
            partition by {{ durable_id }} order by effective_from
        ) as previous_effective_to
    from {{ model }}
)

select
    {{ durable_id }},
    count(*) as version_count
from versions
group by {{ durable_id }}
having
    count_if(effective_from <> previous_effective_to or effective_from >= effective_to) > 0
    or count_if(is_current) <> 1
    or count_if(is_current <> (effective_to = timestamp '9999-12-31')) > 0
    or max(effective_to) <> timestamp '9999-12-31'

{% endtest %}
