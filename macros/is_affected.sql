{#-
  Condition for an incremental fact's rows: something that the row is made of has landed since, or
  the row now in the fact was made of it. True on a full refresh. See macro changed_rows.
-#}
{% macro is_affected() -%}
    {%- if is_incremental() -%}
        {%- set changed = changed_rows(config.get('meta')['changed_by']) -%}
        {%- set key = config.get('unique_key') -%}
        {%- if changed in ('true', 'false') -%}
            {{ changed }}
        {%- else -%}
            ({{ changed }} or {{ key }} in (select {{ key }} from {{ this }} where {{ changed }}))
        {%- endif -%}
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}
