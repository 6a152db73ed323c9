with students as (
    select * from {{ ref('student_years') }}
),

absences as (
    select * from {{ ref('chronic_absence') }}
    where grain = 'student_year'
),

incidents as (
    select * from {{ ref('fact_incident') }}
),

course_means as (
    select * from {{ ref('student_core_means') }}
),

schools as (
    select * from {{ ref('dim_school') }}
),

reporting_date as (
    select * from {{ ref('reporting_date') }}
),

thresholds as (
    {{ thresholds_in_force('student_early_warning', [
        'attendance_at_risk_below', 'attendance_early_warning_below',
        'severe_incidents_at_risk_from', 'incidents_at_risk_above',
        'incidents_early_warning_above', 'course_at_risk_below', 'course_early_warning_below'
    ]) }}
),

known_incidents as (
    select
        incidents.student_id,
        incidents.school_year,
        coalesce(schools.district_id, 'unknown') as district_id,
        sum(incidents.incident_count) as incident_count,
        sum(if(incidents.severity = 'severe', incidents.incident_count, 0)) as severe_incident_count
    from incidents
    cross join reporting_date
    left join schools on incidents.school_key = schools.school_key
    where coalesce(cast(incidents.occurred_at as date) <= reporting_date.as_of_date, true)
    group by incidents.student_id, incidents.school_year, schools.district_id
),

student_incidents as (
    select
        student_id,
        school_year,
        sum(incident_count) as incident_count,
        sum(severe_incident_count) as severe_incident_count
    from known_incidents
    group by student_id, school_year
),

-- A district without any incident all year keeps no record of them: not "nothing happened".
covered_districts as (
    select distinct
        district_id,
        school_year
    from known_incidents
),

indicators as (
    select
        students.*,
        absences.recorded_day_count,
        absences.recorded_day_count - absences.absent_day_count as attended_day_count,
        absences.attendance_rate,
        if(
            covered_districts.district_id is null,
            null, coalesce(student_incidents.severe_incident_count, 0)
        ) as severe_incident_count,
        if(
            covered_districts.district_id is null,
            null, coalesce(student_incidents.incident_count, 0)
        ) as incident_count,
        course_means.math_count,
        course_means.math_sum,
        course_means.english_count,
        course_means.english_sum,
        thresholds.* except (school_year)
    from students
    left join absences
        on students.student_id = absences.student_id
        and students.school_year = absences.school_year
    left join student_incidents
        on students.student_id = student_incidents.student_id
        and students.school_year = student_incidents.school_year
    left join covered_districts
        on students.district_id = covered_districts.district_id
        and students.school_year = covered_districts.school_year
    left join course_means
        on students.student_id = course_means.student_id
        and students.school_year = course_means.school_year
    left join thresholds on students.school_year = thresholds.school_year
),

-- Sums are compared and not rates or means: nothing is rounded at a boundary.
levels as (
    select
        *,
        case
            when coalesce(recorded_day_count, 0) = 0 then 'not_known'
            when attended_day_count < attendance_at_risk_below * recorded_day_count then 'at_risk'
            when attended_day_count < attendance_early_warning_below * recorded_day_count
                then 'early_warning'
            else 'on_track'
        end as attendance_level,
        case
            when incident_count is null then 'not_known'
            when severe_incident_count >= severe_incidents_at_risk_from then 'at_risk'
            when incident_count > incidents_at_risk_above then 'at_risk'
            when incident_count > incidents_early_warning_above then 'early_warning'
            else 'on_track'
        end as behaviour_level,
        case
            when math_sum < course_at_risk_below * math_count then 'at_risk'
            when english_sum < course_at_risk_below * english_count then 'at_risk'
            when math_sum < course_early_warning_below * math_count then 'early_warning'
            when english_sum < course_early_warning_below * english_count then 'early_warning'
            when math_count > 0 and english_count > 0 then 'on_track'
            else 'not_known'
        end as course_level
    from indicators
),

final as (
    select
        student_id,
        school_id,
        district_id,
        grade_level,
        school_year,
        attendance_rate,
        attendance_level,
        severe_incident_count,
        incident_count,
        behaviour_level,
        {{ ratio('math_sum', 'math_count') }} as math_mean_percent,
        {{ ratio('english_sum', 'english_count') }} as english_mean_percent,
        course_level,
        case
            when 'at_risk' in (attendance_level, behaviour_level, course_level) then 'at_risk'
            when 'early_warning' in (attendance_level, behaviour_level, course_level)
                then 'early_warning'
            when 'on_track' in (attendance_level, behaviour_level, course_level) then 'on_track'
            else 'not_known'
        end as overall_level,
        int(attendance_level = 'not_known')
        + int(behaviour_level = 'not_known')
        + int(course_level = 'not_known') as unknown_count
    from levels
)

select * from final
