{#-
  dbt's check strategy, with an id per landed version instead of one per key and updated_at: two
  versions that hold from the same moment would share that id, and the first would be closed
  without the second being written.
-#}
{% macro snapshot_check_strategy(
    node, snapshotted_rel, current_rel, model_config, target_exists
) %}
    {%- set strategy = dbt.snapshot_check_strategy(
        node, snapshotted_rel, current_rel, model_config, target_exists
    ) -%}
    {%- set version = [config.get('unique_key'), 'batch_id'] + config.get('check_cols') -%}
    {%- do strategy.update({'scd_id': snapshot_hash_arguments(version)}) -%}
    {{ return(strategy) }}
{% endmacro %}
