{#- The KPIs of each entity of `grain`, side by side, per term and year, with the change of the
    average since the term or year before; the entity's id is called `entity`. -#}
{% macro performance(grain, entity) -%}
with kpi_values as (
    select * from {{ ref('kpi_values') }}
    where grain = '{{ grain }}' and subgroup_type = 'all'
),

previous_terms as (
    select * from {{ ref('previous_terms') }}
),

performance as (
    select
        entity_id as {{ entity }},
        school_year,
        term_id,
        cast(max(if(kpi = 'student_count', numerator, 0)) as bigint) as student_count,
        cast(max(if(kpi = 'avg_grade_percent', denominator, 0)) as bigint) as graded_count,
        max(if(kpi = 'avg_grade_percent', value, null)) as avg_grade_percent,
        cast(max(if(kpi = 'avg_grade_points', denominator, 0)) as bigint) as letter_count,
        max(if(kpi = 'avg_grade_points', value, null)) as avg_grade_points,
        cast(max(if(kpi = 'a_b_rate', numerator, 0)) as bigint) as a_b_count,
        max(if(kpi = 'a_b_rate', value, null)) as a_b_rate,
        cast(max(if(kpi = 'd_f_rate', numerator, 0)) as bigint) as d_f_count,
        max(if(kpi = 'd_f_rate', value, null)) as d_f_rate,
        cast(max(if(kpi = 'homework_submission_rate', denominator, 0)) as bigint) as expected_count,
        cast(max(if(kpi = 'homework_submission_rate', numerator, 0)) as bigint) as submitted_count,
        max(if(kpi = 'homework_submission_rate', value, null)) as homework_submission_rate,
        max(if(kpi = 'attendance_rate', denominator, 0)) as recorded_day_count,
        max(if(kpi = 'attendance_rate', numerator, 0)) as attended_day_count,
        max(if(kpi = 'attendance_rate', value, null)) as attendance_rate
    from kpi_values
    group by entity_id, school_year, term_id
),

final as (
    select
        performance.*,
        previous_terms.previous_school_year,
        previous_terms.previous_term_id,
        cast(performance.avg_grade_percent - earlier.avg_grade_percent as decimal(18, 6))
            as avg_grade_percent_change
    from performance
    left join previous_terms
        on performance.school_year = previous_terms.school_year
        and performance.term_id = previous_terms.term_id
    left join performance as earlier
        on performance.{{ entity }} = earlier.{{ entity }}
        and previous_terms.previous_school_year = earlier.school_year
        and previous_terms.previous_term_id = earlier.term_id
)

select * from final
{%- endmacro %}
