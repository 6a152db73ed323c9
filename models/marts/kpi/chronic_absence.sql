with student_schools as (
    select * from {{ ref('student_school_days') }}
),

schools as (
    select * from {{ ref('dim_school') }}
),

student_years as (
    select * from {{ ref('student_years') }}
),

thresholds as (
    {{ thresholds_in_force('chronic_absence', [
        'absent_share', 'minimum_days', 'severe_up_to_rate', 'moderate_up_to_rate',
        'at_risk_up_to_rate'
    ]) }}
),

grain_rows as (
    select
        student_schools.*,
        coalesce(schools.district_id, 'unknown') as school_district_id,
        coalesce(student_years.district_id, schools.district_id, 'unknown') as year_district_id
    from student_schools
    left join schools on student_schools.school_key = schools.school_key
    left join student_years
        on student_schools.student_id = student_years.student_id
        and student_schools.school_year = student_years.school_year
),

both_grains as (
    select
        student_id,
        school_year,
        enrolled_day_count,
        recorded_day_count,
        absent_day_count,
        inline(array(
            struct(
                'student_school' as grain, school_id as school_id,
                school_district_id as district_id
            ),
            struct('student_year' as grain, 'all' as school_id, year_district_id as district_id)
        )) as (grain, school_id, district_id)
    from grain_rows
),

sums as (
    select
        grain,
        student_id,
        school_id,
        max(district_id) as district_id,
        school_year,
        sum(enrolled_day_count) as enrolled_day_count,
        sum(recorded_day_count) as recorded_day_count,
        sum(enrolled_day_count) - sum(recorded_day_count) as days_not_recorded,
        cast(sum(absent_day_count) as decimal(18, 2)) as absent_day_count
    from both_grains
    group by grain, student_id, school_id, school_year
),

measured as (
    select
        sums.*,
        thresholds.absent_share * sums.recorded_day_count as absent_days_from,
        coalesce(
            sums.recorded_day_count > 0 and sums.recorded_day_count >= thresholds.minimum_days,
            false
        ) as meets_minimum,
        sums.recorded_day_count - sums.absent_day_count as attended_day_count,
        thresholds.severe_up_to_rate * sums.recorded_day_count as severe_up_to_days,
        thresholds.moderate_up_to_rate * sums.recorded_day_count as moderate_up_to_days,
        thresholds.at_risk_up_to_rate * sums.recorded_day_count as at_risk_up_to_days
    from sums
    left join thresholds on sums.school_year = thresholds.school_year
),

-- Days are compared and not rates: nothing is rounded at a boundary.
final as (
    select
        grain,
        student_id,
        school_id,
        district_id,
        school_year,
        enrolled_day_count,
        recorded_day_count,
        days_not_recorded,
        absent_day_count,
        {{ ratio('attended_day_count', 'recorded_day_count') }} as attendance_rate,
        if(meets_minimum, absent_day_count >= absent_days_from, null) as is_chronically_absent,
        meets_minimum,
        case
            when not meets_minimum then null
            when attended_day_count <= severe_up_to_days then 'severe'
            when attended_day_count <= moderate_up_to_days then 'moderate'
            when attended_day_count <= at_risk_up_to_days then 'at_risk'
            else 'satisfactory'
        end as attendance_band
    from measured
)

select * from final
