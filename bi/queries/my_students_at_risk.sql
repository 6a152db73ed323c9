-- For teachers, counsellors, principals: students whom the viewer may see, those most at risk first.
select
    students.full_name,
    students.grade_level,
    warning.overall_level,
    warning.attendance_rate,
    warning.attendance_level,
    warning.course_level,
    warning.behaviour_level
from bi.student_early_warning as warning
inner join bi.dim_student as students on warning.student_id = students.student_id
where
    warning.school_year = (select max(school_year) from bi.student_early_warning)
    and warning.overall_level in ('at_risk', 'early_warning')
order by
    array_position(array['at_risk', 'early_warning'], warning.overall_level), students.full_name
