-- Numerators in millionths: whole numbers add up several times as fast as decimals, and as exactly.
with students as (
    select
        * except (numerator),
        cast(numerator * 1000000 as bigint) as numerator
    from {{ ref('student_values') }}
),

periods as (
    select
        *,
        {{ surrogate_key([
            'grade_level', 'sex', 'race_ethnicity', 'english_learner', 'iep',
            'economically_disadvantaged'
        ]) }} as combination_key
    from {{ ref('student_periods') }}
),

-- Few combinations of groups hold all students: they are added up first, and then spread.
combinations as (
    select distinct
        combination_key,
        array(
            struct('grade_level' as subgroup_type, grade_level as subgroup),
            struct('sex' as subgroup_type, sex as subgroup),
            struct('race_ethnicity' as subgroup_type, race_ethnicity as subgroup),
            struct('english_learner' as subgroup_type, english_learner as subgroup),
            struct('iep' as subgroup_type, iep as subgroup),
            struct(
                'economically_disadvantaged' as subgroup_type,
                economically_disadvantaged as subgroup
            )
        ) as subgroups
    from periods
),

combination_sums as (
    select
        students.grain,
        students.entity_id,
        students.school_year,
        students.term_id,
        students.kpi,
        students.has_total,
        periods.combination_key,
        sum(students.numerator) as numerator,
        sum(students.denominator) as denominator,
        count(*) as student_count,
        count(students.is_numerator_student) as answer_count,
        count_if(students.is_numerator_student) as numerator_student_count
    from students
    left join periods
        on students.student_id = periods.student_id
        and students.school_year = periods.school_year
        and students.term_id = periods.term_id
    group by all
),

subgroup_rows as (
    select
        combination_sums.*,
        inline(concat(
            if(
                combination_sums.has_total, array(),
                array(struct('all' as subgroup_type, 'all' as subgroup))
            ),
            coalesce(
                combinations.subgroups,
                array(
                    struct('grade_level' as subgroup_type, 'unknown' as subgroup),
                    struct('sex' as subgroup_type, 'unknown' as subgroup),
                    struct('race_ethnicity' as subgroup_type, 'unknown' as subgroup),
                    struct('english_learner' as subgroup_type, 'unknown' as subgroup),
                    struct('iep' as subgroup_type, 'unknown' as subgroup),
                    struct('economically_disadvantaged' as subgroup_type, 'unknown' as subgroup)
                )
            )
        )) as (subgroup_type, subgroup)
    from combination_sums
    left join combinations on combination_sums.combination_key = combinations.combination_key
),

sums as (
    select
        grain,
        entity_id,
        subgroup_type,
        subgroup,
        school_year,
        term_id,
        kpi,
        cast(sum(numerator) * 0.000001bd as decimal(18, 6)) as numerator,
        cast(sum(denominator) as decimal(18, 6)) as denominator,
        sum(student_count) as student_count,
        if(sum(answer_count) = 0, null, sum(numerator_student_count)) as numerator_student_count
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
