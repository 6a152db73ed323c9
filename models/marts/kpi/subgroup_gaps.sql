with kpi_values as (
    select * from {{ ref('kpi_values') }}
    where grain in ('school', 'district') and denominator is not null
),

definitions as (
    select * from {{ ref('kpi_definitions') }}
),

subgroups as (
    select * from kpi_values
    where subgroup_type <> 'all'
),

wholes as (
    select * from kpi_values
    where subgroup_type = 'all'
),

pairs as (
    select
        subgroups.*,
        wholes.student_count - subgroups.student_count as other_student_count,
        {{ ratio(
            'wholes.numerator - subgroups.numerator',
            'wholes.denominator - subgroups.denominator'
        ) }} as other_value,
        coalesce(
            definitions.is_student_share and wholes.denominator > subgroups.denominator, false
        ) as has_interval,
        cast(subgroups.denominator as double) as group_total,
        cast(wholes.denominator - subgroups.denominator as double) as other_total,
        cast(subgroups.numerator as double) / subgroups.denominator as group_share,
        cast(wholes.numerator - subgroups.numerator as double)
        / nullif(wholes.denominator - subgroups.denominator, 0) as other_share
    from subgroups
    inner join wholes
        on subgroups.kpi = wholes.kpi
        and subgroups.grain = wholes.grain
        and subgroups.entity_id = wholes.entity_id
        and subgroups.school_year = wholes.school_year
        and subgroups.term_id = wholes.term_id
    left join definitions on subgroups.kpi = definitions.kpi
),

bounds as (
    select
        *,
        group_share - other_share as difference,
        group_share - {{ wilson_bound('group_share', 'group_total', '-') }} as group_below,
        {{ wilson_bound('group_share', 'group_total', '+') }} - group_share as group_above,
        other_share - {{ wilson_bound('other_share', 'other_total', '-') }} as other_below,
        {{ wilson_bound('other_share', 'other_total', '+') }} - other_share as other_above
    from pairs
),

final as (
    select
        kpi,
        grain,
        entity_id,
        subgroup_type,
        subgroup,
        school_year,
        term_id,
        student_count,
        other_student_count,
        value as subgroup_value,
        other_value,
        cast(value - other_value as decimal(18, 6)) as gap,
        cast(
            if(
                has_interval,
                difference - sqrt(group_below * group_below + other_above * other_above),
                null
            ) as decimal(18, 6)
        ) as interval_low,
        cast(
            if(
                has_interval,
                difference + sqrt(group_above * group_above + other_below * other_below),
                null
            ) as decimal(18, 6)
        ) as interval_high
    from bounds
)

select * from final
