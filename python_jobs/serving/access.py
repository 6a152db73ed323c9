"""Who may see whom: rows of the seed access_grants, and rows that the warehouse knows itself."""

import hashlib
import hmac
import os
import secrets
import time
from datetime import date
from pathlib import Path

import pyarrow as pa

from python_jobs.errors import DistrictError
from python_jobs.seeds import Row

SCOPES = ("district", "school", "section", "student")
KEY_BYTES = 32
ALWAYS = date(1900, 1, 1)

# In holidays the sections of the last school day are the current ones.
_CURRENT = """
    with school_day as (
        select least(
            max(days.as_of_date), max(date_sub(enrollments.end_date, 1))
        ) as school_day
        from core.fact_enrollment as enrollments
        cross join core.reporting_date as days
        where enrollments.is_active and enrollments.begin_date <= days.as_of_date
    )
"""
# A user name that two persons have says of neither who it is.
GRANTS = """
    with people as (
        select lower(username) as login, min(user_id) as user_id
        from staging.stg_users
        where is_active and username is not null
        group by lower(username)
        having count(*) = 1
    )

    select people.login, 'section' as scope, taught.course_id as scope_id
    from people
    inner join core.bridge_course_teacher as taught on people.user_id = taught.teacher_id
    union all
    select people.login, 'student' as scope, children.student_id as scope_id
    from people
    inner join core.bridge_student_guardian as children on people.user_id = children.guardian_id
"""
STUDENT_SCOPES = (
    _CURRENT
    + """
    select distinct enrollments.student_id, 'section' as scope, enrollments.course_id as scope_id
    from core.fact_enrollment as enrollments
    inner join school_day
        on enrollments.begin_date <= school_day.school_day
        and school_day.school_day < enrollments.end_date
    where enrollments.is_active
    union all
    select student_id, 'school' as scope, school_id as scope_id
    from core.dim_student
    where is_current and is_active
    union all
    select students.student_id, 'district' as scope, schools.district_id as scope_id
    from core.dim_student as students
    inner join core.dim_school as schools on students.school_id = schools.school_id
    where students.is_current and schools.is_current and schools.district_id is not null
    union all
    select student_id, 'student' as scope, student_id as scope_id
    from core.dim_student
    where is_current
    """
)
DISTRICTS = """
    select distinct district_id from core.dim_school
    where is_current and district_id is not null and school_id <> 'unknown'
"""


def grants_table(seed: list[Row], derived: pa.Table) -> pa.Table:
    """Return all grants: login in lower case, scope, scope_id, valid_from, valid_until.

    A grant holds for valid_from <= day < valid_until; no valid_until is for ever.
    Raises DistrictError that names the line of the seed that is wrong.
    """
    given = pa.Table.from_pylist(
        [_grant(number, row) for number, row in enumerate(seed, start=2)], schema=GRANT_SCHEMA
    )
    count = derived.num_rows
    dated = derived.append_column("valid_from", pa.array([ALWAYS] * count, pa.date32()))
    dated = dated.append_column("valid_until", pa.nulls(count, pa.date32()))
    everything = pa.concat_tables([given, dated.cast(GRANT_SCHEMA)])
    return everything.sort_by([(name, "ascending") for name in GRANT_SCHEMA.names])


GRANT_SCHEMA = pa.schema(
    {
        "login": pa.string(),
        "scope": pa.string(),
        "scope_id": pa.string(),
        "valid_from": pa.date32(),
        "valid_until": pa.date32(),
    }
)


def _grant(line: int, row: Row) -> dict[str, object]:
    place = f"seeds/access_grants.csv, line {line}"
    if None in row or None in row.values():  # so csv says it
        raise DistrictError(
            f"{place}: not as many values as columns", f"give {', '.join(GRANT_SCHEMA.names)}"
        )
    if row["scope"] not in SCOPES:
        raise DistrictError(f"{place}: no such scope", f"choose one of: {', '.join(SCOPES)}")
    if not row["login"].strip() or not row["scope_id"].strip():
        raise DistrictError(f"{place}: login or scope_id is empty", "a grant names both")
    try:
        valid_from = date.fromisoformat(row["valid_from"])
        valid_until = date.fromisoformat(row["valid_until"]) if row["valid_until"] else None
    except ValueError:
        raise DistrictError(f"{place}: not a date", "write dates as 2026-08-31") from None
    return {
        "login": row["login"].strip().lower(),
        "scope": row["scope"],
        "scope_id": row["scope_id"].strip(),
        "valid_from": valid_from,
        "valid_until": valid_until,
    }


def viewer_key(folder: Path) -> bytes:
    """Return the key that signs viewers: DISTRICT_VIEWER_KEY, else a file made at first use."""
    given = os.environ.get("DISTRICT_VIEWER_KEY")
    if not given:
        path = folder / "viewer.key"
        if not path.exists():
            write_secret(path, secrets.token_hex(KEY_BYTES))
        given = path.read_text(encoding="utf-8").strip()
    try:
        key = bytes.fromhex(given)
    except ValueError:
        key = b""
    if len(key) < KEY_BYTES:
        raise DistrictError("the viewer key is no key", f"it needs {2 * KEY_BYTES} hexadecimals")
    return key


def write_secret(path: Path, text: str) -> None:
    """Write a file that nobody else may read, at no moment."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text + "\n")


def token(key: bytes, login: str, seconds: int) -> str:
    """Return what a shared account sets as district.viewer: login|expiry|signature."""
    if "|" in login:
        raise DistrictError("a login has no |", "give the login as access_grants has it")
    said = f"{login}|{int(time.time()) + seconds}"
    return f"{said}|{hmac.new(key, said.encode(), hashlib.sha256).hexdigest()}"
