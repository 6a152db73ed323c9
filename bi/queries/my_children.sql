-- For guardians: own children's grade point averages, and their attendance of each year.
select
    students.full_name,
    absence.school_year,
    absence.attendance_rate,
    gpa.unweighted_gpa
from bi.dim_student as students
left join bi.chronic_absence as absence
    on students.student_id = absence.student_id and absence.grain = 'student_year'
left join bi.student_gpa as gpa
    on students.student_id = gpa.student_id
    and absence.school_year = gpa.school_year
    and gpa.period_type = 'year'
order by students.full_name, absence.school_year
