{#-
  What has landed since the fact was last built, as a condition on the fact's own columns.

  A fact names its inputs in one place, config meta.changed_by: column -> inputs whose new rows
  change the fact rows with that column's value ("model", or "model.column" when the input calls it
  otherwise); "*" -> inputs whose new rows may change any row. An input has new rows when its
  batch_id is above the greatest one that the fact holds.
  Returns 'true' for all rows, 'false' when nothing has landed.
-#}
{% macro changed_rows(changed_by) -%}
    {%- set inputs = [] -%}
    {%- for names in changed_by.values() -%}
        {%- for name in names -%}
            {%- do inputs.append(name.split('.')[0]) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- set query -%}
        select '' as name, coalesce(max(batch_id), 0) as batch_id from {{ this }}
        {%- for name in inputs | unique %}
        union all
        select '{{ name }}' as name, coalesce(max(batch_id), 0) as batch_id from {{ ref(name) }}
        {%- endfor %}
    {%- endset -%}
    {%- set newest = {} -%}
    {%- for row in run_query(query).rows -%}
        {%- do newest.update({row[0] or '': row[1] | int}) -%}
    {%- endfor -%}
    {%- set seen = newest[''] -%}
    {%- set conditions = [] -%}
    {%- for column, names in changed_by.items() -%}
        {%- for name in names if newest[name.split('.')[0]] > seen -%}
            {%- if column == '*' -%}
                {{ return('true') }}
            {%- endif -%}
            {%- set input = name.split('.')[0] -%}
            {%- set input_column = name.split('.')[1] if '.' in name else column -%}
            {%- do conditions.append(
                column ~ ' in (select ' ~ input_column ~ ' from ' ~ ref(input)
                ~ ' where batch_id > ' ~ seen ~ ')'
            ) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return('(' ~ conditions | join(' or ') ~ ')' if conditions else 'false') }}
{%- endmacro %}
