{{ config(materialized='view') }}

with student_schools as (
    select
        *,
        {{ school_and_district() }}
    from {{ ref('student_engagement') }}
),

students as (
    select
        grain,
        entity_id,
        student_id,
        school_year,
        term_id,
        max(is_linked) as is_linked,
        max(is_contactable) as is_contactable,
        max(is_covered) as is_covered,
        sum(communication_count) as communication_count
    from student_schools
    group by grain, entity_id, student_id, school_year, term_id
),

-- A student is 1 in the denominator; of those not covered nobody knows whether they were reached.
amounts as (
    select
        grain,
        entity_id,
        student_id,
        school_year,
        term_id,
        stack(
            5,
            'student_count', true, cast(null as bigint), 1L,
            'guardian_linked_rate', is_linked, 1L, cast(is_linked as bigint),
            'guardian_contactable_rate', is_contactable, 1L, cast(is_contactable as bigint),
            'guardian_reached_rate', communication_count > 0, cast(is_covered as bigint),
            cast(communication_count > 0 as bigint),
            'communications_per_student', communication_count > 0, cast(is_covered as bigint),
            communication_count
        ) as (kpi, is_numerator_student, denominator, numerator)
    from students
),

final as (
    select
        grain,
        entity_id,
        student_id,
        school_year,
        term_id,
        kpi,
        cast(numerator as decimal(18, 6)) as numerator,
        denominator,
        is_numerator_student
    from amounts
    where denominator > 0 or denominator is null
)

select * from final
