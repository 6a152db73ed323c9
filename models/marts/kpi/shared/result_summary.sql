with student_courses as (
    select * from {{ ref('student_course_results') }}
),

section_entities as (
    select
        course_id,
        collect_list(struct(grain, entity_id, weight)) as entities
    from {{ ref('course_entities') }}
    group by course_id
),

entity_rows as (
    {{ rows_per_entity('student_courses') }}
),

sums as (
    select
        grain,
        entity_id,
        school_year,
        term_id,
        count(distinct if(graded_count + letter_count > 0, student_id, null)) as student_count,
        {{ weighted_sum('graded_count') }} as graded_count,
        {{ weighted_sum('missing_count') }} as missing_count,
        {{ weighted_sum('letter_count') }} as letter_count,
        {{ weighted_sum('percent_sum') }} as percent_sum,
        {{ weighted_sum('points_sum') }} as points_sum,
        {{ weighted_sum('a_b_count') }} as a_b_count,
        {{ weighted_sum('d_f_count') }} as d_f_count
    from entity_rows
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
