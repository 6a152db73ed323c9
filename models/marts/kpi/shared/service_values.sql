{{ config(materialized='view') }}

with engagement as (
    select * from {{ ref('parent_engagement') }}
    where grain <> 'school_grade_level'
),

changes as (
    select * from {{ ref('course_load_changes') }}
),

workload as (
    select * from {{ ref('teacher_workload') }}
),

enrolled as (
    select * from {{ ref('enrolled_students') }}
),

contents as (
    select * from {{ ref('content_analysis') }}
),

engagement_values as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        stack(
            4,
            'guardian_linked_rate', linked_student_count, student_count, linked_rate,
            student_count, linked_student_count,
            'guardian_contactable_rate', contactable_student_count, student_count,
            contactable_rate, student_count, contactable_student_count,
            'guardian_reached_rate', reached_student_count, covered_student_count,
            reached_rate, covered_student_count, reached_student_count,
            'communications_per_student', communication_count, covered_student_count,
            communications_per_student, covered_student_count, reached_student_count
        ) as (kpi, numerator, denominator, kpi_value, student_count, numerator_student_count)
    from engagement
),

change_values as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        stack(
            5,
            'adds_per_100_students', add_count, student_count, adds_per_100_students,
            student_count, add_student_count,
            'drops_per_100_students', drop_count, student_count, drops_per_100_students,
            student_count, drop_student_count,
            'switches_per_100_students', switch_count, student_count,
            switches_per_100_students, student_count, switch_student_count,
            'audits_per_100_students', audit_count, student_count, audits_per_100_students,
            student_count, audit_student_count,
            'changes_per_100_students', change_count, student_count,
            changes_per_100_students, student_count, change_student_count
        ) as (kpi, numerator, denominator, kpi_value, student_count, numerator_student_count)
    from changes
),

workload_values as (
    select
        'teacher' as grain,
        teacher_id as entity_id,
        school_year,
        term_id,
        stack(
            3,
            'section_count', cast(section_count as decimal(18, 6)), cast(null as bigint),
            cast(section_count as decimal(18, 6)), cast(null as bigint),
            'assignment_count', assignment_count, cast(null as bigint),
            assignment_count, cast(null as bigint),
            'median_days_to_grade', cast(null as decimal(18, 6)), returned_count,
            cast(median_days_to_grade as decimal(18, 6)), returned_student_count
        ) as (kpi, numerator, denominator, kpi_value, student_count),
        cast(null as bigint) as numerator_student_count
    from workload
),

count_values as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        'student_count' as kpi,
        student_count as numerator,
        cast(null as bigint) as denominator,
        student_count as kpi_value,
        student_count,
        student_count as numerator_student_count
    from enrolled
    union all
    select distinct
        grain,
        entity_id,
        school_year,
        term_id,
        'content_count' as kpi,
        total_content_count as numerator,
        cast(null as bigint) as denominator,
        total_content_count as kpi_value,
        cast(null as bigint) as student_count,
        cast(null as bigint) as numerator_student_count
    from contents
),

final as (
    select * from engagement_values
    union all
    select * from change_values
    union all
    select * from workload_values
    union all
    select * from count_values
)

select * from final
