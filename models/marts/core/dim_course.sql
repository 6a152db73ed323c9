with courses as (
    select * from {{ ref('stg_courses') }}
),

terms as (
    select * from {{ ref('dim_term') }}
),

subjects as (
    select * from {{ ref('subjects') }}
),

course_terms as (
    select
        course_id,
        explode(term_ids) as term_id
    from courses
),

-- A section of several terms belongs to the school year above them, else to its first term.
calendars as (
    select
        course_terms.course_id,
        case
            when count(distinct terms.reporting_term_id) = 1 then min(terms.reporting_term_id)
            when count(distinct year_terms.term_id) = 1 then min(year_terms.term_id)
            else min_by(terms.reporting_term_id, struct(terms.start_date, terms.term_id))
        end as term_id,
        max(terms.school_year) as school_year,
        min(terms.start_date) as start_date,
        max(terms.end_date) as end_date,
        max(terms.batch_id) as batch_id
    from course_terms
    inner join terms on course_terms.term_id = terms.term_id
    inner join terms as reporting on terms.reporting_term_id = reporting.term_id
    left join terms as year_terms
        on reporting.parent_term_id = year_terms.term_id and year_terms.is_school_year
    group by course_terms.course_id
),

texts as (
    select
        course_id,
        lower(coalesce(subject, '')) as subject_text,
        lower(coalesce(course_name, '')) as name_text
    from courses
),

words as (
    select
        course_id,
        concat(' ', regexp_replace(subject_text, '[^a-z0-9]+', ' '), ' ') as subject_words,
        concat(' ', regexp_replace(name_text, '[^a-z0-9]+', ' '), ' ') as name_words
    from texts
),

areas as (
    select
        words.course_id,
        max_by(
            struct(subjects.subject_area, subjects.is_core_subject),
            struct(
                contains(words.subject_words, concat(' ', subjects.keyword, ' ')),
                length(subjects.keyword),
                subjects.keyword
            )
        ) as area
    from words
    inner join subjects
        on contains(
            concat(words.subject_words, '|', words.name_words), concat(' ', subjects.keyword, ' ')
        )
    group by words.course_id
),

known as (
    select
        {{ surrogate_key(['courses.course_id']) }} as course_key,
        courses.course_id,
        courses.course_name,
        courses.course_code,
        courses.subject,
        coalesce(areas.area.subject_area, 'other') as subject_area,
        coalesce(areas.area.is_core_subject, false) as is_core_subject,
        coalesce(courses.level, 'regular') as level,
        courses.credits,
        coalesce(courses.school_id, 'unknown') as school_id,
        coalesce(courses.teacher_id, 'unknown') as teacher_id,
        coalesce(calendars.term_id, 'unknown') as term_id,
        calendars.school_year,
        calendars.start_date,
        calendars.end_date,
        courses.grade_levels,
        courses.is_active,
        greatest(courses.batch_id, calendars.batch_id) as batch_id
    from courses
    left join calendars on courses.course_id = calendars.course_id
    left join areas on courses.course_id = areas.course_id
),

unknown_member as (
    select
        cast(-1 as bigint) as course_key,
        'unknown' as course_id,
        'unknown' as course_name,
        cast(null as string) as course_code,
        cast(null as string) as subject,
        'unknown' as subject_area,
        false as is_core_subject,
        'unknown' as level,
        cast(null as decimal(5, 2)) as credits,
        'unknown' as school_id,
        'unknown' as teacher_id,
        'unknown' as term_id,
        cast(null as int) as school_year,
        cast(null as date) as start_date,
        cast(null as date) as end_date,
        cast(null as array<string>) as grade_levels,
        true as is_active,
        cast(0 as bigint) as batch_id
),

final as (
    select * from known
    union all
    select * from unknown_member
)

select * from final
