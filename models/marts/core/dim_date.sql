with terms as (
    select * from {{ ref('dim_term') }}
    where term_key <> -1
),

holidays as (
    {{ rules_in_force(ref('school_holidays'), ['holiday_date']) }}
),

bounds as (
    select
        least(min(start_date), make_date(min(school_year) - 1, 7, 1)) as first_date,
        greatest(max(end_date), make_date(max(school_year), 6, 30)) as last_date,
        max(batch_id) as batch_id
    from terms
),

days as (
    select
        explode(sequence(first_date, last_date)) as calendar_date,
        batch_id
    from bounds
    where first_date is not null
),

days_in_terms as (
    select
        days.calendar_date,
        max(if(terms.is_school_year, terms.school_year, null)) as school_year,
        bool_or(terms.is_reporting_term) as is_in_reporting_term
    from days
    inner join terms on days.calendar_date between terms.start_date and terms.end_date
    group by days.calendar_date
),

calendar as (
    select
        {{ date_key('days.calendar_date') }} as date_key,
        days.calendar_date,
        coalesce(
            days_in_terms.school_year, {{ school_year_of('days.calendar_date') }}
        ) as school_year,
        weekday(days.calendar_date) + 1 as day_of_week,
        weekday(days.calendar_date) < 5 as is_weekday,
        holidays.holiday_date is not null as is_holiday,
        holidays.holiday_name,
        weekday(days.calendar_date) < 5
        and holidays.holiday_date is null
        and coalesce(days_in_terms.is_in_reporting_term, false) as is_school_day,
        days.batch_id
    from days
    left join days_in_terms on days.calendar_date = days_in_terms.calendar_date
    left join holidays on days.calendar_date = holidays.holiday_date
),

unknown_member as (
    select
        -1 as date_key,
        cast(null as date) as calendar_date,
        cast(null as int) as school_year,
        cast(null as int) as day_of_week,
        false as is_weekday,
        false as is_holiday,
        cast(null as string) as holiday_name,
        false as is_school_day,
        cast(0 as bigint) as batch_id
),

final as (
    select * from calendar
    union all
    select * from unknown_member
)

select * from final
