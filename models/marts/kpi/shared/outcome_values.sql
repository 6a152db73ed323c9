{{ config(materialized='view') }}

-- Schools and districts are counted from their students, with the groups: student_outcome_values.
with failures as (
    select * from {{ ref('course_failure_rate') }}
    where grain not in ('school', 'district')
),

usages as (
    select * from {{ ref('content_usage') }}
),

gpas as (
    select * from {{ ref('student_gpa') }}
    where period_type <> 'cumulative' and gpa_credits > 0
),

usage_values as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        stack(
            2,
            'content_usage_rate', viewer_count, student_count, usage_rate,
            student_count, viewer_count,
            'views_per_student', view_count, student_count, views_per_student,
            student_count, viewer_count
        ) as (kpi, numerator, denominator, kpi_value, student_count, numerator_student_count)
    from usages
),

gpa_values as (
    select
        'student' as grain,
        student_id as entity_id,
        school_year,
        term_id,
        stack(
            2,
            'gpa_unweighted', unweighted_points, gpa_credits, unweighted_gpa,
            'gpa_weighted', weighted_points, gpa_credits, weighted_gpa
        ) as (kpi, numerator, denominator, kpi_value),
        cast(1 as bigint) as student_count,
        cast(null as bigint) as numerator_student_count
    from gpas
),

final as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        'course_failure_rate' as kpi,
        failed_student_count as numerator,
        marked_student_count as denominator,
        course_failure_rate as kpi_value,
        marked_student_count as student_count,
        failed_student_count as numerator_student_count
    from failures
    union all
    select * from usage_values
    union all
    select * from gpa_values
)

select * from final
