"""Open a OneRoster bundle: a zip or a folder of CSV files with a manifest.

Only files that OneRoster names are taken from it. A zip is unpacked into a temporary folder,
which Spark must be able to read: on a cluster point TMPDIR at a shared folder.
"""

import csv
import logging
import re
import shutil
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from python_jobs.errors import DistrictError

FILES = (
    "academicSessions",
    "categories",
    "classes",
    "classResources",
    "courses",
    "courseResources",
    "demographics",
    "enrollments",
    "lineItems",
    "orgs",
    "resources",
    "results",
    "users",
    "lineItemLearningObjectiveIds",
    "lineItemScoreScales",
    "resultLearningObjectiveIds",
    "resultScoreScales",
    "roles",
    "scoreScales",
    "userProfiles",
    "userResources",
)
MODES = ("bulk", "delta", "absent")

_FILE_OF_NAME = {f"{name}.csv".lower(): name for name in (*FILES, "manifest")}
_VERSION = re.compile(r"(1\.[12])(\D.*)?")
_ENCRYPTED = 0x1  # bit of a zip entry's flags

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bundle:
    """A bundle whose manifest is read; `files` may be read while it is open.

    name: the zip's or folder's name, for messages.
    version: '1.1' or '1.2'; '1.2.1' and national forms such as '1.2_JP' count as '1.2'.
    modes: OneRoster file -> bulk, delta or absent, for every file that OneRoster names.
    files: OneRoster file -> path, for every file that is not absent.
    source_system: source.systemCode of the manifest, else source.systemName, else the id of the
        district org, else of the only org without a parent.
    """

    name: str
    version: str
    modes: dict[str, str]
    files: dict[str, Path]
    source_system: str
    headers: dict[str, list[str]] = field(default_factory=dict)

    def is_bulk(self, file: str) -> bool:
        return self.modes.get(file) == "bulk"


@contextmanager
def open_bundle(path: Path | str) -> Iterator[Bundle]:
    """Open a zip or folder; what a zip was unpacked to is removed at the end.

    Raises DistrictError when it is no bundle that can be landed; nothing is written then.
    """
    path = Path(path)
    if not path.exists():
        raise DistrictError(
            f"{path} does not exist",
            "give the path of a OneRoster zip or of its folder",
        )
    if path.is_dir():
        yield _read_bundle(path.resolve().name, _files_in_folder(path.resolve()))
        return
    with tempfile.TemporaryDirectory(prefix="oneroster-") as folder:
        yield _read_bundle(path.name, _unzip(path, Path(folder)))


def records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each CSV record with the number of its first line; empty lines are skipped."""
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        first_line = 1
        for record in reader:
            if record:
                yield first_line, record
            first_line = reader.line_num + 1


def _files_in_folder(folder: Path) -> dict[str, Path]:
    """Return the OneRoster files of a folder, or of the one folder that it holds."""
    names = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(("_", "."))]
    if not names:
        raise DistrictError(
            f"{folder} is empty",
            "put the CSV files and manifest.csv of the export into it",
        )
    if len(names) == 1 and names[0].is_dir():
        return _files_in_folder(names[0])
    files: dict[str, Path] = {}
    for entry in names:
        name = _FILE_OF_NAME.get(entry.name.lower())
        if name is None or not entry.is_file():
            logger.info("%s is no OneRoster file and is not read", entry.name)
        elif name in files:
            raise DistrictError(
                f"{folder.name} holds {name}.csv twice, in different case",
                "keep one of the two files",
            )
        else:
            files[name] = entry
    return files


def _unzip(path: Path, folder: Path) -> dict[str, Path]:
    """Unpack the OneRoster files of a zip whose entries are all harmless."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            _refuse_harmful(path.name, entries)
            entries = [entry for entry in entries if "__MACOSX" not in entry.filename.split("/")]
            if not entries:
                raise DistrictError(f"{path.name} is empty", "export the bundle again")
            tops = {PurePosixPath(entry.filename).parts[0] for entry in entries}
            depth = 2 if len(tops) == 1 and "/" in entries[0].filename else 1
            needed = sum(entry.file_size for entry in entries)
            if needed > shutil.disk_usage(folder).free:
                raise DistrictError(
                    f"{path.name} unpacks to {needed:,} bytes, more than {folder.parent} has free",
                    "free some space, or point TMPDIR at a larger disk",
                )
            files: dict[str, Path] = {}
            for entry in entries:
                parts = PurePosixPath(entry.filename).parts
                name = _FILE_OF_NAME.get(parts[-1].lower()) if len(parts) == depth else None
                if name is None:
                    logger.info("%s is no OneRoster file and is not read", entry.filename)
                    continue
                files[name] = folder / f"{name}.csv"
                with archive.open(entry) as source, files[name].open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
            return files
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise DistrictError(
            f"{path.name} cannot be read as a zip ({error})",
            "fetch or export it again; a folder with the CSV files works too",
        ) from error


def _refuse_harmful(zip_name: str, entries: list[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename
        if name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in re.split(r"[/\\]", name):
            raise DistrictError(
                f"{zip_name} holds a file that would land outside its folder: {name!r}",
                "do not use this zip; ask the source system for another",
            )
        if entry.flag_bits & _ENCRYPTED:
            raise DistrictError(
                f"{zip_name} is encrypted ({name!r})", "export it without a password"
            )
        if name.lower() in seen:
            raise DistrictError(f"{zip_name} holds {name!r} twice", "zip each file once")
        seen.add(name.lower())


def _read_bundle(name: str, files: dict[str, Path]) -> Bundle:
    manifest_path = files.pop("manifest", None)
    if manifest_path is None:
        raise DistrictError(
            f"{name} has no manifest.csv",
            "export the bundle with its manifest, or give the folder that holds it",
        )
    _refuse_other_encodings({"manifest": manifest_path} | files)
    manifest = {
        record[0].strip().lower(): record[1].strip()
        for _, record in records(manifest_path)
        if len(record) > 1
    }
    version = _version(manifest)
    modes = _modes(name, manifest, files)
    files = {file: path for file, path in files.items() if modes[file] != "absent"}
    headers = {file: _header(path) for file, path in files.items()}
    return Bundle(name, version, modes, files, _source_system(name, manifest, files), headers)


def _refuse_other_encodings(files: dict[str, Path]) -> None:
    """Refuse what is not UTF-8: Spark would silently replace each such character."""
    for file, path in files.items():
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    raise DistrictError(
                        f"{file}.csv is not UTF-8 text (line {number})",
                        "export it as UTF-8 (in Excel: 'CSV UTF-8')",
                    ) from error


def _version(manifest: dict[str, str]) -> str:
    version = manifest.get("oneroster.version", "")
    match = _VERSION.fullmatch(version)
    if match is None:
        said = f"says OneRoster version {version!r}" if version else "has no oneroster.version"
        raise DistrictError(
            f"manifest.csv {said}; 1.1 and 1.2 can be read",
            "export OneRoster 1.1 or 1.2 CSV, or correct oneroster.version in manifest.csv",
        )
    return match[1]


def _modes(bundle: str, manifest: dict[str, str], files: dict[str, Path]) -> dict[str, str]:
    modes = {}
    for file in FILES:
        mode = manifest.get(f"file.{file}".lower(), "").lower()
        if mode not in (*MODES, ""):
            raise DistrictError(
                f"manifest.csv says file.{file} is {mode!r}",
                "make it bulk, delta or absent",
            )
        if mode in ("bulk", "delta") and file not in files:
            raise DistrictError(
                f"{bundle} has no {file}.csv, but manifest.csv says it is {mode}",
                f"add the file, or write absent for file.{file} in manifest.csv",
            )
        if mode == "absent" and file in files:
            logger.warning("%s.csv is not read: manifest.csv says it is absent", file)
        if not mode and file in files:
            # Bulk would end every row that the file lacks, and nobody said that it is complete.
            logger.warning("%s.csv has no mode in manifest.csv: read as delta", file)
            mode = "delta"
        modes[file] = mode or "absent"
    return modes


def _header(path: Path) -> list[str]:
    for _, record in records(path):
        return record
    raise DistrictError(
        f"{path.name} has no header line",
        "write the column names as its first line, or write absent for it in manifest.csv",
    )


def _source_system(bundle: str, manifest: dict[str, str], files: dict[str, Path]) -> str:
    for key in ("source.systemcode", "source.systemname", "file.systemname"):
        if manifest.get(key):
            return manifest[key]
    if not files:
        return "oneroster"
    top = _top_org(files["orgs"]) if "orgs" in files else None
    if top is None:
        raise DistrictError(
            f"{bundle} does not say which system it comes from",
            "add a line source.systemCode,<name of the system> to manifest.csv",
        )
    return top


def _top_org(path: Path) -> str | None:
    rows = records(path)
    header = [name.strip().lower() for name in next(rows)[1]]
    orgs = [dict(zip(header, record, strict=False)) for _, record in rows]
    districts = {org["sourcedid"] for org in orgs if org.get("type", "").lower() == "district"}
    tops = {org["sourcedid"] for org in orgs if not org.get("parentsourcedid")}
    for ids in (districts, tops):
        if len(ids) == 1 and all(ids):
            return ids.pop()
    return None
