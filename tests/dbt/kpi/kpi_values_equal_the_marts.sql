-- A number stands in a mart and in kpi_values, and is the same. Fails once per KPI and grain.
with kpi_values as (
    select * from {{ ref('kpi_values') }}
    where subgroup_type in ('all', 'grade_level')
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

failures as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        'course_failure_rate' as kpi,
        course_failure_rate as mart_value
    from {{ ref('course_failure_rate') }}
),

usages as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        stack(
            2,
            'content_usage_rate', usage_rate,
            'views_per_student', views_per_student
        ) as (kpi, mart_value)
    from {{ ref('content_usage') }}
),

gpas as (
    select
        'student' as grain,
        student_id as entity_id,
        school_year,
        term_id,
        stack(
            2,
            'gpa_unweighted', unweighted_gpa,
            'gpa_weighted', weighted_gpa
        ) as (kpi, mart_value)
    from {{ ref('student_gpa') }}
    where period_type <> 'cumulative'
),

absences as (
    select
        'district' as grain,
        district_id as entity_id,
        school_year,
        'year' as term_id,
        'chronic_absence_rate' as kpi,
        {{ ratio('count_if(is_chronically_absent)', 'count_if(meets_minimum)') }} as mart_value
    from {{ ref('chronic_absence') }}
    where grain = 'student_year'
    group by district_id, school_year
),

on_track as (
    select
        'school' as grain,
        school_id as entity_id,
        school_year,
        'year' as term_id,
        'grade9_on_track_rate' as kpi,
        {{ ratio('count_if(is_on_track)', 'count(is_on_track)') }} as mart_value
    from {{ ref('grade9_on_track') }}
    group by school_id, school_year
),

warnings as (
    select
        'school' as grain,
        school_id as entity_id,
        school_year,
        'year' as term_id,
        'early_warning_rate_warning' as kpi,
        {{ ratio(
            "count_if(overall_level = 'early_warning')", "count_if(overall_level <> 'not_known')"
        ) }} as mart_value
    from {{ ref('student_early_warning') }}
    group by school_id, school_year
),

whole_entities as (
    select * from courses
    union all
    select * from teachers
    union all
    select * from schools
    union all
    select * from subjects
    union all
    select * from failures
    union all
    select * from usages
    union all
    select * from gpas
    union all
    select * from absences
    union all
    select * from on_track
    union all
    select * from warnings
),

engagement as (
    select
        if(grain = 'school_grade_level', 'school', grain) as grain,
        entity_id,
        if(grain = 'school_grade_level', 'grade_level', 'all') as subgroup_type,
        grade_level as subgroup,
        school_year,
        term_id,
        stack(
            2,
            'guardian_linked_rate', linked_rate,
            'guardian_reached_rate', reached_rate
        ) as (kpi, mart_value)
    from {{ ref('parent_engagement') }}
),

marts as (
    select
        grain,
        entity_id,
        'all' as subgroup_type,
        'all' as subgroup,
        school_year,
        term_id,
        kpi,
        mart_value
    from whole_entities
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
    and marts.subgroup_type = kpi_values.subgroup_type
    and marts.subgroup = kpi_values.subgroup
    and marts.school_year = kpi_values.school_year
    and marts.term_id = kpi_values.term_id
where not marts.mart_value <=> kpi_values.value
group by marts.kpi, marts.grain
