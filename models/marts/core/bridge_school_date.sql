with schools as (
    select * from {{ ref('stg_schools') }}
    where school_type <> 'district'
),

terms as (
    select * from {{ ref('dim_term') }}
    where is_reporting_term or is_school_year
),

all_terms as (
    select * from {{ ref('dim_term') }}
),

courses as (
    select * from {{ ref('stg_courses') }}
),

dates as (
    select * from {{ ref('dim_date') }}
),

course_terms as (
    select
        school_id,
        explode(term_ids) as term_id
    from courses
),

own_terms as (
    select distinct
        course_terms.school_id,
        all_terms.reporting_term_id
    from course_terms
    inner join all_terms on course_terms.term_id = all_terms.term_id
),

candidates as (
    select
        schools.school_id,
        terms.*,
        own_terms.school_id is not null as is_own,
        count_if(terms.is_reporting_term and own_terms.school_id is not null) over (
            partition by schools.school_id, terms.school_year
        ) > 0 as has_own
    from schools
    inner join terms on schools.source_system = terms.source_system
    left join own_terms
        on schools.school_id = own_terms.school_id and terms.term_id = own_terms.reporting_term_id
),

-- A district may keep terms per school: then those of the school's own sections alone count.
school_terms as (
    select
        school_id,
        term_id,
        school_year,
        start_date,
        end_date,
        is_reporting_term and (is_own or not has_own) as is_reporting_term,
        struct(datediff(start_date, end_date) as shortness, term_id) as preference,
        batch_id
    from candidates
    where is_school_year or is_own or not has_own
),

days as (
    select
        school_terms.school_id,
        dates.date_key,
        dates.calendar_date,
        max_by(school_terms.school_year, school_terms.preference) as school_year,
        max_by(
            if(school_terms.is_reporting_term, school_terms.term_id, 'unknown'),
            struct(school_terms.is_reporting_term, school_terms.preference)
        ) as term_id,
        bool_or(school_terms.is_reporting_term)
        and first(dates.is_weekday)
        and not first(dates.is_holiday) as is_school_day,
        max(school_terms.batch_id) as batch_id
    from school_terms
    inner join dates
        on dates.calendar_date between school_terms.start_date and school_terms.end_date
    group by school_terms.school_id, dates.date_key, dates.calendar_date
),

final as (
    select
        school_id,
        date_key,
        calendar_date,
        school_year,
        if(term_id = 'unknown', -1, {{ surrogate_key(['term_id']) }}) as term_key,
        term_id,
        is_school_day,
        batch_id
    from days
)

select * from final
