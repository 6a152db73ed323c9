{{ config(materialized='view') }}

with absences as (
    select * from {{ ref('chronic_absence') }}
    where meets_minimum
),

gpas as (
    select * from {{ ref('student_gpa') }}
    where period_type <> 'cumulative' and gpa_credits > 0
),

marks as (
    select
        *,
        {{ school_and_district() }}
    from {{ ref('course_marks') }}
    where is_attempted
),

on_track as (
    select
        *,
        {{ school_and_district() }}
    from {{ ref('grade9_on_track') }}
    where is_on_track is not null
),

warnings as (
    select
        *,
        {{ school_and_district() }}
    from {{ ref('student_early_warning') }}
    where overall_level <> 'not_known'
),

periods as (
    select * from {{ ref('term_periods') }}
),

student_schools as (
    select distinct
        student_id,
        school_id,
        district_id,
        school_year,
        term_id
    from {{ ref('enrolled_sections') }}
),

enrollments as (
    select
        student_id,
        school_year,
        term_id,
        {{ school_and_district() }}
    from student_schools
),

enrolled as (
    select distinct * from enrollments
),

student_marks as (
    select
        marks.grain,
        marks.entity_id,
        marks.student_id,
        marks.school_year,
        periods.period_id as term_id,
        bool_or(marks.is_failed) as has_failed
    from marks
    inner join periods on marks.term_id = periods.term_id
    group by
        marks.grain, marks.entity_id, marks.student_id, marks.school_year, periods.period_id
),

-- A school has the days at that school, a district those of all schools of the student.
students as (
    select
        if(grain = 'student_school', 'school', 'district') as grain,
        if(grain = 'student_school', school_id, district_id) as entity_id,
        student_id,
        school_year,
        'year' as term_id,
        'chronic_absence_rate' as kpi,
        is_chronically_absent as is_numerator_student,
        1 as denominator
    from absences
    union all
    select
        grain,
        entity_id,
        student_id,
        school_year,
        term_id,
        'course_failure_rate' as kpi,
        has_failed as is_numerator_student,
        1 as denominator
    from student_marks
    union all
    select
        grain,
        entity_id,
        student_id,
        school_year,
        'year' as term_id,
        'grade9_on_track_rate' as kpi,
        is_on_track as is_numerator_student,
        1 as denominator
    from on_track
    union all
    select
        grain,
        entity_id,
        student_id,
        school_year,
        'year' as term_id,
        stack(
            4,
            'early_warning_student_count', true, cast(null as int),
            'early_warning_rate_at_risk', overall_level = 'at_risk', 1,
            'early_warning_rate_warning', overall_level = 'early_warning', 1,
            'early_warning_rate_on_track', overall_level = 'on_track', 1
        ) as (kpi, is_numerator_student, denominator)
    from warnings
),

student_gpas as (
    select
        enrolled.grain,
        enrolled.entity_id,
        gpas.student_id,
        gpas.school_year,
        gpas.term_id,
        stack(
            2,
            'gpa_unweighted', gpas.unweighted_gpa,
            'gpa_weighted', gpas.weighted_gpa
        ) as (kpi, numerator)
    from gpas
    inner join enrolled
        on gpas.student_id = enrolled.student_id
        and gpas.school_year = enrolled.school_year
        and gpas.term_id = enrolled.term_id
),

final as (
    select
        grain,
        entity_id,
        student_id,
        school_year,
        term_id,
        kpi,
        cast(int(is_numerator_student) as decimal(18, 6)) as numerator,
        cast(denominator as bigint) as denominator,
        is_numerator_student
    from students
    union all
    select
        grain,
        entity_id,
        student_id,
        school_year,
        term_id,
        kpi,
        numerator,
        cast(1 as bigint) as denominator,
        cast(null as boolean) as is_numerator_student
    from student_gpas
)

select * from final
