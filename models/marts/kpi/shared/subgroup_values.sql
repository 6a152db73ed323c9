-- In millionths: whole numbers add up several times as fast as decimals, and as exactly.
with students as (
    select
        * except (numerator, denominator),
        cast(numerator * 1000000 as bigint) as numerator,
        cast(denominator * 1000000 as bigint) as denominator
    from {{ ref('student_values') }}
),

periods as (
    select * from {{ ref('student_periods') }}
),

subgroup_rows as (
    select
        students.*,
        inline(concat(
            if(
                students.has_total, array(),
                array(struct('all' as subgroup_type, 'all' as subgroup))
            ),
            array(
                struct('grade_level' as subgroup_type, periods.grade_level as subgroup),
                struct('sex' as subgroup_type, periods.sex as subgroup),
                struct('race_ethnicity' as subgroup_type, periods.race_ethnicity as subgroup),
                struct('english_learner' as subgroup_type, periods.english_learner as subgroup),
                struct('iep' as subgroup_type, periods.iep as subgroup),
                struct(
                    'economically_disadvantaged' as subgroup_type,
                    periods.economically_disadvantaged as subgroup
                )
            )
        )) as (subgroup_type, subgroup)
    from students
    left join periods
        on students.student_id = periods.student_id
        and students.school_year = periods.school_year
        and students.term_id = periods.term_id
),

sums as (
    select
        grain,
        entity_id,
        subgroup_type,
        coalesce(subgroup, 'unknown') as subgroup,
        school_year,
        term_id,
        kpi,
        cast(sum(numerator) * 0.000001bd as decimal(18, 6)) as numerator,
        cast(sum(denominator) * 0.000001bd as decimal(18, 6)) as denominator,
        count(*) as student_count,
        if(
            count(is_numerator_student) = 0, null, count_if(is_numerator_student)
        ) as numerator_student_count
    from subgroup_rows
    group by all
),

final as (
    select
        grain,
        entity_id,
        subgroup_type,
        subgroup,
        school_year,
        term_id,
        kpi,
        numerator,
        denominator,
        if(denominator is null, numerator, {{ ratio('numerator', 'denominator') }}) as kpi_value,
        student_count,
        numerator_student_count
    from sums
)

select * from final
