-- For the board: each KPI of the district by school year, with the change to the year before.
select
    kpi,
    school_year,
    round(value, 3) as value,
    round(value - lag(value) over (partition by kpi order by school_year), 3) as change,
    student_count,
    suppression
from bi.kpi_values
where grain = 'district' and subgroup_type = 'all' and term_id = 'year'
order by kpi, school_year
