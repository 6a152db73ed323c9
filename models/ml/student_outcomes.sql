with students as (
    select * from {{ ref('student_cuts') }}
),

levels as (
    select * from {{ ref('student_rule_levels') }}
),

marks as (
    select * from {{ ref('course_marks') }}
    where is_attempted
),

gpas as (
    select * from {{ ref('student_gpa') }}
    where period_type = 'term'
),

changes as (
    select
        *,
        cast(occurred_at as date) as dropped_date
    from {{ ref('fact_course_load_change') }}
    where action = 'drop'
),

enrollments as (
    select * from {{ ref('fact_enrollment') }}
    where end_date > begin_date
),

thresholds as (
    {{ thresholds_in_force('early_warning_model', [
        'gpa_at_risk_below', 'gpa_high_performer_from'
    ]) }}
),

term_marks as (
    select
        student_id,
        term_id,
        count_if(is_failed) as failed_course_count
    from marks
    group by student_id, term_id
),

-- Who leaves the district drops all courses at once; that is no trouble with one of them.
drops as (
    select
        students.student_id,
        students.cut_id,
        count(distinct changes.adjustment_id) as dropped_course_count
    from students
    inner join changes
        on students.student_id = changes.student_id
        and changes.dropped_date between students.label_start_date and students.label_end_date
    inner join enrollments
        on changes.student_id = enrollments.student_id
        and changes.course_id <> enrollments.course_id
        and students.label_end_date >= enrollments.begin_date
        and changes.dropped_date < enrollments.end_date
    group by students.student_id, students.cut_id
),

outcomes as (
    select
        students.student_id,
        students.cut_id,
        students.is_label_complete,
        levels.rule_level,
        levels.rule_points,
        term_marks.failed_course_count,
        gpas.unweighted_gpa as next_gpa,
        drops.dropped_course_count,
        students.is_label_complete
        and (term_marks.student_id is not null or drops.student_id is not null) as is_known,
        thresholds.gpa_at_risk_below,
        thresholds.gpa_high_performer_from
    from students
    left join levels
        on students.student_id = levels.student_id and students.cut_id = levels.cut_id
    left join term_marks
        on students.student_id = term_marks.student_id
        and students.label_term_id = term_marks.term_id
    left join gpas
        on students.student_id = gpas.student_id and students.label_term_id = gpas.term_id
    left join drops
        on students.student_id = drops.student_id and students.cut_id = drops.cut_id
    left join thresholds on students.label_school_year = thresholds.school_year
),

final as (
    select
        student_id,
        cut_id,
        is_label_complete,
        rule_level,
        rule_points,
        if(is_known, coalesce(failed_course_count > 0, false), null) as has_failed,
        if(is_known, coalesce(next_gpa < gpa_at_risk_below, false), null) as has_low_gpa,
        if(is_known, coalesce(dropped_course_count > 0, false), null) as has_dropped,
        if(
            is_known,
            coalesce(failed_course_count > 0, false)
            or coalesce(next_gpa < gpa_at_risk_below, false)
            or coalesce(dropped_course_count > 0, false),
            null
        ) as is_at_risk,
        if(is_label_complete, next_gpa >= gpa_high_performer_from, null) as is_high_performer
    from outcomes
)

select * from final
