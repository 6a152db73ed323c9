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
        school_id,
        school_year,
        term_id,
        row_number() over (
            partition by school_id, school_year order by start_date, term_id
        ) as term_number,
        count(*) over (partition by school_id, school_year) as term_count,
        lag(struct(start_date, school_year, term_id)) over (
            partition by school_id order by start_date, term_id
        ) as previous
    from school_terms
),

term_rows as (
    select
        sequences.school_year,
        sequences.term_id,
        max(sequences.previous).school_year as previous_school_year,
        max(sequences.previous).term_id as previous_term_id,
        max(earlier.term_id) as year_earlier_term_id
    from sequences
    left join sequences as earlier
        on sequences.school_id = earlier.school_id
        and sequences.school_year = earlier.school_year + 1
        and sequences.term_number = earlier.term_number
        and sequences.term_count = earlier.term_count
    group by sequences.school_year, sequences.term_id
),

year_rows as (
    select distinct
        school_year,
        'year' as term_id,
        school_year - 1 as previous_school_year,
        'year' as previous_term_id,
        'year' as year_earlier_term_id
    from course_terms
),

final as (
    select * from term_rows
    union all
    select * from year_rows
)

select * from final
