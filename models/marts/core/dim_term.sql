with terms as (
    select
        *,
        term_type in ('semester', 'term') as has_level_of_reports
    from {{ ref('stg_terms') }}
),

reporting as (
    select
        terms.term_id,
        terms.term_name,
        terms.term_type,
        terms.parent_term_id,
        coalesce(terms.school_year, {{ school_year_of('terms.start_date') }}) as school_year,
        terms.start_date,
        terms.end_date,
        terms.source_system,
        terms.term_type = 'schoolYear' as is_school_year,
        case
            when terms.term_type <> 'gradingPeriod' then terms.term_id
            when parents.has_level_of_reports then parents.term_id
            when grandparents.has_level_of_reports then grandparents.term_id
            else terms.term_id
        end as reporting_term_id,
        terms.batch_id
    from terms
    left join terms as parents on terms.parent_term_id = parents.term_id
    left join terms as grandparents on parents.parent_term_id = grandparents.term_id
),

-- A source's year is reported by its semesters; only a year without any stands for itself.
known as (
    select
        {{ surrogate_key(['term_id']) }} as term_key,
        term_id,
        term_name,
        term_type,
        parent_term_id,
        school_year,
        start_date,
        end_date,
        source_system,
        is_school_year,
        reporting_term_id = term_id
        and (
            not is_school_year
            or count_if(not is_school_year) over (partition by source_system, school_year) = 0
        ) as is_reporting_term,
        reporting_term_id,
        {{ surrogate_key(['reporting_term_id']) }} as reporting_term_key,
        max(batch_id) over (partition by source_system, school_year) as batch_id
    from reporting
),

unknown_member as (
    select
        cast(-1 as bigint) as term_key,
        'unknown' as term_id,
        'unknown' as term_name,
        'unknown' as term_type,
        cast(null as string) as parent_term_id,
        cast(null as int) as school_year,
        cast(null as date) as start_date,
        cast(null as date) as end_date,
        'unknown' as source_system,
        false as is_school_year,
        false as is_reporting_term,
        'unknown' as reporting_term_id,
        cast(-1 as bigint) as reporting_term_key,
        cast(0 as bigint) as batch_id
),

final as (
    select * from known
    union all
    select * from unknown_member
)

select * from final
