{#-
  Seeds in one statement each: readers see the old or the new rows, never none, and an apostrophe
  or an empty cell is taken as it is (dbt-spark's bindings do neither).
-#}
{% macro spark__create_csv_table(model, agate_table) %}
    {{ return('') }}
{% endmacro %}

{% macro spark__reset_csv_table(model, full_refresh, old_relation, agate_table) %}
    {{ return('') }}
{% endmacro %}

{% macro spark__load_csv_rows(model, agate_table) %}
    {%- set types = model['config']['column_types'] -%}
    {%- set statement_sql -%}
        create or replace table {{ this }} {{ file_format_clause() }} as
        select
            {%- for column in agate_table.column_names %}
            cast({{ column }} as {{ types[column] }}) as {{ column }}{{ ',' if not loop.last }}
            {%- endfor %}
        from values
            {%- for row in agate_table.rows %}
            (
                {%- for value in row -%}
                    {%- if value is none -%}
                        null
                    {%- else -%}
                        '{{ value | string | replace("\\", "\\\\") | replace("'", "\\'") }}'
                    {%- endif -%}
                    {{ ', ' if not loop.last }}
                {%- endfor -%}
            ){{ ',' if not loop.last }}
            {%- endfor %}
        as rows ({{ agate_table.column_names | join(', ') }})
    {%- endset -%}
    {%- call statement('_') -%}
        {{ statement_sql }}
    {%- endcall -%}
    {{ return(statement_sql) }}
{% endmacro %}
