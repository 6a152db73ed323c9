-- For counsellors: students whose early warning became worse since the release before.
select
    students.full_name,
    schools.school_name,
    calls.overall_level_before,
    calls.overall_level
from bi.call_list as calls
inner join bi.dim_student as students on calls.student_id = students.student_id
left join bi.dim_school as schools on calls.school_id = schools.school_id
order by schools.school_name, students.full_name
