with assignments as (
    select * from {{ ref('dim_assignment') }}
    where assignment_id <> 'unknown' and is_active
),

grades as (
    select * from {{ ref('fact_grade') }}
),

landed_assignments as (
    select * from {{ ref('stg_assignments') }}
),

landed_grades as (
    select * from {{ ref('stg_grades') }}
),

terms as (
    select * from {{ ref('dim_term') }}
),

assignment_counts as (
    select
        landed_assignments.source_system,
        assignments.school_id,
        assignments.term_id,
        count(*) as assignment_count
    from assignments
    inner join landed_assignments
        on assignments.assignment_id = landed_assignments.assignment_id
    group by all
),

-- Why the marts leave a result out; the first reason counts.
results as (
    select
        landed_grades.source_system,
        grades.school_id,
        grades.term_id,
        grades.points_earned,
        grades.grade_numeric,
        case
            when not grades.is_counted then 'not_graded'
            when grades.assignment_id is null then 'without_assignment'
            when not coalesce(terms.is_reporting_term, false) then 'outside_terms'
        end as left_out
    from grades
    inner join landed_grades on grades.grade_id = landed_grades.grade_id
    left join terms on grades.term_id = terms.term_id
),

steps as (
    select
        source_system,
        school_id,
        term_id,
        'assignments' as measure,
        'core' as step,
        cast(assignment_count as decimal(28, 4)) as amount
    from assignment_counts
    union all
    select
        source_system,
        school_id,
        term_id,
        stack(
            3,
            'results', 'core', cast(count(*) as decimal(28, 4)),
            'points', 'core', cast(sum(points_earned) as decimal(28, 4)),
            'percents', 'core', cast(sum(grade_numeric) as decimal(28, 4))
        ) as (measure, step, amount)
    from results
    group by source_system, school_id, term_id
    union all
    select
        source_system,
        school_id,
        term_id,
        stack(
            2,
            'results', left_out, cast(-count(*) as decimal(28, 4)),
            'percents', left_out, cast(-sum(grade_numeric) as decimal(28, 4))
        ) as (measure, step, amount)
    from results
    where left_out is not null
    group by source_system, school_id, term_id, left_out
),

final as (
    select
        source_system,
        measure,
        school_id,
        term_id,
        step,
        amount
    from steps
    where amount <> 0
)

select * from final
