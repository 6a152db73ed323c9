"""Persons who are forgotten: their rows stay, under a pseudonym that only this warehouse can make.

A pseudonym is an HMAC-SHA256 of the person's id, with a key beside the warehouse. When a source
sends the person again, the rows meet the same pseudonym and land as if nothing had happened.
"""

import os
import secrets
from collections.abc import Mapping, Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from python_jobs.errors import DistrictError
from python_jobs.schemas import columns
from python_jobs.spark import warehouse_dir

FORGOTTEN = "quality.forgotten"
KEY = "pseudonym.key"
KEY_BYTES = 32
BLOCK = 64
PREFIX = "forgotten-"
GONE = "forgotten"  # stands where a direct column had a value, so that counts of values stay
# Entity -> its columns with ids of students and guardians.
PERSON_IDS = {
    "users": ("id",),
    "affiliations": ("user_id",),
    "guardianships": ("student_id", "guardian_id"),
    "enrollments": ("user_id",),
    "homeworks": ("student_id",),
    "grades": ("student_id",),
    "adjustments": ("student_id",),
    "attendance": ("student_id",),
    "content_views": ("student_id",),
    "communications": ("student_id", "guardian_id"),
    "incidents": ("student_id",),
}
DIRECT = {
    "users": ("username", "given_name", "family_name", "email", "phone", "birth_date"),
    "grades": ("comment",),
    "communications": ("outcome",),
}
# The same in the files of a bundle, with the kind of value.
DIRECT_OF = {
    "users": dict.fromkeys(
        (
            "username", "userIds", "givenName", "familyName", "middleName", "identifier", "email",
            "sms", "phone", "userMasterIdentifier", "preferredGivenName", "preferredMiddleName",
            "preferredFamilyName", "pronouns",
        ),
        "string",
    ),
    "demographics": {
        "birthDate": "date",
        "countryOfBirthCode": "string",
        "stateOfBirthAbbreviation": "string",
        "cityOfBirth": "string",
    },
    "userProfiles": {"username": "string", "description": "string"},
    "results": {"comment": "string"},
    "communications": {"outcome": "string"},
}  # fmt: skip


def key() -> bytes:
    """Return the key of pseudonyms; the first call makes it, readable by this user only.

    Raises DistrictError when DISTRICT_PSEUDONYM_KEY is set and is no key.
    """
    given = os.environ.get("DISTRICT_PSEUDONYM_KEY")
    if given is None:
        path = warehouse_dir() / KEY
        if not path.is_file():
            made = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(made, "w") as file:
                file.write(secrets.token_hex(KEY_BYTES))
        given = path.read_text()
    try:
        found = bytes.fromhex(given)
    except ValueError:
        found = b""
    if len(found) < KEY_BYTES:
        raise DistrictError(
            "the key of pseudonyms is no key",
            f"set DISTRICT_PSEUDONYM_KEY to {KEY_BYTES} bytes as hexadecimal digits",
        )
    return found[:BLOCK]


def pseudonym(person_id: Column) -> Column:
    """Return SQL for the pseudonym of an id: HMAC-SHA256 (RFC 2104), the first 128 bits."""
    padded = key().ljust(BLOCK, b"\0")
    inner, outer = (bytes(byte ^ pad for byte in padded) for pad in (0x36, 0x5C))
    digest = F.sha2(F.concat(F.lit(inner), person_id.cast("binary")), 256)
    return F.concat(
        F.lit(PREFIX), F.substring(F.sha2(F.concat(F.lit(outer), F.unhex(digest)), 256), 1, 32)
    )


def forgotten(spark: SparkSession) -> frozenset[str]:
    """Return the pseudonyms of all persons who are forgotten."""
    if not spark.catalog.tableExists(FORGOTTEN):
        return frozenset()
    return frozenset(row.pseudonym for row in spark.table(FORGOTTEN).collect())


def is_forgotten(person_id: Column, known: frozenset[str]) -> Column:
    return person_id.isNotNull() & pseudonym(person_id).isin(*known)


def without_persons(
    frame: DataFrame,
    known: frozenset[str],
    persons: Sequence[str],
    direct: Mapping[str, str],
    row_id: str | None = None,
) -> DataFrame:
    """Put pseudonyms for the ids of forgotten persons, also where they are a part of the row's id.

    persons: columns with ids, or lists of ids as text. direct: columns that name a person, with
    their type; in rows that speak of a forgotten person their values go. row_id: the row's own id.
    The frame's columns keep their names, types and order.
    """
    speaks_of = {name: is_forgotten(F.col(f"`{name}`"), known) for name in persons}
    changed = {
        name: F.when(is_one, pseudonym(F.col(f"`{name}`"))).otherwise(F.col(f"`{name}`"))
        for name, is_one in speaks_of.items()
    }
    if row_id and row_id not in persons:
        made = F.col(f"`{row_id}`")
        for name, is_one in speaks_of.items():
            person = F.col(f"`{name}`")
            made = F.when(is_one, F.replace(made, person, pseudonym(person))).otherwise(made)
        changed[row_id] = made
    is_any = reduce(Column.__or__, speaks_of.values())
    for name, kind in direct.items():
        value = F.col(f"`{name}`")
        if kind.startswith("map"):
            gone, has_value = F.create_map().cast(kind), F.lit(True)
        else:
            gone = F.lit(GONE if kind == "string" else None)
            has_value = value.isNotNull()
        changed[name] = F.when(is_any & has_value, gone).otherwise(value)
    return frame.select(
        *[changed.get(name, F.col(f"`{name}`")).alias(name) for name in frame.columns]
    )


def in_list(texts: Column, known: frozenset[str]) -> Column:
    """Return SQL for a text of ids between commas with pseudonyms for forgotten ones."""

    def hide(item: Column) -> Column:
        person = F.trim(item)
        return F.when(is_forgotten(person, known), pseudonym(person)).otherwise(item)

    return F.array_join(F.transform(F.split(texts, ","), hide), ",")


def without_forgotten(frame: DataFrame, entity: str, known: frozenset[str]) -> DataFrame:
    """Put pseudonyms into rows of a raw entity, as `without_persons` does."""
    if not known or entity not in PERSON_IDS:
        return frame
    types = columns(entity)
    direct = {name: types[name] for name in (*DIRECT.get(entity, ()), "metadata")}
    return without_persons(frame, known, PERSON_IDS[entity], direct, "id")
