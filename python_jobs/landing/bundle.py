"""Open a OneRoster bundle: a zip or a folder of CSV files with a manifest.

Only files that OneRoster names are taken from it. A zip is unpacked into a temporary folder,
which Spark must be able to read: on a cluster point TMPDIR at a shared folder.
"""

import logging
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from python_jobs.errors import DistrictError
from python_jobs.landing.records import CsvFile, ParquetFile

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
_ARCHIVES = (".zip", ".gz", ".7z", ".rar", ".tar", ".tgz", ".bz2", ".xz")
# A zip bomb holds more, or packs it tighter, than any export of a district does.
MAX_ENTRIES = 1_000
MAX_UNPACKED_BYTES = 50 * 2**30
MAX_RATIO = 200
MIN_BYTES_FOR_RATIO = 10 * 2**20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bundle:
    """A bundle whose manifest is read; `files` may be read while it is open.

    name: the zip's or folder's name, for messages.
    version: '1.1' or '1.2', by the columns; the manifest's own word is only checked; '' for the
        district's own files.
    modes: file -> bulk, delta or absent, for every file that OneRoster names.
    files: file -> the file, for every one that is not absent.
    source_system: what the caller says, else source.systemCode of the manifest, else
        source.systemName, else the id of the district org, else of the only org without a parent.
    workspace: a folder for what is made of the files; it is removed with the bundle.
    """

    name: str
    version: str
    modes: dict[str, str]
    files: Mapping[str, CsvFile | ParquetFile]
    source_system: str
    workspace: Path

    def file_name(self, file: str) -> str:
        """Return the name of a file, for the log."""
        suffix = self.files[file].path.suffix.lower() if file in self.files else ".csv"
        return f"{file}{suffix}"

    def is_bulk(self, file: str) -> bool:
        return self.modes.get(file) == "bulk"


@contextmanager
def open_bundle(path: Path | str, source_system: str | None = None) -> Iterator[Bundle]:
    """Open a zip or folder; what is unpacked or made of it is removed at the end.

    Raises DistrictError when it is no bundle that can be landed; nothing is written then.
    """
    path = Path(path)
    if not path.exists():
        raise DistrictError(
            f"{path} does not exist",
            "give the path of a OneRoster zip or of its folder",
        )
    with tempfile.TemporaryDirectory(prefix="oneroster-") as folder:
        workspace = Path(folder)
        if path.is_dir():
            name, files = path.resolve().name, _files_in_folder(path.resolve())
        else:
            name, files = path.name, _unzip(path, workspace)
        yield _read_bundle(name, files, source_system, workspace)


def holds_oneroster(path: Path) -> bool:
    """Return whether a path is a zip, or a folder with a file that OneRoster names."""
    return path.is_file() or any(one.name.lower() in _FILE_OF_NAME for one in path.rglob("*.*"))


def _files_in_folder(folder: Path) -> dict[str, Path]:
    """Return the OneRoster files of a folder, or of the one folder that it holds."""
    names = [entry for entry in sorted(folder.iterdir()) if not entry.name.startswith(("_", "."))]
    if not names:
        raise DistrictError(
            f"{folder} is empty",
            "put the CSV files of the export into it",
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
    packed = sum(entry.compress_size for entry in entries)
    unpacked = sum(entry.file_size for entry in entries)
    is_dense = unpacked > MIN_BYTES_FOR_RATIO and unpacked > MAX_RATIO * packed
    if len(entries) > MAX_ENTRIES or unpacked > MAX_UNPACKED_BYTES or is_dense:
        raise DistrictError(
            f"{zip_name} holds {len(entries):,} files that unpack from {packed:,} to "
            f"{unpacked:,} bytes: no export of a district looks like that",
            "if it is one, unpack it yourself and land the folder",
        )
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
        if name.lower().endswith(_ARCHIVES):
            raise DistrictError(
                f"{zip_name} holds another archive, {name!r}", "land the inner one by itself"
            )
        if name.lower() in seen:
            raise DistrictError(f"{zip_name} holds {name!r} twice", "zip each file once")
        seen.add(name.lower())


def _read_bundle(
    name: str, paths: dict[str, Path], source_system: str | None, workspace: Path
) -> Bundle:
    manifest_path = paths.pop("manifest", None)
    if not paths and manifest_path is None:
        raise DistrictError(
            f"{name} holds no OneRoster file", "give the folder or zip that holds the CSV files"
        )
    manifest: dict[str, str] = {}
    if manifest_path is None:
        logger.warning("%s has no manifest.csv: its files are read as delta", name)
    else:
        manifest = {
            record.values[0].strip().lower(): record.values[1].strip()
            for record in CsvFile(manifest_path).records(width=0)
            if len(record.values) > 1
        }
    _refuse_other_versions(manifest.get("oneroster.version", ""))
    modes = _modes(name, manifest, paths)
    files = {file: CsvFile(path) for file, path in paths.items() if modes[file] != "absent"}
    source_system = source_system or _source_system(name, manifest, files)
    version = _version(manifest.get("oneroster.version", ""), files)
    return Bundle(name, version, modes, files, source_system, workspace)


def _refuse_other_versions(said: str) -> None:
    if said and not _VERSION.fullmatch(said):
        raise DistrictError(
            f"manifest.csv says OneRoster version {said!r}; 1.1 and 1.2 can be read",
            "export OneRoster 1.1 or 1.2 CSV, or correct oneroster.version in manifest.csv",
        )


def _version(said: str, files: dict[str, CsvFile]) -> str:
    """Return the version whose columns the files have, else the one that the manifest says."""

    def has(file: str, column: str) -> bool:
        return file in files and column.lower() in [name.lower() for name in files[file].header]

    in_manifest = said[:3]
    if has("users", "role") and "roles" not in files:
        by_columns = "1.1"
    elif "roles" in files or has("lineItems", "academicSessionSourcedId"):
        by_columns = "1.2"
    else:
        return in_manifest or "1.1"
    if in_manifest not in ("", by_columns):
        logger.warning(
            "manifest.csv says OneRoster %s, the columns are those of %s", in_manifest, by_columns
        )
    return by_columns


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
            logger.warning("%s has no %s.csv, though manifest.csv says %s", bundle, file, mode)
            mode = "absent"
        if mode == "absent" and file in files:
            logger.warning("%s.csv is not read: manifest.csv says it is absent", file)
        if not mode and file in files:
            # Bulk would end every row that the file lacks, and nobody said that it is complete.
            if manifest:
                logger.warning("%s.csv has no mode in manifest.csv: read as delta", file)
            mode = "delta"
        modes[file] = mode or "absent"
    return modes


def _source_system(bundle: str, manifest: dict[str, str], files: dict[str, CsvFile]) -> str:
    for key in ("source.systemcode", "source.systemname", "file.systemname"):
        if manifest.get(key):
            return manifest[key]
    if not files:
        return "oneroster"
    top = _top_org(files["orgs"]) if "orgs" in files else None
    if top is None:
        raise DistrictError(
            f"{bundle} does not say which system it comes from",
            "say it with --source NAME, the same one every time, or in manifest.csv with a line "
            "source.systemCode,NAME",
        )
    return top


def _top_org(file: CsvFile) -> str | None:
    header = [name.lower() for name in file.header]
    rows = [dict(zip(header, one.values, strict=False)) for one in file.records() if not one.fault]
    orgs = [row for row in rows if row.get("sourcedid")]
    districts = {org["sourcedid"] for org in orgs if org.get("type", "").lower() == "district"}
    tops = {org["sourcedid"] for org in orgs if not org.get("parentsourcedid")}
    for ids in (districts, tops):
        if len(ids) == 1:
            return ids.pop()
    return None
