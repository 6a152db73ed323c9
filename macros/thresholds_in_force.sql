{#- One row per school year with the thresholds of a KPI, each as a column: those that hold at the
    year's end, or on the as-of date while it runs. -#}
{% macro thresholds_in_force(kpi, thresholds) -%}
    select
        school_years.school_year,
        {%- for threshold in thresholds %}
        max(if(rules.threshold = '{{ threshold }}', rules.value, null)) as {{ threshold }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('school_years') }} as school_years
    left join ({{ rules_in_force(ref('kpi_thresholds'), ['kpi', 'threshold']) }}) as rules
        on rules.kpi = '{{ kpi }}'
        and school_years.rule_date >= rules.effective_from
        and school_years.rule_date < rules.effective_to
    group by school_years.school_year
{%- endmacro %}
