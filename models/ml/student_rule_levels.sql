{{ config(materialized='view') }}

with students as (
    select * from {{ ref('student_cuts') }}
),

presence as (
    select * from {{ ref('student_cut_presence') }}
),

grades as (
    select * from {{ ref('student_cut_grades') }}
),

events as (
    select * from {{ ref('student_cut_events') }}
),

thresholds as (
    {{ thresholds_in_force('student_early_warning', [
        'attendance_at_risk_below', 'attendance_early_warning_below',
        'severe_incidents_at_risk_from', 'incidents_at_risk_above',
        'incidents_early_warning_above', 'course_at_risk_below', 'course_early_warning_below'
    ]) }}
),

indicators as (
    select
        students.student_id,
        students.cut_id,
        presence.day_count,
        presence.day_count - presence.absent_days as attended_days,
        coalesce(events.num_incidents, 0) as num_incidents,
        coalesce(events.num_severe_incidents, 0) as num_severe_incidents,
        grades.math_sum,
        grades.math_count,
        grades.english_sum,
        grades.english_count,
        thresholds.* except (school_year)
    from students
    left join presence
        on students.student_id = presence.student_id and students.cut_id = presence.cut_id
    left join grades
        on students.student_id = grades.student_id and students.cut_id = grades.cut_id
    left join events
        on students.student_id = events.student_id and students.cut_id = events.cut_id
    left join thresholds on students.school_year = thresholds.school_year
),

-- 2: at risk, 1: early warning, 0: neither, or not known.
points as (
    select
        student_id,
        cut_id,
        case
            when attended_days < attendance_at_risk_below * day_count then 2
            when attended_days < attendance_early_warning_below * day_count then 1
            else 0
        end as attendance_points,
        case
            when num_severe_incidents >= severe_incidents_at_risk_from then 2
            when num_incidents > incidents_at_risk_above then 2
            when num_incidents > incidents_early_warning_above then 1
            else 0
        end as behaviour_points,
        case
            when math_sum < course_at_risk_below * math_count then 2
            when english_sum < course_at_risk_below * english_count then 2
            when math_sum < course_early_warning_below * math_count then 1
            when english_sum < course_early_warning_below * english_count then 1
            else 0
        end as course_points
    from indicators
),

final as (
    select
        student_id,
        cut_id,
        greatest(attendance_points, behaviour_points, course_points) as rule_level,
        attendance_points + behaviour_points + course_points as rule_points
    from points
)

select * from final
