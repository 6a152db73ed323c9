with marks as (
    select * from {{ ref('weighted_marks') }}
    where is_reporting_term
),

attempts as (
    select * from {{ ref('counted_attempts') }}
),

values_of_periods as (
    select
        student_id,
        'term' as period_type,
        school_year,
        term_id,
        credits_attempted,
        credits_earned,
        unweighted_points,
        weighted_points,
        gpa_credits
    from marks
    union all
    select
        student_id,
        period_type,
        school_year,
        period_type as term_id,
        credits_attempted,
        credits_earned,
        unweighted_points,
        weighted_points,
        gpa_credits
    from attempts
),

-- Rounded to 4 decimals, so that three thirds of a credit are a credit.
sums as (
    select
        student_id,
        period_type,
        school_year,
        term_id,
        cast(sum(credits_attempted) as decimal(18, 4)) as credits_attempted,
        cast(sum(credits_earned) as decimal(18, 4)) as credits_earned,
        sum(unweighted_points) as exact_unweighted_points,
        sum(weighted_points) as exact_weighted_points,
        sum(gpa_credits) as exact_gpa_credits
    from values_of_periods
    group by student_id, period_type, school_year, term_id
),

final as (
    select
        student_id,
        period_type,
        school_year,
        term_id,
        credits_attempted,
        credits_earned,
        {{ ratio('exact_unweighted_points', 'exact_gpa_credits') }} as unweighted_gpa,
        {{ ratio('exact_weighted_points', 'exact_gpa_credits') }} as weighted_gpa,
        cast(exact_unweighted_points as decimal(18, 4)) as unweighted_points,
        cast(exact_weighted_points as decimal(18, 4)) as weighted_points,
        cast(exact_gpa_credits as decimal(18, 4)) as gpa_credits
    from sums
)

select * from final
