with students as (
    select * from {{ ref('student_cuts') }}
),

presence as (
    select * from {{ ref('student_cut_presence') }}
),

homework as (
    select * from {{ ref('student_cut_homework') }}
),

grades as (
    select * from {{ ref('student_cut_grades') }}
),

marks as (
    select * from {{ ref('student_cut_marks') }}
),

events as (
    select * from {{ ref('student_cut_events') }}
),

joined as (
    select
        students.*,
        presence.* except (student_id, cut_id),
        homework.* except (student_id, cut_id),
        grades.* except (student_id, cut_id),
        marks.* except (student_id, cut_id),
        events.* except (student_id, cut_id)
    from students
    left join presence
        on students.student_id = presence.student_id and students.cut_id = presence.cut_id
    left join homework
        on students.student_id = homework.student_id and students.cut_id = homework.cut_id
    left join grades
        on students.student_id = grades.student_id and students.cut_id = grades.cut_id
    left join marks
        on students.student_id = marks.student_id and students.cut_id = marks.cut_id
    left join events
        on students.student_id = events.student_id and students.cut_id = events.cut_id
),

final as (
    select
        student_id,
        cut_id,
        student_key,
        school_id,
        grade_level,
        cut_type,
        cut_date,
        school_year,
        term_id,
        label_term_id,
        label_school_year,
        school_days,
        term_school_days,
        case
            when grade_level in ('IT', 'PR', 'PK') then -1d
            when grade_level = 'KG' then 0d
            else try_cast(grade_level as double)
        end as grade_number,
        cast(num_courses as double) as num_courses,
        cast(coalesce(homework_count, 0) as double) as num_homeworks,
        avg_gpa,
        cast(coalesce(num_changes, 0) as double) as num_changes,
        cast(coalesce(num_drops, 0) as double) as num_drops,
        1 - {{ mean('absent_days', 'day_count') }} as attendance_rate,
        1 - {{ mean('recent_absent_days', 'recent_day_count') }} as recent_attendance_rate,
        -({{ trend('absent_days', 'day_count', 'recent_absent_days', 'recent_day_count') }})
            as attendance_trend,
        {{ mean('tardy_count', 'day_count') }} as tardy_rate,
        {{ mean('submitted_count', 'homework_count') }} as submission_rate,
        {{ trend(
            'submitted_count', 'homework_count', 'recent_submitted_count', 'recent_homework_count'
        ) }} as submission_trend,
        {{ mean('on_time_count', 'homework_count') }} as on_time_rate,
        {{ trend(
            'on_time_count', 'homework_count', 'recent_on_time_count', 'recent_homework_count'
        ) }} as on_time_trend,
        {{ mean('percent_sum', 'result_count') }} as mean_percent,
        {{ trend('percent_sum', 'result_count', 'recent_percent_sum', 'recent_count') }}
            as mean_percent_trend,
        lowest_course_percent,
        cast(num_failing_now as double) as num_failing_now,
        math_percent,
        {{ trend('math_sum', 'math_count', 'math_recent_sum', 'math_recent_count') }}
            as math_trend,
        english_percent,
        {{ trend('english_sum', 'english_count', 'english_recent_sum', 'english_recent_count') }}
            as english_trend,
        science_percent,
        {{ trend('science_sum', 'science_count', 'science_recent_sum', 'science_recent_count') }}
            as science_trend,
        social_science_percent,
        {{ trend(
            'social_science_sum', 'social_science_count',
            'social_science_recent_sum', 'social_science_recent_count'
        ) }} as social_science_trend,
        prior_gpa,
        cast(coalesce(num_failures, 0) as double) as num_failures,
        cast(coalesce(num_school_moves, 0) as double) as num_school_moves,
        cast(coalesce(num_incidents, 0) as double) as num_incidents,
        cast(coalesce(num_severe_incidents, 0) as double) as num_severe_incidents,
        cast(coalesce(num_contacts, 0) as double) as num_contacts,
        cast(coalesce(num_views, 0) as double) as num_views,
        cast(coalesce(num_recent_views, 0) as double) as num_recent_views
    from joined
)

select * from final
