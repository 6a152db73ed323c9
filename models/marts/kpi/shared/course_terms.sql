with courses as (
    select * from {{ ref('dim_course') }}
    where course_id <> 'unknown' and school_year is not null
),

terms as (
    select * from {{ ref('dim_term') }}
    where is_reporting_term
),

-- A section that runs all year meets in each term of that year that its dates touch.
term_owners as (
    select
        *,
        explode(array(term_id, parent_term_id)) as owner_id
    from terms
),

term_rows as (
    select
        courses.course_id,
        courses.school_id,
        courses.subject_area,
        courses.teacher_id,
        courses.school_year,
        term_owners.term_id,
        term_owners.start_date,
        term_owners.end_date
    from courses
    inner join term_owners
        on courses.term_id = term_owners.owner_id
        and (
            courses.term_id = term_owners.term_id
            or coalesce(courses.start_date <= term_owners.end_date, true)
            and coalesce(courses.end_date >= term_owners.start_date, true)
        )
),

year_rows as (
    select
        course_id,
        school_id,
        subject_area,
        teacher_id,
        school_year,
        'year' as term_id,
        coalesce(start_date, date '1900-01-01') as start_date,
        coalesce(end_date, date '9999-12-31') as end_date
    from courses
),

final as (
    select * from term_rows
    union all
    select * from year_rows
)

select * from final
