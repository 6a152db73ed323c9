with reporting_date as (
    select * from {{ ref('reporting_date') }}
),

dates as (
    select * from {{ ref('dim_date') }}
    where is_school_day
),

thresholds as (
    {{ thresholds_in_force('early_warning_model', ['recent_school_days', 'label_lag_days']) }}
),

school_years as (
    select
        source_system,
        school_year,
        min(start_date) as first_date,
        max(end_date) as last_date
    from {{ ref('dim_term') }}
    where is_reporting_term and school_year is not null
    group by source_system, school_year
),

-- A school year has begun when the one before is over: who moves in summer, moves in it.
years as (
    select
        *,
        coalesce(
            date_add(
                lag(last_date) over (partition by source_system order by school_year), 1
            ),
            first_date
        ) as year_start_date
    from school_years
),

terms as (
    select
        term_id,
        term_type,
        source_system,
        school_year,
        start_date,
        end_date,
        lead(term_id) over following as label_term_id,
        lead(school_year) over following as label_school_year,
        lead(start_date) over following as label_start_date,
        lead(end_date) over following as label_end_date
    from {{ ref('dim_term') }}
    where is_reporting_term and school_year is not null
    window following as (partition by source_system, term_type order by start_date, term_id)
),

candidates as (
    select
        terms.*,
        years.year_start_date,
        reporting_date.as_of_date,
        inline(
            array(
                struct(
                    'mid_term' as cut_type,
                    date_add(
                        terms.start_date, int(datediff(terms.end_date, terms.start_date) / 2)
                    ) as cut_date
                ),
                struct('term_end' as cut_type, terms.end_date as cut_date),
                struct('today' as cut_type, reporting_date.as_of_date as cut_date)
            )
        ) as (cut_type, cut_date)
    from terms
    inner join years
        on terms.source_system = years.source_system and terms.school_year = years.school_year
    cross join reporting_date
    where terms.start_date <= reporting_date.as_of_date
),

-- Today belongs to the last term that has begun.
cuts as (
    select *
    from candidates
    where cut_date <= as_of_date
    qualify
        cut_type <> 'today'
        or row_number() over (
            partition by source_system, term_type, cut_type order by start_date desc, term_id desc
        ) = 1
),

ranked_days as (
    select
        cuts.term_id,
        cuts.cut_type,
        dates.calendar_date,
        dates.calendar_date >= cuts.start_date as is_of_term,
        row_number() over (
            partition by cuts.term_id, cuts.cut_type order by dates.calendar_date desc
        ) as days_back
    from cuts
    inner join dates
        on cuts.school_year = dates.school_year
        and dates.calendar_date between cuts.year_start_date and cuts.cut_date
),

passed_days as (
    select
        ranked_days.term_id,
        ranked_days.cut_type,
        count(*) as school_days,
        count_if(ranked_days.is_of_term) as term_school_days,
        min(
            if(
                ranked_days.days_back <= thresholds.recent_school_days,
                ranked_days.calendar_date, null
            )
        ) as recent_start_date
    from ranked_days
    inner join cuts
        on ranked_days.term_id = cuts.term_id and ranked_days.cut_type = cuts.cut_type
    inner join thresholds on cuts.school_year = thresholds.school_year
    group by ranked_days.term_id, ranked_days.cut_type
),

final as (
    select
        cuts.term_id || ':' || cuts.cut_type as cut_id,
        cuts.source_system,
        cuts.term_id,
        cuts.school_year,
        cuts.cut_type,
        cuts.cut_date,
        cuts.year_start_date,
        cuts.start_date as term_start_date,
        cuts.end_date as term_end_date,
        coalesce(passed_days.recent_start_date, cuts.cut_date) as recent_start_date,
        coalesce(passed_days.school_days, 0) as school_days,
        coalesce(passed_days.term_school_days, 0) as term_school_days,
        cuts.label_term_id,
        cuts.label_school_year,
        cuts.label_start_date,
        cuts.label_end_date,
        coalesce(
            date_add(cuts.label_end_date, int(thresholds.label_lag_days)) <= cuts.as_of_date, false
        ) as is_label_complete
    from cuts
    inner join thresholds on cuts.school_year = thresholds.school_year
    left join passed_days
        on cuts.term_id = passed_days.term_id and cuts.cut_type = passed_days.cut_type
)

select * from final
