{{ config(materialized='view') }}

with enrolled_sections as (
    select * from {{ ref('enrolled_sections') }}
),

guardian_links as (
    select * from {{ ref('bridge_student_guardian') }}
),

guardians as (
    select * from {{ ref('dim_guardian') }}
),

schools as (
    select * from {{ ref('dim_school') }}
    where is_current
),

contacts as (
    select * from {{ ref('fact_communication') }}
),

periods as (
    select * from {{ ref('term_periods') }}
),

communications as (
    select
        contacts.student_id,
        contacts.school_id,
        contacts.school_year,
        periods.period_id as term_id,
        sum(contacts.communication_count) as communication_count
    from contacts
    inner join periods on contacts.term_id = periods.term_id
    group by
        contacts.student_id, contacts.school_id, contacts.school_year, periods.period_id
),

student_guardians as (
    select
        guardian_links.student_id,
        max(coalesce(guardians.is_contactable, false)) as is_contactable
    from guardian_links
    left join guardians on guardian_links.guardian_key = guardians.guardian_key
    group by guardian_links.student_id
),

-- A district that recorded no communication all year has no data: not "nobody was reached".
covered_districts as (
    select distinct
        schools.district_id,
        communications.school_year
    from communications
    inner join schools on communications.school_id = schools.school_id
),

student_schools as (
    select distinct
        student_id,
        school_id,
        district_id,
        grade_level,
        school_year,
        term_id
    from enrolled_sections
),

final as (
    select
        student_schools.*,
        student_guardians.student_id is not null as is_linked,
        coalesce(student_guardians.is_contactable, false) as is_contactable,
        covered_districts.district_id is not null as is_covered,
        coalesce(communications.communication_count, 0) as communication_count
    from student_schools
    left join student_guardians on student_schools.student_id = student_guardians.student_id
    left join covered_districts
        on student_schools.district_id = covered_districts.district_id
        and student_schools.school_year = covered_districts.school_year
    left join communications
        on student_schools.student_id = communications.student_id
        and student_schools.school_id = communications.school_id
        and student_schools.school_year = communications.school_year
        and student_schools.term_id = communications.term_id
)

select * from final
