-- For the board and principals: this year's figures of each school, and its rank by attendance.
select
    schools.school_name,
    performance.student_count,
    performance.attendance_rate,
    performance.homework_submission_rate,
    performance.avg_grade_percent,
    performance.avg_grade_percent_change,
    rank() over (order by performance.attendance_rate desc nulls last) as attendance_rank,
    performance.suppression
from bi.school_performance as performance
inner join bi.dim_school as schools on performance.school_id = schools.school_id
where
    performance.term_id = 'year'
    and performance.school_year = (select max(school_year) from bi.school_performance)
order by attendance_rank
