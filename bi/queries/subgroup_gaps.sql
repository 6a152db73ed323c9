-- For the board: where subgroups of students are furthest from all others, sure of the sign.
select
    kpi,
    subgroup_type,
    subgroup,
    school_year,
    subgroup_value,
    other_value,
    gap,
    student_count
from bi.subgroup_gaps
where
    grain = 'district'
    and term_id = 'year'
    and (interval_low > 0 or interval_high < 0)
order by school_year desc, abs(gap) desc, kpi, subgroup_type, subgroup
limit 50
