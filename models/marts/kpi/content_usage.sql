-- A student's rows lie together, so that all that follows is added up where they are.
with sections as (
    select * from {{ ref('enrolled_sections') }}
    distribute by student_id
),

accesses as (
    select * from {{ ref('fact_content_access') }}
),

schools as (
    select * from {{ ref('dim_school') }}
    where is_current
),

periods as (
    select * from {{ ref('term_periods') }}
),

section_entities as (
    select
        course_id,
        collect_list(struct(grain, entity_id)) as entities
    from {{ ref('course_entities') }}
    group by course_id
),

reporting_date as (
    select * from {{ ref('reporting_date') }}
),

student_accesses as (
    select * from accesses
    distribute by student_id
),

views as (
    select
        accesses.student_id,
        accesses.course_id,
        accesses.school_year,
        periods.period_id as term_id,
        sum(accesses.access_count) as view_count
    from student_accesses as accesses
    inner join periods on accesses.term_id = periods.term_id
    cross join reporting_date
    where coalesce(accesses.access_date <= reporting_date.as_of_date, true)
    group by accesses.student_id, accesses.course_id, accesses.school_year, periods.period_id
),

-- A district without any view all year has landed none: not "nothing was viewed".
covered_districts as (
    select distinct
        coalesce(schools.district_id, 'unknown') as district_id,
        accesses.school_year
    from accesses
    left join schools on accesses.school_id = schools.school_id
),

student_sections as (
    select
        student_id,
        course_id,
        school_year,
        term_id,
        min(school_id) as school_id,
        min(district_id) as district_id
    from sections
    group by student_id, course_id, school_year, term_id
),

-- Only views of enrolled students count, so that viewers are a part of the students.
section_views as (
    select
        student_sections.*,
        coalesce(views.view_count, 0) as view_count
    from student_sections
    left join views
        on student_sections.student_id = views.student_id
        and student_sections.course_id = views.course_id
        and student_sections.school_year = views.school_year
        and student_sections.term_id = views.term_id
    left semi join covered_districts
        on student_sections.district_id = covered_districts.district_id
        and student_sections.school_year = covered_districts.school_year
),

entity_rows as (
    select
        section_views.student_id,
        section_views.school_year,
        section_views.term_id,
        section_views.view_count,
        inline(concat(
            array(
                struct('school' as grain, section_views.school_id as entity_id),
                struct('district' as grain, section_views.district_id as entity_id)
            ),
            coalesce(section_entities.entities, array())
        )) as (grain, entity_id)
    from section_views
    left join section_entities on section_views.course_id = section_entities.course_id
),

students as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        student_id,
        sum(view_count) as view_count
    from entity_rows
    group by grain, entity_id, school_year, term_id, student_id
),

sums as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        count(*) as student_count,
        count_if(view_count > 0) as viewer_count,
        sum(view_count) as view_count
    from students
    group by grain, entity_id, school_year, term_id
),

final as (
    select
        *,
        {{ ratio('viewer_count', 'student_count') }} as usage_rate,
        {{ ratio('view_count', 'student_count') }} as views_per_student
    from sums
)

select * from final
