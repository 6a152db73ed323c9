{{ config(
    materialized='incremental',
    tblproperties=none,
    unique_key='content_access_key',
    meta={
        'changed_by': {
            'content_access_key': ['stg_content_views'],
            'student_id': ['dim_student'],
            'content_id': ['dim_content'],
            'course_id': ['dim_course'],
            'school_id': ['dim_course'],
            '*': ['dim_term'],
        }
    }
) }}

with content_views as (
    select * from {{ ref('stg_content_views') }}
    where is_active
),

contents as (
    select * from {{ ref('dim_content') }}
),

courses as (
    select * from {{ ref('dim_course') }}
),

terms as (
    select * from {{ ref('dim_term') }}
    where is_reporting_term
),

students as (
    select * from {{ ref('dim_student') }}
),

dates as (
    select * from {{ ref('dim_date') }}
),

school_dates as (
    select * from {{ ref('bridge_school_date') }}
),

placed as (
    select
        content_views.content_access_key,
        coalesce(contents.content_key, -1) as content_key,
        coalesce(courses.course_key, -1) as course_key,
        coalesce(content_views.student_id, 'unknown') as student_id,
        coalesce(content_views.content_id, 'unknown') as content_id,
        coalesce(contents.course_id, 'unknown') as course_id,
        terms.term_id as course_term_id,
        terms.term_key as course_term_key,
        terms.school_year as course_school_year,
        coalesce(courses.school_id, 'unknown') as school_id,
        content_views.access_date,
        content_views.access_type,
        coalesce(content_views.access_count, 1) as access_count,
        greatest(content_views.batch_id, contents.batch_id, courses.batch_id) as batch_id
    from content_views
    left join contents on content_views.content_id = contents.content_id
    left join courses on contents.course_id = courses.course_id
    left join terms on courses.term_id = terms.term_id
),

-- A view counts in the term of its section; in a section of all year, in that of its day.
affected as (
    select
        content_access_key,
        content_key,
        course_key,
        student_id,
        content_id,
        course_id,
        course_term_id,
        course_term_key,
        course_school_year,
        school_id,
        access_date,
        access_type,
        sum(access_count) as access_count,
        max(batch_id) as batch_id
    from placed
    where {{ is_affected() }}
    group by all
),

final as (
    select
        affected.content_access_key,
        coalesce(students.student_key, -1) as student_key,
        affected.content_key,
        affected.course_key,
        coalesce(affected.course_term_key, school_dates.term_key, -1) as term_key,
        coalesce(dates.date_key, -1) as date_key,
        affected.student_id,
        affected.content_id,
        affected.course_id,
        coalesce(affected.course_term_id, school_dates.term_id, 'unknown') as term_id,
        affected.school_id,
        coalesce(
            affected.course_school_year,
            school_dates.school_year,
            {{ school_year_of('affected.access_date') }}
        ) as school_year,
        affected.access_date,
        affected.access_type,
        affected.access_count,
        greatest(affected.batch_id, students.batch_id, school_dates.batch_id) as batch_id
    from affected
    left join students
        on affected.student_id = students.student_id
        and {{ holds_on('students', 'affected.access_date') }}
    left join school_dates
        on affected.school_id = school_dates.school_id
        and affected.access_date = school_dates.calendar_date
    left join dates on affected.access_date = dates.calendar_date
)

select * from final
