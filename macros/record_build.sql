{#-
  Writes to quality.builds what a `dbt build` did, for `district release`: only a build of everything
  whose every node and test passed can be published. Unit tests hold the code, not the data.
-#}
{% macro record_build(results) -%}
    {%- if execute and flags.WHICH == 'build' -%}
        {%- set built = {} -%}
        {%- for result in results -%}
            {%- do built.update({result.node.unique_id: result.status | string}) -%}
        {%- endfor -%}
        {%- set counted = {'missing': 0, 'failed': 0} -%}
        {%- for node in graph.nodes.values()
            if node.resource_type in ('model', 'seed', 'snapshot', 'test') and node.config.enabled -%}
            {%- if node.unique_id not in built -%}
                {%- do counted.update({'missing': counted['missing'] + 1}) -%}
            {%- elif built[node.unique_id] not in ('success', 'pass', 'warn') -%}
                {%- do counted.update({'failed': counted['failed'] + 1}) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- call statement() -%}
            create table if not exists quality.builds (
                invocation_id string,
                finished_at timestamp,
                is_complete boolean,
                failed_count int,
                jurisdiction string,
                grading_scale string
            ) using delta
        {%- endcall -%}
        {%- call statement() -%}
            insert into quality.builds values (
                '{{ invocation_id }}',
                current_timestamp(),
                {{ counted['missing'] == 0 }},
                {{ counted['failed'] }},
                '{{ var("jurisdiction") }}',
                '{{ var("grading_scale") }}'
            )
        {%- endcall -%}
    {%- endif -%}
{%- endmacro %}
