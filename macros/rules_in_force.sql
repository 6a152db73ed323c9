{#- Rows of a seed that hold in var jurisdiction; for a key that it lacks, the rows of default. -#}
{% macro rules_in_force(seed, keys) -%}
    {%- set jurisdiction = var('jurisdiction') -%}
    select * from {{ seed }}
    where
        jurisdiction = '{{ jurisdiction }}'
        {%- if jurisdiction != 'default' %}
        or (
            jurisdiction = 'default'
            and ({{ keys | join(', ') }}) not in (
                select {{ keys | join(', ') }}
                from {{ seed }}
                where jurisdiction = '{{ jurisdiction }}'
            )
        )
        {%- endif %}
{%- endmacro %}

{#- One row per school year with rules of a seed, each as a column: those that hold at the year's end,
    or on the as-of date while it runs. `keys`: the columns that tell rules apart, the last one their
    name. -#}
{% macro rules_by_year(seed, keys, names, condition='true') -%}
    select
        school_years.school_year,
        {%- for name in names %}
        max(if(rules.{{ keys | last }} = '{{ name }}', rules.value, null)) as {{ name }}
        {{- ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('school_years') }} as school_years
    left join ({{ rules_in_force(seed, keys) }}) as rules
        on {{ condition }}
        and school_years.rule_date >= rules.effective_from
        and school_years.rule_date < rules.effective_to
    group by school_years.school_year
{%- endmacro %}

{% macro thresholds_in_force(kpi, thresholds) -%}
    {{ rules_by_year(
        ref('kpi_thresholds'), ['kpi', 'threshold'], thresholds, "rules.kpi = '" ~ kpi ~ "'"
    ) }}
{%- endmacro %}

{% macro gpa_rules_in_force(names) -%}
    {{ rules_by_year(ref('gpa_rules'), ['rule'], names) }}
{%- endmacro %}
