{#- Rows of `relation`, a student's section in a period, per entity they count for: the student, the
    grade level, the school and the district with the `amounts` of all sections together, and what
    the CTE section_entities gives for the section (a teacher with a weight). -#}
{% macro rows_per_entity(relation, amounts=[]) -%}
    select
        student_id,
        school_year,
        term_id,
        {%- for amount in amounts %}
        {{ amount }},
        {%- endfor %}
        inline(array(
            struct('student' as grain, student_id as entity_id, 100000000L as weight),
            struct('grade_level' as grain, grade_level as entity_id, 100000000L as weight),
            struct('school' as grain, school_id as entity_id, 100000000L as weight),
            struct('district' as grain, district_id as entity_id, 100000000L as weight)
        )) as (grain, entity_id, weight)
    from (
        select
            student_id,
            grade_level,
            school_id,
            district_id,
            school_year,
            term_id
            {%- for amount in amounts %},
            sum({{ amount }}) as {{ amount }}
            {%- endfor %}
        from {{ relation }}
        group by student_id, grade_level, school_id, district_id, school_year, term_id
    ) as student_schools
    union all
    select
        {{ relation }}.student_id,
        {{ relation }}.school_year,
        {{ relation }}.term_id,
        {%- for amount in amounts %}
        {{ relation }}.{{ amount }},
        {%- endfor %}
        inline(coalesce(
            section_entities.entities,
            array(
                struct('course' as grain, 'unknown' as entity_id, 100000000L as weight),
                struct('subject' as grain, 'unknown' as entity_id, 100000000L as weight),
                struct('teacher' as grain, 'unknown' as entity_id, 100000000L as weight)
            )
        )) as (grain, entity_id, weight)
    from {{ relation }}
    left join section_entities on {{ relation }}.course_id = section_entities.course_id
{%- endmacro %}

{#- The entities of each section, as rows_per_entity takes them. Weights are in hundred-millionths:
    whole numbers add up several times as fast as decimals, and as exactly. -#}
{% macro section_entities() -%}
    select
        course_id,
        collect_list(
            struct(grain, entity_id, cast(weight * 100000000 as bigint) as weight)
        ) as entities
    from {{ ref('course_entities') }}
    group by course_id
{%- endmacro %}

{#- Sum of a whole number x weight, in hundred-millionths; `scale`: how many are one of its unit. -#}
{% macro weighted_sum(column, scale=1) -%}
    {%- if scale == 1 -%}
        sum({{ column }} * weight)
    {%- else -%}
        (sum({{ column }} * weight) + {{ scale // 2 }}) div {{ scale }}
    {%- endif -%}
{%- endmacro %}

{#- The sum of such sums, as a decimal. -#}
{% macro sum_of_weighted(column) -%}
    cast(sum({{ column }}) * 0.00000001bd as decimal(28, 8))
{%- endmacro %}
