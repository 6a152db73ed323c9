with enrollment_terms as (
    select * from {{ ref('enrollment_terms') }}
),

-- Each flag: whether the unit is still counted at a step of the way from core to the marts.
enrollment_units as (
    select
        'enrollments' as measure,
        source_system,
        school_id,
        term_id,
        is_own and is_active as in_core,
        is_own as with_ended,
        is_own and is_met as in_own_term,
        is_met as in_terms,
        is_in_dates as in_dates,
        is_in_dates
        and row_number() over (
            partition by student_id, course_id, term_id, is_in_dates order by enrollment_id
        ) = 1 as in_kpi
    from enrollment_terms
),

student_units as (
    select
        'students' as measure,
        source_system,
        school_id,
        term_id,
        max(is_own and is_active) as in_core,
        max(is_own) as with_ended,
        max(is_own and is_met) as in_own_term,
        max(is_met) as in_terms,
        max(is_in_dates) as in_dates,
        max(is_in_dates) as in_kpi
    from enrollment_terms
    group by source_system, school_id, term_id, student_id
),

units as (
    select * from enrollment_units
    union all
    select * from student_units
),

steps as (
    select
        measure,
        source_system,
        school_id,
        term_id,
        stack(
            6,
            'core', count_if(in_core),
            'ended_counted', count_if(with_ended) - count_if(in_core),
            'outside_terms', count_if(in_own_term) - count_if(with_ended),
            'year_long', count_if(in_terms) - count_if(in_own_term),
            'outside_dates', count_if(in_dates) - count_if(in_terms),
            'repeated', count_if(in_kpi) - count_if(in_dates)
        ) as (step, amount)
    from units
    group by measure, source_system, school_id, term_id
),

final as (
    select
        source_system,
        measure,
        school_id,
        term_id,
        step,
        cast(amount as decimal(28, 4)) as amount
    from steps
    where amount <> 0
)

select * from final
