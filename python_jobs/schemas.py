"""Raw entities: the columns every source is landed into.

Types are Spark SQL types. Every entity begins with `id` and ends with the row columns and the
landing columns, which only `python_jobs.landing.raw` fills.
"""

ROW_COLUMNS = {
    "is_active": "boolean",  # false: the source has ended the row, or no longer lists it
    "created_at": "timestamp",  # UTC, as the source says, else when the row was first landed
    "updated_at": "timestamp",  # UTC, as the source says, else when this version was landed
    "metadata": "map<string,string>",  # source columns that the entity has no place for
}

LANDING_COLUMNS = {
    "effective_at": "timestamp",  # from when this version holds; history (SCD2) counts from here
    "batch_id": "bigint",  # the batch that brought this version; grows by one per landing
    "source_system": "string",
    "landed_at": "timestamp",
    "row_hash": "bigint",  # over everything but times and landing columns
}

ENTITIES: dict[str, dict[str, str]] = {
    "schools": {
        "id": "string",
        "name": "string",
        "school_type": "string",  # department, school, district, local, state, national
        "region": "string",
        "parent_id": "string",  # the district
        "grades": "array<string>",
    },
    "terms": {
        "id": "string",
        "name": "string",
        "term_type": "string",  # schoolYear, semester, term, gradingPeriod
        "parent_id": "string",
        "school_year": "int",  # the year in which it ends
        "start_date": "date",
        "end_date": "date",  # last day
    },
    "users": {
        "id": "string",
        "role": "string",  # student, teacher, parent, clerk, administrator, ...
        "school_id": "string",
        "username": "string",
        "given_name": "string",
        "family_name": "string",
        "email": "string",
        "phone": "string",
        "grade_level": "string",  # CEDS: PK, KG, 01 to 12, ...
        "birth_date": "date",
        "sex": "string",
        "race_ethnicity": "string",
        "is_english_learner": "boolean",
        "has_iep": "boolean",
        "is_economically_disadvantaged": "boolean",
    },
    "affiliations": {
        "id": "string",
        "user_id": "string",
        "school_id": "string",
        "role": "string",
        "is_primary": "boolean",
        "begin_date": "date",
        "end_date": "date",  # exclusive
    },
    "guardianships": {
        "id": "string",
        "student_id": "string",
        "guardian_id": "string",
        "relationship": "string",
    },
    "courses": {  # a section, as a teacher and a student know it (OneRoster: class)
        "id": "string",
        "name": "string",
        "course_code": "string",
        "subject": "string",
        "level": "string",  # regular, honors, ap
        "credits": "decimal(5,2)",
        "school_id": "string",
        "teacher_id": "string",  # primary
        "term_ids": "array<string>",
        "grade_levels": "array<string>",
    },
    "enrollments": {
        "id": "string",
        "course_id": "string",
        "user_id": "string",
        "school_id": "string",
        "role": "string",  # student, teacher
        "is_primary": "boolean",
        "begin_date": "date",  # null: the course's term
        "end_date": "date",  # exclusive; null: the course's term
    },
    "contents": {
        "id": "string",
        "course_id": "string",
        "teacher_id": "string",
        "title": "string",
        "content_type": "string",  # lesson, quiz, video
        "file_type": "string",
    },
    "assignments": {
        "id": "string",
        "course_id": "string",
        "term_id": "string",
        "title": "string",
        "category": "string",
        "assigned_date": "date",
        "due_date": "date",
        "points_possible": "decimal(9,3)",
        "is_homework": "boolean",
    },
    "homeworks": {  # what a student did with a homework assignment
        "id": "string",
        "assignment_id": "string",
        "student_id": "string",
        "course_id": "string",
        "status": "string",  # exempt, fully graded, not submitted, partially graded, submitted
        "submitted_at": "timestamp",
        "is_late": "boolean",
        "file_type": "string",
    },
    "grades": {
        "id": "string",
        "assignment_id": "string",  # null: a course or term mark
        "student_id": "string",
        "course_id": "string",
        "term_id": "string",
        "graded_at": "timestamp",
        "points_earned": "decimal(9,3)",
        "points_possible": "decimal(9,3)",
        "letter": "string",
        "status": "string",  # as homeworks.status
        "comment": "string",
    },
    "adjustments": {
        "id": "string",
        "student_id": "string",
        "course_id": "string",
        "other_course_id": "string",  # switch: the course left
        "action": "string",  # add, drop, switch, audit
        "occurred_at": "timestamp",
    },
    "attendance": {
        "id": "string",
        "student_id": "string",
        "school_id": "string",
        "course_id": "string",  # null: daily
        "date": "date",
        "status": "string",  # present, absent, tardy, suspended, half_day
        "absent_fraction": "decimal(3,2)",  # 0 to 1
        "is_excused": "boolean",
    },
    "content_views": {
        "id": "string",
        "student_id": "string",
        "content_id": "string",
        "viewed_at": "timestamp",
        "access_type": "string",  # view, download
        "access_count": "int",
    },
    "communications": {
        "id": "string",
        "student_id": "string",
        "guardian_id": "string",
        "staff_id": "string",
        "channel": "string",  # email, phone, meeting, portal
        "occurred_at": "timestamp",
        "outcome": "string",
    },
    "incidents": {
        "id": "string",
        "student_id": "string",
        "school_id": "string",
        "occurred_at": "timestamp",
        "category": "string",
        "severity": "string",  # minor, moderate, severe
        "days_suspended": "decimal(5,2)",
    },
}


def columns(entity: str) -> dict[str, str]:
    """Return the raw columns of an entity, in order: column name to Spark SQL type."""
    return ENTITIES[entity] | ROW_COLUMNS | LANDING_COLUMNS
