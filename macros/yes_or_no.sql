{#- A flag as a word for readers: yes, no, or unknown when it is null. -#}
{% macro yes_or_no(flag) -%}
    case when {{ flag }} then 'yes' when not {{ flag }} then 'no' else 'unknown' end
{%- endmacro %}
