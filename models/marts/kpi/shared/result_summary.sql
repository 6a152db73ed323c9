-- Percents in ten-thousandths and points in hundredths: whole numbers, as the macros need them. A
-- student's rows lie together, so that those per entity are added up where they are made.
with student_courses as (
    select
        * except (percent_sum, points_sum),
        cast(coalesce(percent_sum, 0) * 10000 as bigint) as percent_sum,
        cast(coalesce(points_sum, 0) * 100 as bigint) as points_sum
    from {{ ref('student_course_results') }}
    distribute by student_id
),

section_entities as (
    {{ section_entities() }}
),

entity_rows as (
    {{ rows_per_entity('student_courses', [
        'graded_count', 'missing_count', 'letter_count', 'percent_sum', 'points_sum',
        'a_b_count', 'd_f_count'
    ]) }}
),

-- A student's sums first: then students are counted by what they have, and each but once.
student_rows as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        student_id,
        {{ weighted_sum('graded_count') }} as graded_count,
        {{ weighted_sum('missing_count') }} as missing_count,
        {{ weighted_sum('letter_count') }} as letter_count,
        {{ weighted_sum('percent_sum', 10000) }} as percent_sum,
        {{ weighted_sum('points_sum', 100) }} as points_sum,
        {{ weighted_sum('a_b_count') }} as a_b_count,
        {{ weighted_sum('d_f_count') }} as d_f_count
    from entity_rows
    group by grain, entity_id, school_year, term_id, student_id
),

sums as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        count_if(graded_count + letter_count > 0) as student_count,
        count_if(graded_count > 0) as graded_student_count,
        count_if(graded_count + missing_count > 0) as graded_or_missing_student_count,
        count_if(letter_count > 0) as letter_student_count,
        count_if(letter_count + missing_count > 0) as letter_or_missing_student_count,
        count_if(a_b_count > 0) as a_b_student_count,
        count_if(d_f_count > 0) as d_f_student_count,
        {{ sum_of_weighted('graded_count') }} as graded_count,
        {{ sum_of_weighted('missing_count') }} as missing_count,
        {{ sum_of_weighted('letter_count') }} as letter_count,
        {{ sum_of_weighted('percent_sum') }} as percent_sum,
        {{ sum_of_weighted('points_sum') }} as points_sum,
        {{ sum_of_weighted('a_b_count') }} as a_b_count,
        {{ sum_of_weighted('d_f_count') }} as d_f_count
    from student_rows
    group by grain, entity_id, school_year, term_id
),

totals as (
    select
        *,
        cast(graded_count + missing_count as decimal(28, 8)) as graded_or_missing_count,
        cast(letter_count + missing_count as decimal(28, 8)) as letter_or_missing_count
    from sums
),

final as (
    select
        *,
        {{ ratio('percent_sum', 'graded_count') }} as avg_grade_percent,
        {{ ratio('percent_sum', 'graded_or_missing_count') }}
            as avg_grade_percent_with_missing_as_zero,
        {{ ratio('points_sum', 'letter_count') }} as avg_grade_points,
        {{ ratio('points_sum', 'letter_or_missing_count') }}
            as avg_grade_points_with_missing_as_zero,
        {{ ratio('a_b_count', 'letter_count') }} as a_b_rate,
        {{ ratio('d_f_count', 'letter_count') }} as d_f_rate
    from totals
)

select * from final
