with marks as (
    select * from {{ ref('fact_grade') }}
    where grade_type = 'course_mark' and grade_letter is not null and student_id <> 'unknown'
),

courses as (
    select * from {{ ref('dim_course') }}
),

course_terms as (
    select * from {{ ref('course_terms') }}
    where term_id <> 'year'
),

terms as (
    select * from {{ ref('dim_term') }}
),

students as (
    select * from {{ ref('dim_student') }}
),

schools as (
    select * from {{ ref('dim_school') }}
),

scale as (
    {{ rules_in_force(ref('letter_grade_points'), ['scale_id', 'letter']) }}
),

rules_of_years as (
    {{ gpa_rules_in_force(['letters_not_attempted', 'credits_when_unknown']) }}
),

reporting_date as (
    select * from {{ ref('reporting_date') }}
),

-- A mark may stand for each grading period of a term: the last one is the term's.
final_marks as (
    select marks.*
    from marks
    cross join reporting_date
    where marks.graded_date <= reporting_date.as_of_date
    qualify row_number() over (
        partition by marks.student_id, marks.course_id, marks.term_id
        order by marks.graded_date desc, marks.grade_id desc
    ) = 1
),

section_terms as (
    select
        course_id,
        count(*) as term_count
    from course_terms
    group by course_id
),

-- A term of several earns its part of the section's credit; a mark of the whole section all.
placed as (
    select
        final_marks.*,
        coalesce(schools.district_id, 'unknown') as district_id,
        coalesce(students.grade_level, 'unknown') as grade_level,
        courses.subject_area,
        courses.is_core_subject,
        courses.level,
        coalesce(courses.course_code, courses.course_name, final_marks.course_id) as course_title,
        coalesce(terms.is_reporting_term, false) as is_reporting_term,
        coalesce(section_terms.term_count, 1) > 1
        and coalesce(terms.is_reporting_term, false) as is_part,
        coalesce(section_terms.term_count, 1) as section_term_count,
        coalesce(
            courses.credits, cast(rules_of_years.credits_when_unknown as decimal(5, 2)), 0
        ) as section_credits,
        scale.is_passing,
        scale.letter is not null
        and not array_contains(
            split(coalesce(rules_of_years.letters_not_attempted, ''), ' '), final_marks.grade_letter
        ) as is_attempted
    from final_marks
    left join courses on final_marks.course_key = courses.course_key
    left join section_terms on final_marks.course_id = section_terms.course_id
    left join terms on final_marks.term_id = terms.term_id
    left join students on final_marks.student_key = students.student_key
    left join schools on final_marks.school_key = schools.school_key
    left join rules_of_years on final_marks.school_year = rules_of_years.school_year
    left join scale
        on final_marks.grade_letter = scale.letter
        and scale.scale_id = '{{ var("grading_scale") }}'
        and final_marks.graded_date >= scale.effective_from
        and final_marks.graded_date < scale.effective_to
),

final as (
    select
        student_id,
        course_id,
        teacher_id,
        school_id,
        district_id,
        grade_level,
        subject_area,
        is_core_subject,
        level,
        course_title,
        school_year,
        term_id,
        graded_date,
        grade_letter,
        grade_points,
        is_reporting_term,
        is_part,
        is_part and count_if(not is_part and is_attempted) over (
            partition by student_id, course_id
        ) > 0 as is_in_whole_mark,
        is_attempted,
        coalesce(is_attempted and is_passing, false) as is_passed,
        grade_letter = 'F' as is_failed,
        cast(if(is_part, 1, section_term_count) as int) as term_count,
        cast(
            if(is_part, section_credits / section_term_count, section_credits) as decimal(18, 8)
        ) as potential_credits
    from placed
)

select * from final
