"""Open and read the district's own files: attendance, communications, incidents and others.

Their columns are those of the raw entity of the same name (docs/files.md), as CSV or Parquet.
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import functions as F

from python_jobs.errors import DistrictError
from python_jobs.landing.bundle import Bundle
from python_jobs.landing.oneroster import FLAGS, LANDED_BEFORE, part_of
from python_jobs.landing.oneroster_checks import Checks
from python_jobs.landing.oneroster_files import ENTITY_OF, OWN_FILES
from python_jobs.landing.raw import Part
from python_jobs.landing.records import CsvFile, ParquetFile
from python_jobs.schemas import ENTITIES

READERS: dict[str, type[CsvFile] | type[ParquetFile]] = {".csv": CsvFile, ".parquet": ParquetFile}

logger = logging.getLogger(__name__)


@contextmanager
def open_files(path: Path) -> Iterator[Bundle]:
    """Open a file, or the known files of a folder, as a bundle of deltas that names no source.

    Raises DistrictError when there is none that we know, or one comes twice.
    """
    if not path.exists():
        raise DistrictError(f"{path} does not exist", "give the path of a file or of a folder")
    files: dict[str, CsvFile | ParquetFile] = {}
    for entry in _entries(path):
        file, reader = entry.stem.lower(), READERS.get(entry.suffix.lower())
        if file not in OWN_FILES or reader is None:
            logger.info("%s is no file that we know and is not read", entry.name)
        elif file in files:
            raise DistrictError(f"{path} holds {file} twice", "keep one of the two files")
        else:
            files[file] = reader(entry)
    if not files:
        raise DistrictError(
            f"{path} holds no file that can be landed",
            f"name it {', '.join(OWN_FILES)}, with the ending .csv or .parquet",
        )
    with tempfile.TemporaryDirectory(prefix="files-") as workspace:
        modes = dict.fromkeys(files, "delta")
        yield Bundle(path.name, "", modes, files, "", Path(workspace))


def holds_files(path: Path) -> bool:
    """Return whether a path is a file that we know, or a folder with one."""
    return any(
        one.stem.lower() in OWN_FILES and one.suffix.lower() in READERS for one in _entries(path)
    )


def _entries(path: Path) -> list[Path]:
    """Return what a folder holds; a folder of Parquet files is one file, as is a file."""
    is_folder = path.is_dir() and path.suffix.lower() not in READERS
    return sorted(path.iterdir()) if is_folder else [path]


def read_files(checks: Checks) -> list[Part]:
    """Return the rows of every entity that the sound rows of the files make."""
    parts = [
        part_of(checks, file, file, checks.files[file].sound())
        for file in OWN_FILES
        if file in checks.files and file in ENTITY_OF
    ]
    if "demographic_flags" in checks.files:
        parts.append(_users_with_flags(checks))
    return parts


def _users_with_flags(checks: Checks) -> Part:
    """Return the landed users with their flags; an empty one changes nothing, an end clears all."""
    flags = checks.files["demographic_flags"].sound()
    said = flags.select(
        F.col("id").alias("_id"),
        F.col("is_active").alias("_is_active"),
        F.col("metadata").alias("_metadata"),
        *[F.col(name).alias(f"_{name}") for name in FLAGS],
    )
    users = checks.spark.table("raw.users").select(*ENTITIES["users"], "is_active", "metadata")
    frame = users.join(said, F.col("id") == F.col("_id")).withColumns(
        {name: F.when(F.col("_is_active"), F.coalesce(f"_{name}", name)) for name in FLAGS}
        | {"metadata": F.map_concat("metadata", "_metadata")}
    )
    return Part("users", frame.select(*users.columns), LANDED_BEFORE)
