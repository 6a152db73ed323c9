{#-
  One atomic MERGE that leaves the fact as a full refresh would: rows that the new computation
  yields are inserted or, where a column differs, updated; affected rows that it no longer yields
  are deleted. Rows known to be equal stay out of the source, else Delta writes their files again.
  Delta allows no subquery in a MERGE's conditions: the source carries the deletions.
  Models without meta.changed_by get the merge of dbt-spark.
-#}
{% macro spark__get_merge_sql(target, source, unique_key, dest_columns, incremental_predicates) %}
    {%- set changed_by = (config.get('meta') or {}).get('changed_by') -%}
    {%- if not changed_by -%}
        {{ dbt_spark.spark__get_merge_sql(
            target, source, unique_key, dest_columns, incremental_predicates
        ) }}
    {%- else -%}
        {%- set changed = changed_rows(changed_by) -%}
        {%- if changed == 'false' -%}
            select 'nothing has landed' as answer
        {%- else -%}
            {{ merge_and_delete(target, source, unique_key, changed) }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{% macro merge_and_delete(target, source, unique_key, changed) %}
    {%- set columns = adapter.get_columns_in_relation(target) | map(attribute='quoted') | list -%}
    merge into {{ target }} as fact
    using (
        select
            found.*,
            coalesce(found.{{ unique_key }}, held.{{ unique_key }}) as merge_key,
            found.{{ unique_key }} is null as is_gone
        from {{ source }} as found
        full outer join (select * from {{ target }} where {{ changed }}) as held
            on found.{{ unique_key }} = held.{{ unique_key }}
        where not (
            {%- for column in columns %}
            found.{{ column }} <=> held.{{ column }}{{ ' and' if not loop.last }}
            {%- endfor %}
        )
    ) as new
    on fact.{{ unique_key }} = new.merge_key
    when matched and new.is_gone then delete
    when matched and not (
        {%- for column in columns %}
        fact.{{ column }} <=> new.{{ column }}{{ ' and' if not loop.last }}
        {%- endfor %}
    ) then update set
        {%- for column in columns %}
        fact.{{ column }} = new.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    when not matched then insert ({{ columns | join(', ') }})
        values (
        {%- for column in columns %}
        new.{{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
        )
{% endmacro %}
