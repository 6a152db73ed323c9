-- Each letter that a band gives has points, or counts for none, on every day of the band.
with bands as (
    select * from {{ ref('letter_grade_bands') }}
),

points as (
    select * from {{ ref('letter_grade_points') }}
),

-- Points can be missing from the band's first day, or from one on which a row of points ends.
days as (
    select
        scale_id,
        letter,
        jurisdiction,
        effective_from as first_date
    from bands
    union
    select
        bands.scale_id,
        bands.letter,
        bands.jurisdiction,
        points.effective_to as first_date
    from bands
    inner join points on bands.scale_id = points.scale_id and bands.letter = points.letter
    where points.effective_to > bands.effective_from and points.effective_to < bands.effective_to
)

select
    'letter_grade_points' as seed,
    days.scale_id || ', ' || days.letter || ', ' || days.jurisdiction || ', on '
    || days.first_date as place,
    'has a band and no points' as problem,
    'add a row of the letter, with counts_in_gpa false if it counts for none' as remedy
from days
left join points
    on days.scale_id = points.scale_id
    and days.letter = points.letter
    and points.jurisdiction in ('default', days.jurisdiction)
    and days.first_date >= points.effective_from
    and days.first_date < points.effective_to
where points.letter is null
