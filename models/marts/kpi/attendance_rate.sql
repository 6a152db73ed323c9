-- A student's rows lie together, so that all that follows is added up where they are.
with student_schools as (
    select * from {{ ref('student_attendance') }}
    distribute by student_id
),

enrolled_sections as (
    select * from {{ ref('enrolled_sections') }}
    distribute by student_id
),

-- Days are recorded for the school, not for a section: a subject has those of its students.
student_subjects as (
    select
        student_id,
        school_id,
        school_year,
        term_id,
        collect_set(struct('subject' as grain, subject_area as entity_id)) as entities
    from enrolled_sections
    group by student_id, school_id, school_year, term_id
),

student_entities as (
    select
        student_schools.*,
        student_subjects.entities
    from student_schools
    left join student_subjects
        on student_schools.student_id = student_subjects.student_id
        and student_schools.school_id = student_subjects.school_id
        and student_schools.school_year = student_subjects.school_year
        and student_schools.term_id = student_subjects.term_id
),

entity_rows as (
    select
        *,
        inline(concat(
            array(
                struct('student' as grain, student_id as entity_id),
                struct('grade_level' as grain, grade_level as entity_id),
                struct('school' as grain, school_id as entity_id),
                struct('district' as grain, district_id as entity_id)
            ),
            coalesce(entities, array())
        )) as (grain, entity_id)
    from student_entities
),

sums as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        count(distinct student_id) as student_count,
        cast(sum(recorded_day_count) as decimal(18, 6)) as recorded_day_count,
        cast(sum(recorded_day_count - absent_day_count) as decimal(18, 6)) as attended_day_count
    from entity_rows
    group by grain, entity_id, school_year, term_id
),

final as (
    select
        *,
        {{ ratio('attended_day_count', 'recorded_day_count') }} as attendance_rate
    from sums
)

select * from final
