"""What each file of an exported OneRoster bundle says: a query over the raw rows of one source.

{users} and the like are those rows. A query gives sourcedId and columns of the file; is_active and
updated_at where a row of the file is one of raw; metadata, for the columns that landing keeps
there. What raw does not know stays empty, for made up it would land as something new.
"""

from python_jobs.landing.oneroster import CATALOGUE_SUBJECT, RACES
from python_jobs.landing.oneroster_files import NO_ROLE, ROLES, columns_of

ROW = "id as sourcedId, is_active, updated_at, metadata"
# Where a source names no catalogue course, category or resource, one is made of what is known.
COURSE_ID = (
    "coalesce(metadata['courseSourcedId'], "
    "if(course_code is distinct from metadata['classCode'], course_code, null))"
)
CATEGORY_ID = "coalesce(metadata['categorySourcedId'], category)"
RESOURCE_ID = "coalesce(metadata['resourceSourcedId'], id)"
SCALE_ID = "metadata['scoreScale.sourcedId']"
# Rows that say the same of one thing may have landed apart: the newest that has not ended counts.
NEWEST = "struct(is_active, batch_id, id)"
FLAG_OF_RACE = {race: flag for flag, race in RACES.items()} | {
    "two_or_more": "demographicRaceTwoOrMoreRaces",
    "hispanic": "hispanicOrLatinoEthnicity",
}


def _listed(words: list[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def _demographics() -> str:
    """Return the query of demographics.csv: one row per user of whom any of it is known."""
    kept = [name for name, one in columns_of("demographics").items() if one.is_kept_as_metadata]
    flag = " ".join(f"when '{race}' then '{flag}'" for race, flag in FLAG_OF_RACE.items())
    return f"""
        with known as (
            select
                *, split(coalesce(metadata['demographics'], case race_ethnicity {flag} end), ',')
                as flags
            from {{users}}
        )

        select
            id as sourcedId, metadata, birth_date as birthDate, sex,
            {", ".join(f"array_contains(flags, '{one}') as {one}" for one in FLAG_OF_RACE.values())}
        from known
        where
            birth_date is not null or sex is not null or flags is not null
            or arrays_overlap(map_keys(metadata), array({_listed(kept)}))
    """


QUERIES = {
    "orgs": f"""
        select {ROW}, name, school_type as type, parent_id as parentSourcedId
        from {{schools}}
    """,
    "academicSessions": f"""
        select
            {ROW}, name as title, term_type as type, start_date as startDate,
            end_date as endDate, parent_id as parentSourcedId, school_year as schoolYear
        from {{terms}}
    """,
    # A section has the code of its catalogue course, else its own, the classCode.
    "courses": f"""
        with sections as (
            select
                *, {COURSE_ID} as catalogue_id,
                if(metadata['courseSourcedId'] is null, name, metadata['course.title']) as title,
                metadata['course.subjects'] as subjects,
                metadata['course.grades'] as course_grades,
                course_code is distinct from metadata['classCode'] as has_catalogue_code,
                is_active = max(is_active) over (partition by {COURSE_ID}) as counts
            from {{courses}}
            left join (select id as org_id, parent_id from {{schools}}) on school_id = org_id
        )

        select
            catalogue_id as sourcedId,
            max_by(title, {NEWEST}) as title,
            max_by(course_code, {NEWEST}) filter (where has_catalogue_code) as courseCode,
            max_by(subjects, {NEWEST}) as subjects,
            max_by(course_grades, {NEWEST}) as grades,
            if(
                min(school_id) = max(school_id), min(school_id),
                min(coalesce(parent_id, school_id))
            ) as orgSourcedId
        from sections
        where catalogue_id is not null and counts
        group by catalogue_id
        having bool_or(title is not null or has_catalogue_code)
    """,
    "classes": f"""
        select
            {ROW}, name as title, {COURSE_ID} as courseSourcedId,
            school_id as schoolSourcedId, term_ids as termSourcedIds,
            -- What the catalogue course gives, a section does not say again.
            if(array_join(grade_levels, ',') <=> metadata['course.grades'], null, grade_levels)
                as grades,
            if(subject is distinct from {CATALOGUE_SUBJECT}, subject, null) as subjects
        from {{courses}}
    """,
    # An agent ends with the user who names it. The role is said here when no row of roles.csv does.
    "users": f"""
        with pairs as (
            select
                *, coalesce(metadata['namedBy'], student_id) as named_by,
                array_join(array_sort(array(student_id, guardian_id)), ',') as both
            from {{guardianships}}
        ),

        named as (
            select id as pair_id, student_id as user_id, guardian_id as agent_id, is_active
            from pairs
            where named_by in (student_id, both)
            union all
            select id, guardian_id, student_id, is_active
            from pairs
            where named_by in (guardian_id, both)
        ),

        said as (
            select
                named.*,
                bool_and(users.is_active) over (partition by named.pair_id) as namers_go_on
            from named
            inner join {{users}} as users on named.user_id = users.id
        ),

        agents as (
            select user_id, array_sort(collect_set(agent_id)) as agentSourcedIds
            from said
            where is_active or not namers_go_on
            group by user_id
        ),

        at_school as (
            select distinct user_id as member_id
            from {{affiliations}}
            where is_active
        )

        select
            {ROW}, username, given_name as givenName, family_name as familyName, email, phone,
            agentSourcedIds, coalesce(metadata['grades'], grade_level) as grades,
            school_id as primaryOrgSourcedId,
            if(member_id is null and role in ({_listed(sorted(set(ROLES.values())))}), role, null)
                as role
        from {{users}}
        left join agents on id = agents.user_id
        left join at_school on id = member_id
    """,
    "roles": f"""
        select
            {ROW}, user_id as userSourcedId,
            case is_primary when true then 'primary' when false then 'secondary' end as roleType,
            case
                when role = 'administrator' and school_type = 'district'
                    then 'districtAdministrator'
                when role = 'administrator' then 'siteAdministrator'
                when role in ({_listed(sorted(set(ROLES.values())))}) then role
                when role is not null then concat('ext:', role)
                else coalesce(metadata['role'], '{NO_ROLE}')
            end as role,
            begin_date as beginDate, end_date as endDate, school_id as orgSourcedId
        from {{affiliations}}
        left join (select id as org_id, school_type from {{schools}}) on school_id = org_id
    """,
    "userProfiles": """
        select explode(split(metadata['userProfileSourcedIds'], ',')) as sourcedId,
            id as userSourcedId
        from {users}
    """,
    "demographics": _demographics(),
    "enrollments": f"""
        select
            {ROW}, course_id as classSourcedId, school_id as schoolSourcedId,
            user_id as userSourcedId, coalesce(role, metadata['role']) as role,
            is_primary as primary, begin_date as beginDate, end_date as endDate
        from {{enrollments}}
    """,
    "categories": f"""
        with newest as (
            select
                {CATEGORY_ID} as sourcedId,
                max_by(struct(category, metadata['category.weight'] as weight), {NEWEST}) as said
            from {{assignments}}
            group by {CATEGORY_ID}
        )

        select sourcedId, said.category as title, said.weight
        from newest
        where sourcedId is not null and said.category is not null
    """,
    "lineItems": f"""
        select
            {ROW}, title, assigned_date as assignDate, due_date as dueDate,
            course_id as classSourcedId, {CATEGORY_ID} as categorySourcedId,
            term_id as academicSessionSourcedId, points_possible as resultValueMax
        from {{assignments}}
    """,
    "scoreScales": f"""
        with newest as (
            select {SCALE_ID} as sourcedId, max_by(struct(metadata, course_id), {NEWEST}) as said
            from {{assignments}}
            group by {SCALE_ID}
        )

        select
            sourcedId, said.metadata['scoreScale.title'] as title,
            said.metadata['scoreScale.type'] as type, courses.school_id as orgSourcedId,
            courses.metadata['courseSourcedId'] as courseSourcedId,
            said.course_id as classSourcedId,
            said.metadata['scoreScale.scoreScaleValue'] as scoreScaleValue
        from newest
        left join {{courses}} as courses on said.course_id = courses.id
        where sourcedId is not null
    """,
    "lineItemScoreScales": f"""
        select id as sourcedId, id as lineItemSourcedId, {SCALE_ID} as scoreScaleSourcedId
        from {{assignments}}
        where {SCALE_ID} is not null
    """,
    # Only homework that is no grade's own row may be late where the grade does not say so.
    "results": f"""
        with late_homeworks as (
            select distinct
                homeworks.assignment_id as late_assignment_id,
                homeworks.student_id as late_student_id
            from {{homeworks}} as homeworks
            left anti join {{grades}} as grades on homeworks.id = grades.id
            where homeworks.is_late
        )

        select
            {ROW}, assignment_id as lineItemSourcedId, student_id as studentSourcedId,
            status as scoreStatus, points_earned as score, graded_at as scoreDate, comment,
            letter as textScore, course_id as classSourcedId,
            coalesce(
                metadata['late'], if(late_student_id is not null, 'true', null)
            ) as late
        from {{grades}}
        left join late_homeworks
            on assignment_id = late_assignment_id and student_id = late_student_id
        where assignment_id is not null or not is_active
    """,
    "resultScoreScales": """
        select id as sourcedId, id as resultSourcedId,
            metadata['scoreScaleSourcedId'] as scoreScaleSourcedId
        from {grades}
        where metadata['scoreScaleSourcedId'] is not null
    """,
    # The title of a content may be that of its link; it is its resource's where all have it.
    "resources": f"""
        select
            {RESOURCE_ID} as sourcedId, max_by(metadata, {NEWEST}) as metadata,
            if(count(title) = count(*) and min(title) = max(title), min(title), null) as title
        from {{contents}}
        group by {RESOURCE_ID}
    """,
    "classResources": f"""
        select
            id as sourcedId, is_active, updated_at, title, course_id as classSourcedId,
            {RESOURCE_ID} as resourceSourcedId
        from {{contents}}
    """,
    # Each section has its own links; without this file landing would not know that they are all.
    "courseResources": "select id as sourcedId from {contents} where false",
}
