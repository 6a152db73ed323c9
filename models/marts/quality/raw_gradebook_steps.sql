with assignments as (
    select * from {{ ref('stg_assignments') }}
),

grades as (
    select * from {{ ref('stg_grades') }}
    where is_active
),

courses as (
    select * from {{ ref('dim_course') }}
),

terms as (
    select * from {{ ref('dim_term') }}
),

assignment_counts as (
    select
        assignments.source_system,
        coalesce(courses.school_id, 'unknown') as school_id,
        coalesce(terms.reporting_term_id, courses.term_id, 'unknown') as term_id,
        count(*) as assignment_count
    from assignments
    left join courses on assignments.course_id = courses.course_id
    left join terms on assignments.term_id = terms.term_id
    where assignments.is_active
    group by all
),

results as (
    select
        grades.source_system,
        grades.status,
        grades.points_earned,
        coalesce(grades.points_possible, assignments.points_possible) as points_possible,
        coalesce(grades.course_id, assignments.course_id) as course_id,
        coalesce(grades.term_id, assignments.term_id) as term_id
    from grades
    left join assignments on grades.assignment_id = assignments.assignment_id
),

result_sums as (
    select
        results.source_system,
        coalesce(courses.school_id, 'unknown') as school_id,
        coalesce(terms.reporting_term_id, 'unknown') as term_id,
        count(*) as result_count,
        sum(results.points_earned) as points_sum,
        sum(if(
            results.status = 'fully graded' and results.points_possible > 0,
            cast(100 * results.points_earned / results.points_possible as decimal(18, 4)),
            null
        )) as percent_sum
    from results
    left join courses on results.course_id = courses.course_id
    left join terms on coalesce(results.term_id, courses.term_id) = terms.term_id
    group by all
),

amounts as (
    select
        source_system,
        school_id,
        term_id,
        'assignments' as measure,
        cast(assignment_count as decimal(28, 4)) as amount
    from assignment_counts
    union all
    select
        source_system,
        school_id,
        term_id,
        stack(
            3,
            'results', cast(result_count as decimal(28, 4)),
            'points', cast(points_sum as decimal(28, 4)),
            'percents', cast(percent_sum as decimal(28, 4))
        ) as (measure, amount)
    from result_sums
),

final as (
    select
        source_system,
        measure,
        school_id,
        term_id,
        'raw' as step,
        amount
    from amounts
)

select * from final
