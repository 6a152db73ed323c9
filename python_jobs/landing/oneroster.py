"""Turn a OneRoster 1.1 or 1.2 bundle into rows of the raw entities.

A section (OneRoster: class) is our course; the catalogue course gives it code and subject. Where a
file is delta or absent, what other files would add to a row is taken from the row landed before.
"""

import logging
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from python_jobs.landing.bundle import Bundle, open_bundle
from python_jobs.landing.oneroster_files import PARALLEL_READS, check_files, read_file
from python_jobs.landing.raw import Part

__all__ = ["NOT_LOADED", "open_bundle", "read_parts"]

NOT_LOADED = ("lineItemLearningObjectiveIds", "resultLearningObjectiveIds", "userResources")

ROLES = {
    "administrator": "administrator",
    "districtadministrator": "administrator",
    "siteadministrator": "administrator",
    "systemadministrator": "administrator",
} | {
    role: role
    for role in (
        "aide",
        "counselor",
        "guardian",
        "parent",
        "principal",
        "proctor",
        "relative",
        "student",
        "teacher",
    )
}
RACES = {
    "americanIndianOrAlaskaNative": "american_indian",
    "asian": "asian",
    "blackOrAfricanAmerican": "black",
    "nativeHawaiianOrOtherPacificIslander": "pacific_islander",
    "white": "white",
}

logger = logging.getLogger(__name__)


def read_parts(spark: SparkSession, bundle: Bundle) -> list[Part]:
    """Return the rows of every entity that the bundle's files make, checked but not yet landed.

    A part is complete when its main file is bulk. The frames read the bundle lazily: land them
    while it is open. Raises DistrictError when a file is broken (see check_files).
    """
    row_counts = check_files(spark, bundle)
    for file in NOT_LOADED:
        if file in bundle.files:
            logger.warning("%s.csv: %d rows are not loaded", file, row_counts[file])
    tables = _Tables(spark, bundle)
    makers: dict[str, tuple[str, Callable[[_Tables], DataFrame]]] = {
        "schools": ("orgs", _schools),
        "terms": ("academicSessions", _terms),
        "users": ("users", _users),
        "affiliations": ("users" if tables.has_roles_in_users else "roles", _affiliations),
        "guardianships": ("users", _guardianships),
        "courses": ("classes", _courses),
        "enrollments": ("enrollments", _enrollments),
        "assignments": ("lineItems", _assignments),
        "grades": ("results", _grades),
        "homeworks": ("results", _homeworks),
    }
    wanted = {entity: made for entity, made in makers.items() if made[0] in bundle.files}
    with ThreadPoolExecutor(PARALLEL_READS) as pool:  # Spark takes a while to analyse each query
        frames = pool.map(lambda made: tables.make(made[1]), wanted.values())
        parts = [
            Part(entity, frame, f"{file}.csv", bundle.is_bulk(file))
            for (entity, (file, _)), frame in zip(wanted.items(), frames, strict=True)
        ]
    links = [file for file in ("classResources", "courseResources") if file in bundle.files]
    if links:
        # Absent means unchanged, so only both files together list every content.
        is_complete = all(bundle.is_bulk(file) for file in ("classResources", "courseResources"))
        names = " + ".join(f"{file}.csv" for file in links)
        parts.append(Part("contents", _contents(tables), names, is_complete))
    return parts


class _Tables:
    """The bundle's files as frames, SQL over them, and the raw rows that landed before."""

    def __init__(self, spark: SparkSession, bundle: Bundle) -> None:
        self.spark = spark
        self.bundle = bundle
        self._made: dict[object, DataFrame] = {}
        self._locks: defaultdict[object, Lock] = defaultdict(Lock)
        header = [name.strip().lower() for name in bundle.headers.get("users", [])]
        # By the columns, not by the version: some 1.2 exports still have 1.1 users.
        self.has_roles_in_users = "role" in header and "roles" not in bundle.files

    def sql(self, query: str, **frames: DataFrame) -> DataFrame:
        """Run a query in which {name} is the frame given by that name."""
        return self.spark.sql(query, None, **frames)

    def file(self, name: str) -> DataFrame:
        """Return a file's rows, typed."""
        return self._once(name, lambda: read_file(self.spark, self.bundle, name))

    def make(self, maker: "Callable[[_Tables], DataFrame]") -> DataFrame:
        """Return what a maker makes of the files."""
        return self._once(maker, lambda: maker(self))

    def _once(self, key: object, make: Callable[[], DataFrame]) -> DataFrame:
        with self._locks[key]:
            if key not in self._made:
                self._made[key] = make()
        return self._made[key]

    def remember(self, entity: str, frame: DataFrame, columns: list[str], *files: str) -> DataFrame:
        """Fill null columns from the rows landed before, unless all `files` are complete."""
        table = f"raw.{entity}"
        if all(map(self.bundle.is_bulk, files)) or not self.spark.catalog.tableExists(table):
            return frame
        known = self.spark.table(table).select(
            F.col("id").alias("_id"), *[F.col(name).alias(f"_{name}") for name in columns]
        )
        filled = {name: F.coalesce(name, f"_{name}") for name in columns}
        joined = frame.join(known, F.col("id") == F.col("_id"), "left")
        return joined.withColumns(filled).select(*frame.columns)


def _role(column: str) -> str:
    """Return SQL for our word of a OneRoster role; null for `ext:` and other words."""
    pairs = ", ".join(f"'{theirs}', '{ours}'" for theirs, ours in ROLES.items())
    return f"try_element_at(map({pairs}), lower(trim({column})))"


def _grade_level(column: str) -> str:
    """Return SQL for a CEDS grade level: 9 becomes 09, K becomes KG."""
    return (
        f"case when {column} rlike '^[0-9]$' then concat('0', {column}) "
        f"when upper({column}) = 'K' then 'KG' else upper({column}) end"
    )


def _joint_id(*columns: str) -> str:
    """Return SQL for one id out of several; the ids' own bars are doubled, so none collide."""
    escaped = [f"replace({column}, '|', '||')" for column in columns]
    return f"concat_ws(' | ', {', '.join(escaped)})"


def _entry(name: str, value: str) -> str:
    """Return SQL for a map of one metadata entry; an empty map when the value is null."""
    return f"map_filter(map('{name}', {value}), (k, v) -> v is not null)"


def _schools(tables: _Tables) -> DataFrame:
    return tables.sql(
        """
        select
            id,
            name,
            lower(trim(type)) as school_type,
            parentSourcedId as parent_id,
            is_active, updated_at, metadata
        from {orgs}
        """,
        orgs=tables.file("orgs"),
    )


def _terms(tables: _Tables) -> DataFrame:
    return tables.sql(
        """
        select
            id,
            title as name,
            case lower(trim(type))
                when 'schoolyear' then 'schoolYear'
                when 'gradingperiod' then 'gradingPeriod'
                else lower(trim(type))
            end as term_type,
            parentSourcedId as parent_id,
            schoolYear as school_year,
            startDate as start_date,
            endDate as end_date,
            is_active, updated_at, metadata
        from {sessions}
        """,
        sessions=tables.file("academicSessions"),
    )


def _affiliations(tables: _Tables) -> DataFrame:
    """One row per user, org and role: the rows of roles.csv, or made from the users' orgs."""
    if not tables.has_roles_in_users:
        return tables.sql(
            f"""
            select
                id,
                userSourcedId as user_id,
                orgSourcedId as school_id,
                {_role("role")} as role,
                lower(trim(roleType)) = 'primary' as is_primary,
                beginDate as begin_date,
                endDate as end_date,
                is_active, updated_at,
                map_concat(
                    metadata, {_entry("role", f"if({_role('role')} is null, role, null)")}
                ) as metadata
            from {{roles}}
            """,
            roles=tables.file("roles"),
        )
    return tables.sql(
        f"""
        with orgs_of_users as (
            select
                id as user_id,
                {_role("role")} as our_role,
                coalesce(role, 'unknown') as role,
                is_active, updated_at,
                posexplode(array_distinct(orgSourcedIds)) as (position, org_id)
            from {{users}}
        )

        select
            {_joint_id("user_id", "org_id", "role")} as id,
            user_id,
            org_id as school_id,
            our_role as role,
            position = 0 as is_primary,
            is_active, updated_at
        from orgs_of_users
        """,
        users=tables.file("users"),
    )


def _roles_of_users(tables: _Tables) -> DataFrame:
    """One row per user: all roles, and the role and org that count first."""
    if tables.has_roles_in_users:
        return tables.sql(
            f"""
            select
                id as user_id,
                array_compact(array({_role("role")})) as roles,
                {_role("role")} as role,
                role as source_role,
                get(orgSourcedIds, 0) as school_id
            from {{users}}
            """,
            users=tables.file("users"),
        )
    return tables.sql(
        f"""
        with ranked as (
            select
                roles.userSourcedId as user_id,
                {_role("roles.role")} as role,
                struct(
                    not roles.is_active,
                    lower(trim(coalesce(roles.roleType, ''))) != 'primary',
                    roles.orgSourcedId is distinct from users.primaryOrgSourcedId,
                    roles.id
                ) as rank,
                roles.role as source_role,
                roles.orgSourcedId as org_id,
                roles.is_active
            from {{roles}} as roles
            left join {{users}} as users on roles.userSourcedId = users.id
        )

        select
            user_id,
            array_sort(collect_set(role) filter (where is_active)) as roles,
            min_by(role, rank) as role,
            min_by(source_role, rank) as source_role,
            min_by(org_id, rank) as school_id
        from ranked
        group by user_id
        """,
        roles=tables.file("roles"),
        users=tables.file("users"),
    )


def _users(tables: _Tables) -> DataFrame:
    is_true = [f"coalesce({flag}, false)" for flag in RACES]
    count_true = " + ".join(f"int({flag})" for flag in is_true)
    one_race = " ".join(f"when {flag} then '{word}'" for flag, word in RACES.items())
    all_flags = [*RACES, "demographicRaceTwoOrMoreRaces", "hispanicOrLatinoEthnicity"]
    true_flags = ", ".join(f"if({flag}, '{flag}', null)" for flag in all_flags)
    several_grades = "if(size(users.grades) > 1, array_join(users.grades, ','), null)"
    frame = tables.sql(
        f"""
        with demographics as (
            select
                id,
                birthDate as birth_date,
                case
                    when lower(trim(sex)) in ('f', 'female') then 'female'
                    when lower(trim(sex)) in ('m', 'male') then 'male'
                    when lower(trim(sex)) in ('other', 'unspecified') then lower(trim(sex))
                end as sex,
                case
                    when hispanicOrLatinoEthnicity then 'hispanic'
                    when demographicRaceTwoOrMoreRaces or {count_true} > 1 then 'two_or_more'
                    {one_race}
                end as race_ethnicity,
                map_concat(
                    metadata,
                    {_entry("demographics", f"nullif(concat_ws(',', {true_flags}), '')")}
                ) as metadata
            from {{demographics}}
            where is_active
        ),

        profiles as (
            select
                userSourcedId as user_id,
                array_join(array_sort(collect_list(id)), ',') as profile_ids
            from {{profiles}}
            where is_active
            group by userSourcedId
        )

        select
            users.id,
            roles.role,
            coalesce(users.primaryOrgSourcedId, roles.school_id) as school_id,
            users.username,
            users.givenName as given_name,
            users.familyName as family_name,
            users.email,
            coalesce(users.phone, users.sms) as phone,
            {_grade_level("get(users.grades, 0)")} as grade_level,
            demographics.birth_date,
            demographics.sex,
            demographics.race_ethnicity,
            users.is_active, users.updated_at,
            -- A later map wins: names that both files use stay those of the user.
            map_from_entries(map_entries(map_filter(
                coalesce(demographics.metadata, map()),
                (name, value) -> not map_contains_key(users.metadata, name)
            )) || map_entries(map_concat(
                users.metadata,
                {_entry("userProfileSourcedIds", "profiles.profile_ids")},
                {_entry("role", "if(roles.role is null, roles.source_role, null)")},
                {_entry("grades", several_grades)}
            ))) as metadata
        from {{users}} as users
        left join {{roles}} as roles on users.id = roles.user_id
        left join demographics on users.id = demographics.id
        left join profiles on users.id = profiles.user_id
        """,
        users=tables.file("users"),
        roles=tables.make(_roles_of_users),
        demographics=tables.file("demographics"),
        profiles=tables.file("userProfiles"),
    )
    frame = tables.remember("users", frame, ["birth_date", "sex", "race_ethnicity"], "demographics")
    if tables.has_roles_in_users:
        return frame
    return tables.remember("users", frame, ["role", "school_id"], "roles")


def _guardianships(tables: _Tables) -> DataFrame:
    """One row per student and guardian, whichever of the two names the other."""
    known = tables.make(_roles_of_users).select("user_id", "roles", "role")
    if not tables.bundle.is_bulk("users") and tables.spark.catalog.tableExists("raw.users"):
        landed = tables.spark.table("raw.users").select(
            F.col("id").alias("user_id"), F.array_compact(F.array("role")).alias("roles"), "role"
        )
        known = known.unionByName(landed.join(known, "user_id", "left_anti"))
    return tables.sql(
        f"""
        with people as (
            select
                user_id,
                array_contains(roles, 'student') as is_student,
                get(
                    filter(array(role) || roles, r -> r in ('parent', 'guardian', 'relative')), 0
                ) as relationship
            from {{roles}}
        ),

        agents as (
            select
                id as user_id, is_active, updated_at,
                explode(array_distinct(agentSourcedIds)) as agent_id
            from {{users}}
        ),

        -- An agent who is known, and is no guardian, is somebody else: an aide, a sibling.
        pairs as (
            select
                if(users.is_student, agents.user_id, agents.agent_id) as student_id,
                if(users.is_student, agents.agent_id, agents.user_id) as guardian_id,
                if(users.is_student, others.relationship, users.relationship) as relationship,
                agents.is_active, agents.updated_at
            from agents
            inner join people as users on agents.user_id = users.user_id
            left join people as others on agents.agent_id = others.user_id
            where
                (users.is_student and (others.user_id is null or others.relationship is not null))
                or (
                    not users.is_student and users.relationship is not null
                    and coalesce(others.is_student, true)
                )
        )

        select
            {_joint_id("student_id", "guardian_id")} as id,
            student_id,
            guardian_id,
            max(relationship) as relationship,
            bool_and(is_active) as is_active,
            max(updated_at) as updated_at
        from pairs
        group by student_id, guardian_id
        """,
        users=tables.file("users"),
        roles=known,
    )


def _teachers(tables: _Tables) -> DataFrame:
    """One row per section: its primary teacher, else the only one."""
    return tables.sql(
        """
        select
            classSourcedId as course_id,
            coalesce(
                min(userSourcedId) filter (where `primary`),
                if(count(distinct userSourcedId) = 1, min(userSourcedId), null)
            ) as teacher_id
        from {enrollments}
        where is_active and lower(trim(role)) = 'teacher'
        group by classSourcedId
        """,
        enrollments=tables.file("enrollments"),
    )


def _courses(tables: _Tables) -> DataFrame:
    frame = tables.sql(
        f"""
        with titled as (
            select
                classes.*,
                courses.courseCode as course_code,
                courses.title as course_title,
                courses.subjects as course_subjects,
                courses.grades as course_grades,
                concat_ws(' / ', classes.title, courses.title) as titles
            from {{classes}} as classes
            left join {{courses}} as courses on classes.courseSourcedId = courses.id
        )

        select
            titled.id,
            titled.title as name,
            titled.course_code,
            coalesce(
                get(titled.subjects, 0), get(titled.course_subjects, 0), titled.course_title
            ) as subject,
            case
                when titled.titles rlike '(?<!Pre[- ])\\\\b(AP|IB)\\\\b' then 'ap'
                when titled.titles rlike
                    '(?i)advanced placement|international baccalaureate' then 'ap'
                when titled.titles rlike '(?i)\\\\bhono(u)?rs\\\\b' then 'honors'
            end as level,
            titled.schoolSourcedId as school_id,
            teachers.teacher_id,
            titled.termSourcedIds as term_ids,
            transform(
                if(size(titled.grades) > 0, titled.grades, titled.course_grades),
                grade -> {_grade_level("grade")}
            ) as grade_levels,
            titled.is_active, titled.updated_at,
            map_concat(
                titled.metadata, {_entry("course.title", "titled.course_title")}
            ) as metadata
        from titled
        left join {{teachers}} as teachers on titled.id = teachers.course_id
        """,
        classes=tables.file("classes"),
        courses=tables.file("courses"),
        teachers=tables.make(_teachers),
    )
    of_catalogue = ["course_code", "subject", "level", "grade_levels"]
    frame = tables.remember("courses", frame, of_catalogue, "courses")
    frame = tables.remember("courses", frame, ["teacher_id"], "enrollments")
    return frame.withColumn("level", F.coalesce("level", F.lit("regular"))).withColumn(
        "course_code", F.coalesce("course_code", F.col("metadata")["classCode"])
    )


def _enrollments(tables: _Tables) -> DataFrame:
    return tables.sql(
        f"""
        select
            id,
            classSourcedId as course_id,
            userSourcedId as user_id,
            schoolSourcedId as school_id,
            {_role("role")} as role,
            coalesce(`primary`, false) as is_primary,
            beginDate as begin_date,
            endDate as end_date,
            is_active, updated_at,
            map_concat(
                metadata, {_entry("role", f"if({_role('role')} is null, role, null)")}
            ) as metadata
        from {{enrollments}}
        """,
        enrollments=tables.file("enrollments"),
    )


def _assignments(tables: _Tables) -> DataFrame:
    frame = tables.sql(
        f"""
        with scales as (
            select
                links.lineItemSourcedId as line_item_id,
                min_by(scales.title, links.id) as title,
                min_by(scales.scoreScaleValue, links.id) as pairs
            from {{links}} as links
            inner join {{scales}} as scales on links.scoreScaleSourcedId = scales.id
            where links.is_active
            group by links.lineItemSourcedId
        )

        select
            items.id,
            items.classSourcedId as course_id,
            coalesce(items.gradingPeriodSourcedId, items.academicSessionSourcedId) as term_id,
            items.title,
            categories.title as category,
            items.assignDate as assigned_date,
            items.dueDate as due_date,
            items.resultValueMax as points_possible,
            categories.title rlike '(?i)home[ -]?work|\\\\bhw\\\\b' as is_homework,
            items.is_active, items.updated_at,
            map_concat(
                items.metadata,
                {_entry("category.weight", "categories.weight")},
                {_entry("scoreScale.title", "scales.title")},
                {_entry("scoreScale.scoreScaleValue", "scales.pairs")}
            ) as metadata
        from {{items}} as items
        left join {{categories}} as categories on items.categorySourcedId = categories.id
        left join scales on items.id = scales.line_item_id
        """,
        items=tables.file("lineItems"),
        categories=tables.file("categories"),
        links=tables.file("lineItemScoreScales"),
        scales=tables.file("scoreScales"),
    )
    frame = tables.remember("assignments", frame, ["category", "is_homework"], "categories")
    return frame.withColumn("is_homework", F.coalesce("is_homework", F.lit(False)))


def _results(tables: _Tables) -> DataFrame:
    """Each result beside its line item, which may have landed before."""
    items = tables.make(_assignments).select(
        "id", "course_id", "term_id", "points_possible", "is_homework"
    )
    is_bulk = tables.bundle.is_bulk("lineItems")
    if not is_bulk and tables.spark.catalog.tableExists("raw.assignments"):
        landed = tables.spark.table("raw.assignments").select(*items.columns)
        items = items.unionByName(landed.join(items, "id", "left_anti"))
    return tables.sql(
        """
        select
            results.*,
            lower(trim(results.scoreStatus)) as score_status,
            items.term_id,
            items.points_possible,
            coalesce(items.is_homework, false) as is_homework,
            coalesce(items.course_id, results.classSourcedId) as course_id
        from {results} as results
        left join {items} as items on results.lineItemSourcedId = items.id
        """,
        results=tables.file("results"),
        items=items,
    )


def _grades(tables: _Tables) -> DataFrame:
    # 1.1 has no place for a letter, so that exports write it as the comment.
    letter = "textScore"
    if "textscore" not in [name.strip().lower() for name in tables.bundle.headers["results"]]:
        letter = "if(trim(comment) rlike '^[ABCDF][+-]?$', trim(comment), null)"
    frame = tables.sql(
        f"""
        select
            id,
            lineItemSourcedId as assignment_id,
            studentSourcedId as student_id,
            course_id,
            term_id,
            scoreDate as graded_at,
            score as points_earned,
            points_possible,
            {letter} as letter,
            score_status as status,
            comment,
            is_active, updated_at, metadata
        from {{results}}
        """,
        results=tables.make(_results),
    )
    if "resultScoreScales" not in tables.bundle.files:
        return frame
    return tables.sql(
        f"""
        with scales as (
            select resultSourcedId as result_id, min(scoreScaleSourcedId) as scale_id
            from {{links}}
            where is_active
            group by resultSourcedId
        )

        select
            grades.* except (metadata),
            map_concat(
                grades.metadata, {_entry("scoreScaleSourcedId", "scales.scale_id")}
            ) as metadata
        from {{grades}} as grades
        left join scales on grades.id = scales.result_id
        """,
        grades=frame,
        links=tables.file("resultScoreScales"),
    )


def _homeworks(tables: _Tables) -> DataFrame:
    return tables.sql(
        """
        select
            id,
            lineItemSourcedId as assignment_id,
            studentSourcedId as student_id,
            course_id,
            score_status as status,
            late as is_late,
            is_active, updated_at
        from {results}
        where is_homework
        """,
        results=tables.make(_results),
    )


def _contents(tables: _Tables) -> DataFrame:
    """One row per section and resource: the section's own, and those of its catalogue course."""
    frame = tables.sql(
        f"""
        with links as (
            select 1 as rank, id, classSourcedId as course_id, resourceSourcedId as resource_id,
                title, is_active, updated_at
            from {{class_links}}
            union all
            select 2, links.id, classes.id, links.resourceSourcedId,
                links.title, links.is_active and classes.is_active, links.updated_at
            from {{course_links}} as links
            inner join {{classes}} as classes on links.courseSourcedId = classes.courseSourcedId
        ),

        first_links as (
            select
                course_id, resource_id,
                min_by(struct(title, is_active, updated_at), struct(not is_active, rank, id))
                    as link
            from links
            where course_id is not null and resource_id is not null
            group by course_id, resource_id
        )

        select
            {_joint_id("first_links.course_id", "first_links.resource_id")} as id,
            first_links.course_id,
            teachers.teacher_id,
            coalesce(first_links.link.title, resources.title) as title,
            'resource' as content_type,
            first_links.link.is_active and coalesce(resources.is_active, true) as is_active,
            greatest(first_links.link.updated_at, resources.updated_at) as updated_at,
            map_concat(
                coalesce(resources.metadata, map()),
                map('resourceSourcedId', first_links.resource_id)
            ) as metadata
        from first_links
        left join {{resources}} as resources on first_links.resource_id = resources.id
        left join {{teachers}} as teachers on first_links.course_id = teachers.course_id
        """,
        class_links=tables.file("classResources"),
        course_links=tables.file("courseResources"),
        classes=tables.file("classes"),
        resources=tables.file("resources"),
        teachers=tables.make(_teachers),
    )
    return tables.remember("contents", frame, ["teacher_id", "title"], "enrollments", "resources")
