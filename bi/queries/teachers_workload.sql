-- For principals: what teachers of a year had to grade, and how long it took.
select
    teachers.full_name,
    workload.school_year,
    workload.section_count,
    workload.student_count,
    workload.graded_count,
    workload.median_days_to_grade
from bi.teacher_workload as workload
inner join bi.dim_teacher as teachers on workload.teacher_id = teachers.teacher_id
where workload.term_id = 'year'
order by workload.school_year desc, workload.graded_count desc nulls last, teachers.full_name
