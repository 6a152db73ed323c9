-- On each day the bands of a scale follow each other without gap or overlap, from -100000 to 100000
-- percent; and no band holds twice.
with bands as (
    select * from {{ ref('letter_grade_bands') }}
),

-- What a scale looks like changes only where a row begins or ends.
days as (
    select
        scale_id,
        jurisdiction,
        effective_from as first_date
    from bands
    union
    select
        scale_id,
        jurisdiction,
        effective_to as first_date
    from bands
    where effective_to <> '9999-12-31'
),

bands_in_order as (
    select
        days.scale_id,
        days.jurisdiction,
        days.first_date,
        bands.letter,
        bands.minimum_percent,
        bands.below_percent,
        lag(bands.below_percent, 1, -100000) over (
            partition by days.scale_id, days.jurisdiction, days.first_date
            order by bands.minimum_percent, bands.below_percent
        ) as previous_below_percent,
        lead(bands.minimum_percent, 1, 100000) over (
            partition by days.scale_id, days.jurisdiction, days.first_date
            order by bands.minimum_percent, bands.below_percent
        ) as next_minimum_percent
    from days
    left join bands
        on days.scale_id = bands.scale_id
        and days.jurisdiction = bands.jurisdiction
        and days.first_date >= bands.effective_from
        and days.first_date < bands.effective_to
)

select
    'letter_grade_bands' as seed,
    scale_id || ', ' || coalesce(letter, 'all letters') || ', ' || jurisdiction
    || ', on ' || first_date as place,
    case
        when letter is null then 'ends, and no row follows'
        when minimum_percent >= below_percent then 'holds no percent'
        when minimum_percent < previous_below_percent then 'overlaps the band below it'
        when minimum_percent > previous_below_percent then 'leaves a gap below it'
        else 'leaves a gap above it'
    end as problem,
    'let minimum_percent be the below_percent of the band below; lowest -100000, highest 100000'
        as remedy
from bands_in_order
where
    letter is null
    or minimum_percent >= below_percent
    or minimum_percent <> previous_below_percent
    or below_percent < next_minimum_percent
