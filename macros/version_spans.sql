{#-
  Versions of a snapshot with the time that each holds: effective_from <= t < effective_to.
  A version landed later rules from the moment it speaks for, whatever was landed before it; a
  version without any time left is not shown. Version 1 reaches back, for facts older than it.
-#}
{% macro version_spans(snapshot, id) -%}
    select
        * except (superseded_at),
        if(
            row_number() over (partition by {{ id }} order by dbt_valid_from) = 1,
            timestamp '1900-01-01', dbt_valid_from
        ) as effective_from,
        coalesce(superseded_at, timestamp '9999-12-31') as effective_to,
        superseded_at is null as is_current
    from (
        select
            *,
            min(dbt_valid_from) over (
                partition by {{ id }} order by batch_id, dbt_valid_to is null, dbt_scd_id
                rows between 1 following and unbounded following
            ) as superseded_at
        from {{ snapshot }}
    )
    where superseded_at is null or dbt_valid_from < superseded_at
{%- endmacro %}
