{#- One row per school year with rules of grade point averages, each as a column: those that hold at
    the year's end, or on the as-of date while it runs. -#}
{% macro gpa_rules_in_force(names) -%}
    select
        school_years.school_year,
        {%- for name in names %}
        max(if(rules.rule = '{{ name }}', rules.value, null)) as {{ name }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('school_years') }} as school_years
    left join ({{ rules_in_force(ref('gpa_rules'), ['rule']) }}) as rules
        on school_years.rule_date >= rules.effective_from
        and school_years.rule_date < rules.effective_to
    group by school_years.school_year
{%- endmacro %}
