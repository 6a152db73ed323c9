"""Turn a OneRoster 1.1 or 1.2 bundle into rows of the raw entities.

A section (OneRoster: class) is our course; the catalogue course gives it code and subject. Where a
file is delta or absent, what other files would add to a row is taken from the row landed before.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Lock

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from python_jobs.landing.bundle import Bundle
from python_jobs.landing.oneroster_checks import PARALLEL_READS, Checks
from python_jobs.landing.oneroster_files import (
    ENTITY_OF,
    FILE_OF,
    columns_of,
    empty_file,
    joint_id,
    letters,
    other_role,
    our_role,
)
from python_jobs.landing.raw import Landed, Part
from python_jobs.landing.rules import listed
from python_jobs.schemas import LANDING_COLUMNS

# Files whose rows only add to those of an entity.
ADDS_TO = {
    "courses": "courses",
    "demographics": "users",
    "userProfiles": "users",
    "userResources": "users",
    "categories": "assignments",
    "scoreScales": "assignments",
    "lineItemScoreScales": "assignments",
    "lineItemLearningObjectiveIds": "assignments",
    "resultScoreScales": "grades",
    "resultLearningObjectiveIds": "grades",
    "resources": "contents",
    "classResources": "contents",
    "courseResources": "contents",
    "demographic_flags": "users",
}
SCORE_SCALE_KEYS = {
    f"scoreScale.{name}" for name in ("sourcedId", "title", "type", "scoreScaleValue")
}
# What else than its own columns a file gives to the metadata of an entity's rows.
METADATA_KEYS = {
    "users": {"role", "grades"},
    "demographics": {"demographics"},
    "userProfiles": {"userProfileSourcedIds"},
    "courses": {"course.title", "course.subjects", "course.grades"},
    "categories": {"category.weight"},
    "scoreScales": SCORE_SCALE_KEYS,
    "lineItemScoreScales": SCORE_SCALE_KEYS,
    "resultScoreScales": {"scoreScaleSourcedId"},
}
# Which columns of an entity's rows name the row of its main file that they are made of.
HELD_BY = {"affiliations": ("user_id",), "guardianships": ("student_id", "guardian_id")}
# What stands in the log for rows that have no row in the bundle, but are changed by its files.
LANDED_BEFORE = "(landed before)"
# Columns of users that other files than the users' own give.
DEMOGRAPHICS = ("birth_date", "sex", "race_ethnicity")
FLAGS = ("is_english_learner", "has_iep", "is_economically_disadvantaged")
# SQL over a raw course's metadata: the subject that its catalogue course gives.
CATALOGUE_SUBJECT = (
    "coalesce(get(split(metadata['course.subjects'], ','), 0), metadata['course.title'])"
)
RACES = {
    "americanIndianOrAlaskaNative": "american_indian",
    "asian": "asian",
    "blackOrAfricanAmerican": "black",
    "nativeHawaiianOrOtherPacificIslander": "pacific_islander",
    "white": "white",
}


def read_parts(checks: Checks) -> list[Part]:
    """Return the rows of every entity that the sound rows of a bundle's files make.

    A part is complete when its main file is. The frames read the bundle lazily: land them while
    it is open.
    """
    tables = _Tables(checks)
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
    wanted = {entity: made for entity, made in makers.items() if made[0] in checks.files}
    changed = _changed_by_others(tables)
    with ThreadPoolExecutor(PARALLEL_READS) as pool:  # Spark takes a while to analyse each query
        frames = pool.map(tables.make, [maker for _, maker in wanted.values()])
        landed = pool.map(tables.make, changed.values())
        parts = [
            part_of(checks, entity, file, frame)
            for (entity, (file, _)), frame in zip(wanted.items(), frames, strict=True)
        ]
        parts += [
            Part(entity, frame, LANDED_BEFORE)
            for entity, frame in zip(changed, landed, strict=True)
        ]
    links = [file for file in ("classResources", "courseResources") if file in checks.files]
    if links:
        # Absent means unchanged, so only both files together list every content.
        is_complete = all(map(checks.is_complete, ("classResources", "courseResources")))
        is_complete &= not any(checks.files[file].rows_rejected for file in links)
        names = " + ".join(f"{file}.csv" for file in links)
        parts.append(Part("contents", tables.make(_contents), names, is_complete))
    return parts


def _changed_by_others(tables: "_Tables") -> dict[str, Callable[["_Tables"], DataFrame]]:
    """Return who makes the rows landed before that other files than their own change: by entity."""
    makers: dict[str, tuple[str, set[str], Callable[[_Tables], DataFrame]]] = {
        "users": ("users", {"demographics", "roles"}, _landed_users),
        "courses": ("classes", {"courses", "enrollments"}, _landed_courses),
        "assignments": ("lineItems", {"categories", "lineItemScoreScales"}, _landed_assignments),
        "contents": ("classResources", {"enrollments"}, _landed_contents),
        "grades": ("results", {"lineItems"}, _landed_grades),
        "homeworks": ("results", {"lineItems", "categories"}, _landed_homeworks),
    }
    return {
        entity: maker
        for entity, (main, others, maker) in makers.items()
        if others & tables.checks.files.keys()
        and not tables.bundle.is_bulk(main)
        and tables.checks.is_landed(entity)
    }


def other_files(checks: Checks) -> list[Landed]:
    """Return, for the log, what became of the rows that only add to other files' rows."""
    return [
        Landed(
            file=checks.bundle.file_name(file),
            entity=entity,
            is_complete=checks.is_complete(file),
            rows_read=checked.rows_read,
            rows_landed=checked.rows_read
            + checked.rows_released
            - checked.rows_rejected
            - checked.rows_ended,
            rows_unchanged=0,
            rows_rejected=checked.rows_rejected,
            rows_ended=checked.rows_ended,
            rows_released=checked.rows_released,
            rows_warned=checked.rows_warned,
        )
        for file, entity in ADDS_TO.items()
        if (checked := checks.files.get(file))
    ]


def part_of(checks: Checks, entity: str, file: str, frame: DataFrame) -> Part:
    """Return a part; of those that a file makes, the one with a row for each of its rows counts."""
    checked, is_complete = checks.files[file], checks.is_complete(file)
    part = Part(entity, frame, checks.bundle.file_name(file), is_complete)
    if is_complete and checked.rows_rejected:
        is_own = ENTITY_OF[file] == entity
        names = ("id",) if is_own else HELD_BY.get(entity, ("id",))
        part = replace(part, held=dict.fromkeys(names, checked.held_ids()))
    if ENTITY_OF[file] != entity:
        return part
    return replace(
        part,
        rows_read=checked.rows_read,
        rows_rejected=checked.rows_rejected,
        rows_released=checked.rows_released,
        rows_warned=checked.rows_warned,
    )


class _Tables:
    """The bundle's files as frames, SQL over them, and the raw rows that landed before."""

    def __init__(self, checks: Checks) -> None:
        self.checks = checks
        self.spark: SparkSession = checks.spark
        self.bundle: Bundle = checks.bundle
        self._made: dict[object, DataFrame] = {}
        self._locks: defaultdict[object, Lock] = defaultdict(Lock)
        # By the columns, not by the version: some 1.2 exports still have 1.1 users.
        self.has_roles_in_users = "roles" not in checks.files and (
            checks.has_column("users", "role") or "users" not in self.bundle.files
        )

    def sql(self, query: str, **frames: DataFrame) -> DataFrame:
        """Run a query in which {name} is the frame given by that name."""
        return self.spark.sql(query, None, **frames)

    def file(self, name: str) -> DataFrame:
        """Return a file's sound rows, typed; one that the bundle lacks has no rows."""
        if name in self.checks.files:
            return self._once(name, self.checks.files[name].sound)
        return self._once(name, lambda: empty_file(self.spark, name))

    def make(self, maker: "Callable[[_Tables], DataFrame]") -> DataFrame:
        """Return what a maker makes of the files."""
        return self._once(maker, lambda: maker(self))

    def _once(self, key: object, make: Callable[[], DataFrame]) -> DataFrame:
        with self._locks[key]:
            if key not in self._made:
                self._made[key] = make()
        return self._made[key]

    def remember(
        self, entity: str, frame: DataFrame, given: Mapping[str, Sequence[str]]
    ) -> DataFrame:
        """Fill, from the rows landed before, what files that are not complete do not say.

        given: file -> columns of the entity that it fills. Of the metadata, keep what such files
        gave.
        """
        partial = [file for file in given if not self.bundle.is_bulk(file)]
        if not partial or not self.checks.is_landed(entity):
            return frame
        columns = [name for file in partial for name in given[file]]
        known = self.spark.table(f"raw.{entity}").select("id", *columns, "metadata")
        if "demographics" in partial and "demographics" in self.checks.files:
            # One row per user: what it leaves empty is empty.
            known = self._forget(known, "demographics", given["demographics"])
        known = known.select(*[F.col(name).alias(f"_{name}") for name in known.columns])
        filled = {name: F.coalesce(name, f"_{name}") for name in columns}
        main = {FILE_OF[entity]} if entity in FILE_OF else set()
        complete = given.keys() - partial
        filled["metadata"] = F.map_concat(
            self.without_keys("_metadata", *main, *complete), "metadata"
        )
        joined = frame.join(known, F.col("id") == F.col("_id"), "left")
        return joined.withColumns(filled).select(*frame.columns)

    def _forget(self, known: DataFrame, file: str, columns: Sequence[str]) -> DataFrame:
        """Empty what a file gave to the rows whose ids it has again."""
        said = self.file(file).select(F.col("id").alias("_said"))
        is_said = F.col("_said").isNotNull()
        emptied: dict[str, Column] = {name: F.when(~is_said, F.col(name)) for name in columns}
        kept = F.when(is_said, self.without_keys("metadata", file)).otherwise(F.col("metadata"))
        known = known.join(said, F.col("id") == F.col("_said"), "left")
        return known.withColumns(emptied | {"metadata": kept}).drop("_said")

    def without_keys(self, metadata: str, *files: str) -> Column:
        """Return a metadata column without the keys that some files give."""
        ours = sorted({key for file in files for key in self._metadata_keys(file)})
        kept = F.map_filter(F.col(metadata), lambda key, _: ~key.isin(ours))
        return F.coalesce(kept, F.create_map().cast("map<string,string>"))

    def landed_only(self, entity: str) -> DataFrame:
        """Return the source's active rows landed before that are in no file of their own."""
        is_ours = F.col("source_system") == self.bundle.source_system
        landed = self.spark.table(f"raw.{entity}").where(is_ours & F.col("is_active"))
        landed = landed.drop(*LANDING_COLUMNS, "created_at", "updated_at")
        made = self.file(FILE_OF[entity]) if entity in FILE_OF else self.make(_contents)
        return landed.join(made.select("id"), "id", "left_anti")

    def known_and_landed(self, file: str, columns: Sequence[str], landed: DataFrame) -> DataFrame:
        """Return a file's sound rows and, of `landed`, those that it says nothing of.

        landed has id and the columns; of a complete file's only those whose row was rejected.
        """
        rows = self.file(file).select("id", *columns)
        checked = self.checks.files.get(file)
        if checked and self.checks.is_complete(file):
            landed = landed.join(checked.held_ids(), "id", "left_semi")
        return rows.unionByName(landed.join(rows.select("id"), "id", "left_anti"))

    def _metadata_keys(self, file: str) -> set[str]:
        """Return the metadata keys that a file gives to the rows of an entity."""
        kept = {name for name, column in columns_of(file).items() if column.is_kept_as_metadata}
        return kept | METADATA_KEYS.get(file, set()) | self.checks.extra_columns(file)


def _grade_level(column: str) -> str:
    """Return SQL for a CEDS grade level: 9 becomes 09, K becomes KG."""
    return (
        f"case when {column} rlike '^[0-9]$' then concat('0', {column}) "
        f"when upper({column}) = 'K' then 'KG' else upper({column}) end"
    )


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
                {our_role("role")} as role,
                lower(trim(roleType)) = 'primary' as is_primary,
                beginDate as begin_date,
                endDate as end_date,
                is_active, updated_at,
                map_concat(
                    metadata, {_entry("role", other_role("role"))}
                ) as metadata
            from {{roles}}
            """,
            roles=tables.file("roles"),
        )
    frame = tables.sql(
        f"""
        with orgs_of_users as (
            select
                id as user_id,
                {our_role("role")} as our_role,
                coalesce(role, 'unknown') as role,
                is_active, updated_at,
                posexplode(array_distinct(orgSourcedIds)) as (position, org_id)
            from {{users}}
        )

        select
            {joint_id("user_id", "org_id", "role")} as id,
            user_id,
            org_id as school_id,
            our_role as role,
            position = 0 as is_primary,
            is_active, updated_at
        from orgs_of_users
        """,
        users=tables.file("users"),
    )
    if tables.bundle.is_bulk("users") or not tables.checks.is_landed("affiliations"):
        return frame
    # A user comes with all its orgs: those that it no longer names have ended.
    users = tables.file("users").select(F.col("id").alias("user_id"))
    landed = tables.spark.table("raw.affiliations").where("is_active").drop("metadata")
    gone = landed.join(users, "user_id", "left_semi").join(frame, "id", "left_anti")
    ended = gone.withColumns({"is_active": F.lit(False), "updated_at": F.lit(None)})
    return frame.unionByName(ended.select(*frame.columns))


def _roles_of_users(tables: _Tables) -> DataFrame:
    """One row per user: all roles, and the role and org that count first."""
    if tables.has_roles_in_users:
        return tables.sql(
            f"""
            select
                id as user_id,
                array_compact(array({our_role("role")})) as roles,
                {our_role("role")} as role,
                role as source_role,
                get(orgSourcedIds, 0) as school_id,
                orgSourcedIds as school_ids
            from {{users}}
            """,
            users=tables.file("users"),
        )
    return tables.sql(
        f"""
        with ranked as (
            select
                roles.userSourcedId as user_id,
                {our_role("roles.role")} as role,
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
            union all
            -- Who belongs to no org has no row in roles.csv; our own export says the role here.
            select
                users.id, {our_role("users.role")}, struct(false, true, true, users.id),
                users.role, null, true
            from {{users}} as users
            left anti join {{roles}} as roles on users.id = roles.userSourcedId and roles.is_active
            where users.role is not null
        )

        select
            user_id,
            array_sort(collect_set(role) filter (where is_active)) as roles,
            min_by(role, rank) as role,
            min_by(source_role, rank) as source_role,
            min_by(org_id, rank) as school_id,
            collect_set(org_id) filter (where is_active) as school_ids
        from ranked
        group by user_id
        """,
        roles=_roles(tables),
        users=tables.file("users").select("id", "role", "primaryOrgSourcedId"),
    )


def _roles(tables: _Tables) -> DataFrame:
    """Return the rows of roles.csv, and those landed before that it says nothing of."""
    columns = ["userSourcedId", "roleType", "role", "orgSourcedId", "is_active"]
    if not tables.checks.is_landed("affiliations"):
        return tables.file("roles").select("id", *columns)
    landed = tables.spark.table("raw.affiliations").selectExpr(
        "id",
        "user_id as userSourcedId",
        "if(is_primary, 'primary', 'secondary') as roleType",
        "coalesce(role, metadata['role']) as role",
        "school_id as orgSourcedId",
        "is_active",
    )
    return tables.known_and_landed("roles", columns, landed)


def _demographics(tables: _Tables) -> DataFrame:
    """One row per row of demographics.csv; one that has ended says nothing."""
    is_true = [f"coalesce({flag}, false)" for flag in RACES]
    count_true = " + ".join(f"int({flag})" for flag in is_true)
    one_race = " ".join(f"when {flag} then '{word}'" for flag, word in RACES.items())
    all_flags = [*RACES, "demographicRaceTwoOrMoreRaces", "hispanicOrLatinoEthnicity"]
    true_flags = ", ".join(f"if({flag}, '{flag}', null)" for flag in all_flags)
    return tables.sql(
        f"""
        select
            id,
            if(is_active, birthDate, null) as birth_date,
            case
                when not is_active then null
                when lower(trim(sex)) in ('f', 'female') then 'female'
                when lower(trim(sex)) in ('m', 'male') then 'male'
                when lower(trim(sex)) in ('other', 'unspecified') then lower(trim(sex))
            end as sex,
            case
                when not is_active then null
                when hispanicOrLatinoEthnicity then 'hispanic'
                when demographicRaceTwoOrMoreRaces or {count_true} > 1 then 'two_or_more'
                {one_race}
            end as race_ethnicity,
            if(
                is_active,
                map_concat(
                    metadata,
                    {_entry("demographics", f"nullif(concat_ws(',', {true_flags}), '')")}
                ),
                map()
            ) as metadata
        from {{demographics}}
        """,
        demographics=tables.file("demographics"),
    )


def _users(tables: _Tables) -> DataFrame:
    several_grades = "if(size(users.grades) > 1, array_join(users.grades, ','), null)"
    frame = tables.sql(
        f"""
        with profiles as (
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
            {", ".join(f"cast(null as boolean) as {name}" for name in FLAGS)},
            users.is_active, users.updated_at,
            -- A later map wins: names that both files use stay those of the user.
            map_from_entries(map_entries(map_filter(
                coalesce(demographics.metadata, map()),
                (name, value) -> not map_contains_key(users.metadata, name)
            )) || map_entries(map_concat(
                users.metadata,
                {_entry("userProfileSourcedIds", "profiles.profile_ids")},
                {_entry("role", other_role("roles.source_role"))},
                {_entry("grades", several_grades)}
            ))) as metadata
        from {{users}} as users
        left join {{roles}} as roles on users.id = roles.user_id
        left join {{demographics}} as demographics on users.id = demographics.id
        left join profiles on users.id = profiles.user_id
        """,
        users=tables.file("users"),
        roles=tables.make(_roles_of_users),
        demographics=tables.make(_demographics),
        profiles=tables.file("userProfiles"),
    )
    given = {"demographics": list(DEMOGRAPHICS), "userProfiles": [], "demographic_flags": FLAGS}
    return tables.remember("users", frame, given)


def _landed_users(tables: _Tables) -> DataFrame:
    """Users landed before of whom the bundle sends demographics or roles, and no row."""
    has_roles = "of_roles.id is not null"
    demographics = ", ".join(
        f"if(demographics.id is null, users.{name}, demographics.{name}) as {name}"
        for name in DEMOGRAPHICS
    )
    return tables.sql(
        f"""
        select
            users.* except (role, school_id, {", ".join(DEMOGRAPHICS)}, metadata, kept_metadata),
            if({has_roles}, roles.role, users.role) as role,
            if(
                {has_roles},
                if(
                    array_contains(roles.school_ids, users.school_id),
                    users.school_id, roles.school_id
                ),
                users.school_id
            ) as school_id,
            {demographics},
            if(
                demographics.id is null,
                users.metadata,
                map_concat(users.kept_metadata, demographics.metadata)
            ) as metadata
        from {{users}} as users
        left join {{demographics}} as demographics on users.id = demographics.id
        left join {{of_roles}} as of_roles on users.id = of_roles.id
        left join {{roles}} as roles on users.id = roles.user_id
        where coalesce(demographics.id, of_roles.id) is not null
        """,
        users=tables.landed_only("users").withColumn(
            "kept_metadata", tables.without_keys("metadata", "demographics")
        ),
        demographics=tables.make(_demographics),
        of_roles=tables.file("roles").selectExpr("userSourcedId as id").distinct(),
        roles=tables.make(_roles_of_users),
    )


def _guardianships(tables: _Tables) -> DataFrame:
    """One row per student and guardian, whichever of the two names the other."""
    known = tables.make(_roles_of_users).select("user_id", "roles", "role")
    is_partial = not tables.bundle.is_bulk("users")
    if is_partial and tables.checks.is_landed("users"):
        landed = tables.spark.table("raw.users").select(
            F.col("id").alias("user_id"), F.array_compact(F.array("role")).alias("roles"), "role"
        )
        known = known.unionByName(landed.join(known, "user_id", "left_anti"))
    pairs = tables.sql(
        """
        with people as (
            select
                user_id,
                array_contains(roles, 'student') as is_student,
                get(
                    filter(array(role) || roles, r -> r in ('parent', 'guardian', 'relative')), 0
                ) as relationship
            from {roles}
        ),

        agents as (
            select
                id as user_id, is_active, updated_at,
                explode(array_distinct(agentSourcedIds)) as agent_id
            from {users}
        )

        -- An agent who is known, and is no guardian, is somebody else: an aide, a sibling.
        select
            if(users.is_student, agents.user_id, agents.agent_id) as student_id,
            if(users.is_student, agents.agent_id, agents.user_id) as guardian_id,
            if(users.is_student, others.relationship, users.relationship) as relationship,
            agents.user_id as named_by,
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
        """,
        users=tables.file("users"),
        roles=known,
    )
    if is_partial and tables.checks.is_landed("guardianships"):
        pairs = pairs.unionByName(_landed_pairs(tables))
    return tables.sql(
        f"""
        select
            {joint_id("student_id", "guardian_id")} as id,
            student_id,
            guardian_id,
            max(relationship) as relationship,
            bool_and(is_active) and count(named_by) > 0 as is_active,
            max(updated_at) as updated_at,
            map_filter(
                map('namedBy', array_join(array_sort(collect_set(named_by)), ',')),
                (name, value) -> value != ''
            ) as metadata
        from {{pairs}}
        group by student_id, guardian_id
        """,
        pairs=pairs,
    )


def _landed_pairs(tables: _Tables) -> DataFrame:
    """Return the landed pairs of the users of a delta, once per user who still names the other.

    A user comes with all its agents, so what the user said before counts no more; a pair that
    nobody else names has named_by null.
    """
    return tables.sql(
        """
        with landed as (
            select
                student_id, guardian_id, relationship,
                explode(split(coalesce(metadata['namedBy'], student_id), ',')) as named_by
            from {guardianships}
            where is_active
        )

        select
            student_id, guardian_id, relationship,
            if(namer.id is null, named_by, null) as named_by,
            true as is_active,
            cast(null as timestamp) as updated_at
        from landed
        left join {users} as namer on landed.named_by = namer.id
        where
            landed.student_id in (select id from {users})
            or landed.guardian_id in (select id from {users})
        """,
        guardianships=tables.spark.table("raw.guardianships"),
        users=tables.file("users").select("id"),
    )


def _teachers(tables: _Tables) -> DataFrame:
    """One row per section: its primary teacher, else the only one."""
    columns = ["classSourcedId", "userSourcedId", "role", "`primary`", "is_active"]
    enrollments = tables.file("enrollments").select("id", *columns)
    if tables.checks.is_landed("enrollments"):
        landed = tables.spark.table("raw.enrollments").where("role = 'teacher'")
        landed = landed.selectExpr(
            "id",
            "course_id as classSourcedId",
            "user_id as userSourcedId",
            "role",
            "is_primary as `primary`",
            "is_active",
        )
        enrollments = tables.known_and_landed("enrollments", columns, landed)
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
        enrollments=enrollments,
    )


def _courses(tables: _Tables) -> DataFrame:
    return _sections(tables, tables.file("classes"))


def _landed_courses(tables: _Tables) -> DataFrame:
    """Sections landed before of which the catalogue course or enrollments come, and no row."""
    landed = tables.landed_only("courses")
    catalogue = F.col("metadata")["courseSourcedId"]
    of_catalogue = landed.join(
        tables.file("courses").select(F.col("id").alias("_id")), catalogue == F.col("_id")
    ).select("id")
    sent = tables.file("enrollments").select("id", F.col("classSourcedId").alias("course_id"))
    changed = sent.select("course_id")
    if tables.checks.is_landed("enrollments"):
        before = tables.spark.table("raw.enrollments").select("id", "course_id")
        changed = changed.union(before.join(sent.select("id"), "id", "left_semi").drop("id"))
    touched = of_catalogue.union(changed).distinct()
    classes = landed.join(touched, "id", "left_semi").select(
        "id",
        F.col("name").alias("title"),
        catalogue.alias("courseSourcedId"),
        F.col("school_id").alias("schoolSourcedId"),
        F.col("term_ids").alias("termSourcedIds"),
        # What equals the catalogue is taken to come from it.
        F.expr(
            "if(array_join(grade_levels, ',') <=> metadata['course.grades'], null, grade_levels)"
        ).alias("grades"),
        F.expr(f"if(subject <=> {CATALOGUE_SUBJECT}, null, array(subject))").alias("subjects"),
        "is_active",
        F.lit(None).cast("timestamp").alias("updated_at"),
        tables.without_keys("metadata", "courses").alias("metadata"),
    )
    return _sections(tables, classes)


def _sections(tables: _Tables, classes: DataFrame) -> DataFrame:
    """Return classes, in the columns of the file, as rows of the raw courses."""
    course_grades = f"transform(titled.course_grades, grade -> {_grade_level('grade')})"
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
            if(
                size(titled.grades) > 0,
                transform(titled.grades, grade -> {_grade_level("grade")}), {course_grades}
            ) as grade_levels,
            titled.is_active, titled.updated_at,
            map_concat(
                titled.metadata,
                {_entry("course.title", "titled.course_title")},
                {_entry("course.subjects", "nullif(array_join(course_subjects, ','), '')")},
                {_entry("course.grades", f"nullif(array_join({course_grades}, ','), '')")}
            ) as metadata
        from titled
        left join {{teachers}} as teachers on titled.id = teachers.course_id
        """,
        classes=classes,
        courses=tables.file("courses"),
        teachers=tables.make(_teachers),
    )
    of_catalogue = ["course_code", "subject", "level", "grade_levels"]
    frame = tables.remember("courses", frame, {"courses": of_catalogue})
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
            {our_role("role")} as role,
            coalesce(`primary`, false) as is_primary,
            beginDate as begin_date,
            endDate as end_date,
            is_active, updated_at,
            map_concat(
                metadata, {_entry("role", other_role("role"))}
            ) as metadata
        from {{enrollments}}
        """,
        enrollments=tables.file("enrollments"),
    )


def _assignments(tables: _Tables) -> DataFrame:
    return _line_items(tables, tables.file("lineItems"))


def _landed_assignments(tables: _Tables) -> DataFrame:
    """Line items landed before whose category or score scale comes, and no row of their own."""
    landed = tables.landed_only("assignments")
    category = F.col("metadata")["categorySourcedId"]
    of_category = landed.join(
        tables.file("categories").select(F.col("id").alias("_id")), category == F.col("_id")
    ).select("id")
    of_scales = tables.file("lineItemScoreScales").select("lineItemSourcedId")
    items = landed.join(of_category.union(of_scales).distinct(), "id", "left_semi").select(
        "id",
        "title",
        F.col("course_id").alias("classSourcedId"),
        category.alias("categorySourcedId"),
        F.col("term_id").alias("gradingPeriodSourcedId"),
        F.lit(None).cast("string").alias("academicSessionSourcedId"),
        F.col("assigned_date").alias("assignDate"),
        F.col("due_date").alias("dueDate"),
        F.col("points_possible").alias("resultValueMax"),
        "is_active",
        F.lit(None).cast("timestamp").alias("updated_at"),
        tables.without_keys("metadata", "categories", "lineItemScoreScales").alias("metadata"),
    )
    return _line_items(tables, items)


def _line_items(tables: _Tables, items: DataFrame) -> DataFrame:
    """Return line items, in the columns of the file, as rows of the raw assignments."""
    frame = tables.sql(
        f"""
        with scales as (
            select
                links.lineItemSourcedId as line_item_id,
                min_by(struct(scales.*), links.id) as scale
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
                {_entry("scoreScale.sourcedId", "scales.scale.id")},
                {_entry("scoreScale.title", "scales.scale.title")},
                {_entry("scoreScale.type", "scales.scale.type")},
                {_entry("scoreScale.scoreScaleValue", "scales.scale.scoreScaleValue")}
            ) as metadata
        from {{items}} as items
        left join {{categories}} as categories on items.categorySourcedId = categories.id
        left join scales on items.id = scales.line_item_id
        """,
        items=items,
        categories=tables.file("categories"),
        links=tables.file("lineItemScoreScales"),
        scales=tables.file("scoreScales"),
    )
    given = {
        "categories": ["category", "is_homework"],
        "scoreScales": [],
        "lineItemScoreScales": [],
    }
    frame = tables.remember("assignments", frame, given)
    return frame.withColumn("is_homework", F.coalesce("is_homework", F.lit(False)))


def _results(tables: _Tables) -> DataFrame:
    """Each result beside its line item, which may have landed before."""
    items = tables.make(_assignments).where("is_active or course_id is not null")
    items = items.select("id", "course_id", "term_id", "points_possible", "is_homework")
    is_bulk = tables.bundle.is_bulk("lineItems")
    if not is_bulk and tables.checks.is_landed("assignments"):
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
    if not tables.checks.has_column("results", "textScore"):
        known = listed(one for one in letters() if re.fullmatch("[ABCDF][+-]?", one))
        letter = f"if(trim(comment) in ({known}), trim(comment), null)"
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
    frame = tables.sql(
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
    return tables.remember("grades", frame, {"resultScoreScales": []})


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


def _landed_results(tables: _Tables) -> DataFrame:
    """Results landed before, with what their line items, which come now, give them."""
    items = tables.make(_assignments).where("is_active or course_id is not null")
    if tables.checks.is_landed("assignments"):
        items = items.unionByName(tables.make(_landed_assignments).select(*items.columns))
    items = items.selectExpr(
        "id as assignment_id",
        "struct(course_id, term_id, points_possible, is_homework) as item",
    )
    return tables.landed_only("grades").join(items, "assignment_id")


def _landed_grades(tables: _Tables) -> DataFrame:
    """Results landed before whose line item has another section, term or maximum now."""
    given = ("course_id", "term_id", "points_possible")
    return (
        tables.make(_landed_results)
        .withColumns({name: F.col("item")[name] for name in given})
        .drop("item")
    )


def _landed_homeworks(tables: _Tables) -> DataFrame:
    """Hand-ins landed before whose line item has another section, or is (no) homework now."""
    results = tables.make(_landed_results).selectExpr(
        "id",
        "assignment_id",
        "student_id",
        "item.course_id",
        "status",
        "try_cast(metadata['late'] as boolean) as is_late",
        "item.is_homework as is_active",
    )
    known = tables.spark.table("raw.homeworks").where("is_active").select("id")
    return results.where("is_active").unionByName(
        results.where("not is_active").join(known, "id", "left_semi")
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
            {joint_id("first_links.course_id", "first_links.resource_id")} as id,
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
    return tables.remember("contents", frame, {"resources": ["title"]})


def _landed_contents(tables: _Tables) -> DataFrame:
    """Contents landed before whose section has another teacher now."""
    landed = tables.landed_only("contents").where("metadata['resourceSourcedId'] is not null")
    teachers = tables.make(_teachers).toDF("course_id", "new_teacher_id")
    return (
        landed.join(teachers, "course_id", "left")
        .where("new_teacher_id is distinct from teacher_id")
        .withColumn("teacher_id", F.col("new_teacher_id"))
        .drop("new_teacher_id")
    )
