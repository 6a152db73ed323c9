"""Read CSV files as districts write them, record by record, and keep what is broken in them.

A file becomes a Parquet file of texts with the line of each record, which Spark reads in parallel.
One pass in bounded memory: no record is dropped, and a stray quote costs one line, not the rest.
"""

import csv
import logging
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import compute, dataset

from python_jobs.errors import DistrictError

LINE, FAULT, EXTRA = "_line", "_fault", "_extra"
BAD_QUOTES, SHORT_ROW, LONG_ROW = "bad_quotes", "short_row", "long_row"
# A quote that never closes would take the rest of the file for one field.
MAX_RECORD_LINES = 2_000
MAX_RECORD_CHARACTERS = 16 * 2**20
_CHUNK_ROWS = 50_000
_CHUNK_CHARACTERS = 32 * 2**20
# What OneRoster has no column for: our own export writes it under this name.
EXPORTED = "metadata.raw."
_DELIMITERS = ",;\t"
_BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}

_SECRET = re.compile(r"passw(or)?d", re.IGNORECASE)

csv.field_size_limit(MAX_RECORD_CHARACTERS)
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Record:
    """A record, or what could not be read as one: then fault says why."""

    line: int
    values: list[str]
    fault: str | None = None


@dataclass(frozen=True)
class Converted:
    """A CSV file as Parquet.

    columns: the known columns that the file has. extra: its other named columns, kept in the map
    column `_extra`, under their names in the file. Empty values are null, in the map left out.
    rows: data records, broken ones included; blank lines and repeated header lines are none.
    """

    path: Path
    columns: list[str]
    extra: list[str]
    rows: int


class CsvFile:
    """A CSV file, its encoding, delimiter and header (stripped names).

    Raises DistrictError when it has no header, or is not text.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.encoding = _encoding(path)
        with self._open() as text:
            first = next((line for line in text if line.strip()), None)
        if first is None:
            raise DistrictError(
                f"{path.name} has no header line",
                "write the column names as its first line, or leave the file out of the bundle",
            )
        self.delimiter = "," if "," in first else max(_DELIMITERS, key=first.count)
        header = next((one.values for one in self._records() if not one.fault), [])
        self.header = [_column_name(name) for name in header]

    @property
    def size(self) -> int:
        """Return the file's size in bytes."""
        return self.path.stat().st_size

    def records(self, width: int | None = None) -> Iterator[Record]:
        """Yield every record after the header; one of too few or too many values has a fault.

        width: how many values there must be (default: as many as the header has); 0: any number.
        """
        records = self._records(len(self.header) if width is None else width)
        next(records, None)
        return records

    def _open(self) -> TextIO:
        return self.path.open(encoding=self.encoding, newline="")

    def _records(self, width: int = 0) -> Iterator[Record]:
        """Yield all records but blank ones; after a broken one go on with the next line.

        width: how many values a record must have; 0 leaves it open.
        """
        with self._open() as text:
            lines = _Lines(text)
            while lines.has_more():
                try:
                    for values in csv.reader(lines, delimiter=self.delimiter, strict=True):
                        if any(value.strip() for value in values):
                            fault = _fault(values, width) if width else None
                            if fault and lines.taken > 1:  # its quote was closed by another's
                                raise csv.Error(fault)
                            yield Record(lines.first, values, fault)
                        lines.forget()
                except (csv.Error, _RecordTooLong):
                    line, text_of_line = lines.go_back()
                    yield Record(line, [text_of_line.rstrip("\r\n")], BAD_QUOTES)

    def convert(self, path: Path, known: Mapping[str, str]) -> Converted:
        """Write the records as Parquet: `_line`, `_fault`, `_extra`, and the known columns.

        known: lower-case name in the file -> column. Broken records are wholly in `_extra`.
        Raises DistrictError when two of the file's columns are the same known one.
        """
        columns, extra = _places(self.path.name, self.header, known)
        has_secrets = any(map(_SECRET.search, self.header))
        schema = _schema(columns)
        rows = repeated = 0
        with pq.ParquetWriter(path, schema) as writer:
            for chunk in _chunks(self.records()):
                whole = [one for one in chunk if not self._is_header(one)]
                repeated += len(chunk) - len(whole)
                rows += len(whole)
                writer.write_table(_table(whole, columns, extra, schema, has_secrets))
        if repeated:
            logger.warning("%s repeats its header: %d lines are no rows", self.path.name, repeated)
        return Converted(path, list(columns.values()), list(extra.values()), rows)

    def _is_header(self, record: Record) -> bool:
        return (
            _column_name(record.values[0]) == self.header[0]
            and [_column_name(value) for value in record.values] == self.header
        )


def _column_name(text: str) -> str:
    return text.strip().removeprefix(EXPORTED)


class ParquetFile:
    """A Parquet file, or a folder of them, whose values are read as texts.

    Raises DistrictError when it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._data = dataset.dataset(path, format="parquet")
        except (pa.ArrowInvalid, OSError) as error:
            raise DistrictError(
                f"{path.name} cannot be read as Parquet", "export it again, or as CSV"
            ) from error
        self.header = [name.strip() for name in self._data.schema.names]

    @property
    def size(self) -> int:
        """Return the size of all its files in bytes."""
        return sum(Path(file).stat().st_size for file in self._data.files)

    def convert(self, path: Path, known: Mapping[str, str]) -> Converted:
        """Write the rows as CsvFile.convert does; the line of a row is its number, from 1.

        Raises DistrictError when two columns are the same known one, or one holds no single values.
        """
        columns, extra = _places(self.path.name, self.header, known)
        schema = _schema(columns)
        rows = 0
        with pq.ParquetWriter(path, schema) as writer:
            for batch in self._data.to_batches():
                texts = {n: self._texts(batch, n) for n in (*columns, *extra)}
                extras = [
                    [(name, v) for n, name in extra.items() if (v := texts[n][row].as_py())]
                    for row in range(batch.num_rows if extra else 0)
                ] or [[]] * batch.num_rows
                arrays = [
                    pa.array(range(rows + 1, rows + 1 + batch.num_rows), pa.int64()),
                    pa.nulls(batch.num_rows, pa.string()),
                    pa.array(extras, schema.field(EXTRA).type),
                    *[texts[n] for n in columns],
                ]
                writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
                rows += batch.num_rows
        return Converted(path, list(columns.values()), list(extra.values()), rows)

    def _texts(self, batch: pa.RecordBatch, position: int) -> pa.Array:
        try:
            texts = batch.column(position).cast(pa.string())
        except pa.ArrowNotImplementedError as error:
            raise DistrictError(
                f"{self.path.name}: the column {self.header[position]} holds no single values",
                "write one value per row and column",
            ) from error
        is_blank = compute.equal(compute.utf8_trim_whitespace(texts), "")
        return compute.if_else(is_blank, pa.scalar(None, pa.string()), texts)


def _places(
    file: str, header: Sequence[str], known: Mapping[str, str]
) -> tuple[dict[int, str], dict[int, str]]:
    """Return position -> name of the known and of the other columns; passwords are neither.

    Raises DistrictError when two of the file's columns are the same known one.
    """
    columns: dict[int, str] = {}
    extra: dict[int, str] = {}
    for position, name in enumerate(header):
        if _SECRET.search(name):
            continue
        column = known.get(name.lower())
        if column in columns.values():
            raise DistrictError(
                f"{file} has the column {column} more than once",
                "keep one of the columns in the export",
            )
        if column:
            columns[position] = column
        elif name:
            extra[position] = name if name not in extra.values() else f"{name}_{position}"
        else:
            extra[position] = f"_c{position}"
    return columns, extra


def _schema(columns: Mapping[int, str]) -> pa.Schema:
    return pa.schema(
        [
            (LINE, pa.int64()),
            (FAULT, pa.string()),
            (EXTRA, pa.map_(pa.string(), pa.string())),
            *[(column, pa.string()) for column in columns.values()],
        ]
    )


class _RecordTooLong(Exception):
    pass


def _fault(values: list[str], width: int) -> str | None:
    """Return what is wrong with the number of values; blank ones beyond the header are cut off."""
    while len(values) > width and not values[-1].strip():
        values.pop()
    if len(values) == width:
        return None
    return SHORT_ROW if len(values) < width else LONG_ROW


class _Lines:
    """A file's lines for csv.reader, which can go back to the second line of a broken record."""

    def __init__(self, text: TextIO) -> None:
        self._text = text
        self._ahead: deque[str] = deque()
        self._taken: list[str] = []
        self._size = 0
        self.first = 1

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._ahead.popleft() if self._ahead else next(self._text)
        self._taken.append(line)
        self._size += len(line)
        if len(self._taken) > MAX_RECORD_LINES or self._size > MAX_RECORD_CHARACTERS:
            raise _RecordTooLong
        return line

    @property
    def taken(self) -> int:
        return len(self._taken)

    def has_more(self) -> bool:
        if not self._ahead and (line := next(self._text, None)) is not None:
            self._ahead.append(line)
        return bool(self._ahead)

    def forget(self) -> None:
        """The lines taken so far were a sound record."""
        self.first += len(self._taken)
        self._taken.clear()
        self._size = 0

    def go_back(self) -> tuple[int, str]:
        """Return the number and text of the broken record's first line; read on after it."""
        line, text = self.first, self._taken[0]
        self._ahead.extendleft(reversed(self._taken[1:]))
        self.first += 1
        self._taken.clear()
        self._size = 0
        return line, text


def _encoding(path: Path) -> str:
    """Return the file's encoding: UTF-8, UTF-16 with its mark, else Windows-1252."""
    with path.open("rb") as file:
        start = file.read(3)
    for mark, encoding in _BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return encoding
    for encoding in ("utf-8", "cp1252"):
        try:
            with path.open(encoding=encoding, newline="") as text:
                while text.read(2**20):
                    pass
        except UnicodeDecodeError:
            continue
        if encoding != "utf-8":
            logger.warning("%s is not UTF-8: read as Windows-1252", path.name)
        return encoding
    raise DistrictError(
        f"{path.name} is neither UTF-8 nor Windows-1252 text",
        "export it as UTF-8 (in Excel: 'CSV UTF-8')",
    )


def _chunks(records: Iterator[Record]) -> Iterator[list[Record]]:
    chunk: list[Record] = []
    size = 0
    for record in records:
        chunk.append(record)
        size += sum(map(len, record.values))
        if len(chunk) >= _CHUNK_ROWS or size >= _CHUNK_CHARACTERS:
            yield chunk
            chunk, size = [], 0
    yield chunk


def _table(
    records: Sequence[Record],
    columns: Mapping[int, str],
    extra: Mapping[int, str],
    schema: pa.Schema,
    has_secrets: bool,
) -> pa.Table:
    names = {**columns, **extra}

    def extras(record: Record) -> list[tuple[str, str]]:
        if record.fault and has_secrets:  # which value is the password, nobody can tell
            return [("_text", "not kept: the file has a column of passwords")]
        if record.fault == BAD_QUOTES:
            return [("_text", record.values[0])]
        if record.fault:
            return [(names.get(n, f"_c{n}"), v) for n, v in enumerate(record.values) if v.strip()]
        return [(name, record.values[n]) for n, name in extra.items() if record.values[n].strip()]

    arrays = [
        pa.array([record.line for record in records], pa.int64()),
        pa.array([record.fault for record in records], pa.string()),
        pa.array([extras(record) for record in records], schema.field(EXTRA).type),
    ]
    for position in columns:
        texts = [
            None if record.fault or not record.values[position].strip() else record.values[position]
            for record in records
        ]
        arrays.append(pa.array(texts, pa.string()))
    return pa.Table.from_arrays(arrays, schema=schema)
