with students as (
    select * from {{ ref('dim_student') }}
),

terms as (
    select * from {{ ref('dim_term') }}
    where is_reporting_term
),

reporting_date as (
    select * from {{ ref('reporting_date') }}
),

-- One day for all schools: a student of two schools has one value in the district.
periods as (
    select
        school_year,
        term_id,
        end_date
    from terms
    union all
    select
        school_year,
        'year' as term_id,
        max(end_date) as end_date
    from terms
    group by school_year
),

period_days as (
    select
        periods.school_year,
        periods.term_id,
        least(periods.end_date, reporting_date.as_of_date) as as_of_date
    from periods
    cross join reporting_date
),

final as (
    select
        students.student_id,
        period_days.school_year,
        period_days.term_id,
        students.student_key,
        coalesce(students.grade_level, 'unknown') as grade_level,
        coalesce(students.sex, 'unknown') as sex,
        coalesce(students.race_ethnicity, 'unknown') as race_ethnicity,
        {{ yes_or_no('students.is_english_learner') }} as english_learner,
        {{ yes_or_no('students.has_iep') }} as iep,
        {{ yes_or_no('students.is_economically_disadvantaged') }} as economically_disadvantaged
    from students
    inner join period_days on {{ holds_on('students', 'period_days.as_of_date') }}
)

select * from final
