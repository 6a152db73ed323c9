{{ config(materialized='view') }}

with course_terms as (
    select * from {{ ref('course_terms') }}
),

school_terms as (
    select distinct
        school_id,
        school_year,
        term_id,
        start_date
    from course_terms
    where term_id <> 'year'
),

-- Terms follow each other within a school: schools of one district may each have their own.
sequences as (
    select
        school_year,
        term_id,
        lag(struct(start_date, school_year, term_id)) over (
            partition by school_id order by start_date, term_id
        ) as previous
    from school_terms
),

term_rows as (
    select
        school_year,
        term_id,
        max(previous).school_year as previous_school_year,
        max(previous).term_id as previous_term_id
    from sequences
    group by school_year, term_id
),

year_rows as (
    select distinct
        school_year,
        'year' as term_id,
        school_year - 1 as previous_school_year,
        'year' as previous_term_id
    from course_terms
),

final as (
    select * from term_rows
    union all
    select * from year_rows
)

select * from final
