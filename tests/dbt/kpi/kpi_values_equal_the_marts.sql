-- A number stands in a mart and in kpi_values, and is the same. Fails once per KPI and grain.
with kpi_values as (
    select * from {{ ref('kpi_values') }}
),

courses as (
    select
        'course' as grain,
        course_id as entity_id,
        school_year,
        term_id,
        stack(
            2,
            'avg_grade_percent', avg_grade_percent,
            'avg_grade_points', avg_grade_points
        ) as (kpi, mart_value)
    from {{ ref('avg_grade_per_course') }}
),

teachers as (
    select
        'teacher' as grain,
        teacher_id as entity_id,
        school_year,
        term_id,
        stack(
            2,
            'avg_grade_percent_with_missing_as_zero', avg_grade_percent_with_missing_as_zero,
            'avg_grade_points', avg_grade_points
        ) as (kpi, mart_value)
    from {{ ref('avg_grade_per_teacher') }}
),

schools as (
    select
        'school' as grain,
        school_id as entity_id,
        school_year,
        term_id,
        stack(
            5,
            'avg_grade_percent', avg_grade_percent,
            'a_b_rate', a_b_rate,
            'd_f_rate', d_f_rate,
            'homework_submission_rate', homework_submission_rate,
            'attendance_rate', attendance_rate
        ) as (kpi, mart_value)
    from {{ ref('school_performance') }}
),

subjects as (
    select
        'subject' as grain,
        subject_area as entity_id,
        school_year,
        term_id,
        stack(
            3,
            'avg_grade_points', avg_grade_points,
            'homework_submission_rate', homework_submission_rate,
            'attendance_rate', attendance_rate
        ) as (kpi, mart_value)
    from {{ ref('subject_performance') }}
),

engagement as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        'guardian_reached_rate' as kpi,
        reached_rate as mart_value
    from {{ ref('parent_engagement') }}
    where grain <> 'school_grade_level'
),

marts as (
    select * from courses
    union all
    select * from teachers
    union all
    select * from schools
    union all
    select * from subjects
    union all
    select * from engagement
)

select
    marts.kpi,
    marts.grain,
    count(*) as cell_count
from marts
left join kpi_values
    on marts.kpi = kpi_values.kpi
    and marts.grain = kpi_values.grain
    and marts.entity_id = kpi_values.entity_id
    and marts.school_year = kpi_values.school_year
    and marts.term_id = kpi_values.term_id
where not marts.mart_value <=> kpi_values.value
group by marts.kpi, marts.grain
