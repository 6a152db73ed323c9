{{ config(unique_key='adjustment_id') }}

with adjustments as (
    select * from {{ ref('stg_adjustments') }}
),

enrollments as (
    select * from {{ ref('stg_enrollments') }}
    where user_role = 'student'
),

batches as (
    select * from {{ ref('stg_batches') }}
    where entity = 'enrollments'
),

actions as (
    select * from {{ ref('dim_action') }}
),

courses as (
    select * from {{ ref('dim_course') }}
),

students as (
    select * from {{ ref('dim_student') }}
),

schools as (
    select * from {{ ref('dim_school') }}
),

terms as (
    select * from {{ ref('dim_term') }}
),

dates as (
    select * from {{ ref('dim_date') }}
),

recorded_sources as (
    select distinct source_system from adjustments
),

-- What a source's first landing shows is no change yet.
silent_sources as (
    select
        batches.source_system,
        min(batches.as_of) as first_as_of
    from batches
    left anti join recorded_sources on batches.source_system = recorded_sources.source_system
    group by batches.source_system
),

observed as (
    select
        enrollments.enrollment_id,
        enrollments.user_id as student_id,
        enrollments.course_id,
        coalesce(courses.subject, courses.subject_area) as subject,
        enrollments.created_at > silent_sources.first_as_of as is_added,
        enrollments.created_at as added_at,
        not enrollments.is_active
        and enrollments.effective_at > silent_sources.first_as_of
        and enrollments.effective_at < coalesce(
            enrollments.end_date, date_add(courses.end_date, 1), date '9999-12-31'
        ) as is_dropped,
        enrollments.effective_at as dropped_at,
        enrollments.batch_id
    from enrollments
    inner join silent_sources on enrollments.source_system = silent_sources.source_system
    left join courses on enrollments.course_id = courses.course_id
),

observed_changes as (
    select
        *,
        true as is_addition,
        added_at as occurred_at
    from observed
    where is_added
    union all
    select
        *,
        false as is_addition,
        dropped_at as occurred_at
    from observed
    where is_dropped
),

switch_windows as (
    select
        cast(value as int) as days,
        effective_from,
        effective_to
    from ({{ rules_in_force(ref('kpi_thresholds'), ['kpi', 'threshold']) }}) as thresholds
    where kpi = 'course_load_changes' and threshold = 'switch_days'
),

gaps as (
    select
        observed_changes.*,
        coalesce(
            datediff(
                observed_changes.occurred_at,
                lag(observed_changes.occurred_at) over (
                    partition by observed_changes.student_id, observed_changes.subject
                    order by observed_changes.occurred_at
                )
            ) > switch_windows.days,
            true
        ) as is_after_gap,
        switch_windows.days as switch_days
    from observed_changes
    left join switch_windows
        on cast(observed_changes.occurred_at as date) >= switch_windows.effective_from
        and cast(observed_changes.occurred_at as date) < switch_windows.effective_to
),

-- Changes of one subject with no longer gap between them; in each, the nth drop and the nth
-- addition belong together.
spells as (
    select
        *,
        count_if(is_after_gap) over (
            partition by student_id, subject order by occurred_at
        ) as spell_number
    from gaps
),

numbered as (
    select
        *,
        row_number() over (
            partition by student_id, subject, spell_number, is_addition
            order by occurred_at, enrollment_id
        ) as change_number
    from spells
),

additions as (
    select * from numbered
    where is_addition
),

drops as (
    select * from numbered
    where not is_addition
),

-- A drop and an addition of one subject within the days of a switch are one switch.
derived as (
    select
        concat(
            'derived:',
            coalesce(additions.enrollment_id, drops.enrollment_id),
            if(additions.enrollment_id is null, ':drop', ':add')
        ) as adjustment_id,
        case
            when additions.enrollment_id is null then 'drop'
            when drops.enrollment_id is null then 'add'
            else 'switch'
        end as action,
        coalesce(additions.student_id, drops.student_id) as student_id,
        coalesce(additions.course_id, drops.course_id) as course_id,
        if(additions.enrollment_id is null, null, drops.course_id) as other_course_id,
        coalesce(additions.occurred_at, drops.occurred_at) as occurred_at,
        true as is_derived,
        greatest(additions.batch_id, drops.batch_id) as batch_id
    from additions
    full outer join drops
        on additions.student_id = drops.student_id
        and additions.subject = drops.subject
        and additions.spell_number = drops.spell_number
        and additions.change_number = drops.change_number
        and additions.enrollment_id <> drops.enrollment_id
        and abs(datediff(additions.occurred_at, drops.occurred_at)) <= additions.switch_days
),

recorded as (
    select
        adjustment_id,
        action,
        student_id,
        course_id,
        other_course_id,
        coalesce(occurred_at, effective_at) as occurred_at,
        false as is_derived,
        batch_id
    from adjustments
    where is_active
),

recorded_and_derived as (
    select * from recorded
    union all
    select * from derived
),

changes as (
    select
        *,
        cast(occurred_at as date) as occurred_date
    from recorded_and_derived
),

final as (
    select
        changes.adjustment_id,
        coalesce(actions.action_key, -1) as action_key,
        changes.action,
        coalesce(students.student_key, -1) as student_key,
        coalesce(courses.course_key, -1) as course_key,
        coalesce(terms.term_key, -1) as term_key,
        coalesce(schools.school_key, -1) as school_key,
        coalesce(dates.date_key, -1) as date_key,
        coalesce(changes.student_id, 'unknown') as student_id,
        coalesce(changes.course_id, 'unknown') as course_id,
        changes.other_course_id,
        coalesce(courses.term_id, 'unknown') as term_id,
        coalesce(courses.school_id, 'unknown') as school_id,
        coalesce(
            courses.school_year, {{ school_year_of('changes.occurred_date') }}
        ) as school_year,
        changes.occurred_at,
        changes.is_derived,
        1 as change_count,
        greatest(
            changes.batch_id, courses.batch_id, students.batch_id, schools.batch_id, terms.batch_id
        ) as batch_id
    from changes
    left join actions on changes.action = actions.action
    left join courses on changes.course_id = courses.course_id
    left join terms on courses.term_id = terms.term_id
    left join students
        on changes.student_id = students.student_id
        and {{ holds_on('students', 'changes.occurred_date') }}
    left join schools
        on courses.school_id = schools.school_id
        and {{ holds_on('schools', 'changes.occurred_date') }}
    left join dates on changes.occurred_date = dates.calendar_date
)

select * from final
