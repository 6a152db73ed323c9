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
            'guardian_contactable_rate', contactable_student_count,
            student_count, contactable_rate,
            'guardian_reached_rate', reached_student_count, covered_student_count, reached_rate,
            'communications_per_student', communication_count,
            covered_student_count, communications_per_student
        ) as (kpi, numerator, denominator, kpi_value)
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
            'drops_per_100_students', drop_count, student_count, drops_per_100_students,
            'switches_per_100_students', switch_count, student_count, switches_per_100_students,
            'audits_per_100_students', audit_count, student_count, audits_per_100_students,
            'changes_per_100_students', change_count, student_count, changes_per_100_students
        ) as (kpi, numerator, denominator, kpi_value)
    from changes
),

workload_values as (
    select
        'teacher' as grain,
        teacher_id as entity_id,
        school_year,
        term_id,
        inline(array(
            struct(
                'section_count' as kpi,
                cast(section_count as decimal(18, 6)) as numerator,
                cast(null as bigint) as denominator,
                cast(section_count as decimal(18, 6)) as kpi_value
            ),
            struct(
                'assignment_count' as kpi,
                assignment_count as numerator,
                cast(null as bigint) as denominator,
                assignment_count as kpi_value
            ),
            struct(
                'median_days_to_grade' as kpi,
                cast(null as decimal(18, 6)) as numerator,
                returned_count as denominator,
                cast(median_days_to_grade as decimal(18, 6)) as kpi_value
            )
        )) as (kpi, numerator, denominator, kpi_value)
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
        student_count as kpi_value
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
        total_content_count as kpi_value
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
