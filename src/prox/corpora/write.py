"""Writing parts so that none looks whole before it is."""

import base64
import contextlib
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from prox.corpora import json_text
from prox.corpora.arrow_values import row_values, to_json_value
from prox.corpora.columns import table_from_rows
from prox.corpora.records import Quarantined
from prox.corpora.rows import Rows
from prox.corpora.storage import is_local, open_file_system

PartFormat = Literal["parquet", "jsonl"]

_ZSTD_LEVEL = 3


class PartWriter:
    """Writes one part bit by bit, so that it may be larger than memory.

    It is for a name that nobody reads yet: whoever gives it the name under which it is read, does so when it is whole.
    Rows whose types are others than those before go on in a further file, with a number at its name.
    """

    def __init__(self, folder: str, stem: str, format: PartFormat, like: pa.Schema | None = None) -> None:
        """`folder`: on this machine. `like`: types for Parquet from dicts, see `table_from_rows`."""
        self._folder = Path(folder)
        self._stem = stem
        self._like = like
        self._open = _ParquetFile if format == "parquet" else _JsonLinesFile
        self._ending = "parquet" if format == "parquet" else "jsonl.zst"
        self._file: _ParquetFile | _JsonLinesFile | None = None
        self.names: list[str] = []

    def write(self, rows: Rows) -> None:
        """Add rows.

        Raises:
            OSError: The storage refuses.
        """
        table: Any = rows
        if self._open is _ParquetFile:
            table = rows if isinstance(rows, pa.Table) else table_from_rows(rows, self._like)
            self._like = table.schema if table is not rows else None
        if self._file is None or not self._file.takes(table):
            self.close()
            more = f"_{len(self.names) + 1:03d}" if self.names else ""
            self.names.append(f"{self._stem}{more}.{self._ending}")
            self._file = self._open(self._folder / self.names[-1])
        self._file.write(table)

    def close(self) -> None:
        """Finish what is open, and see it through to the disk.

        Raises:
            OSError: The storage refuses.
        """
        if self._file is not None:
            file, self._file = self._file, None
            file.close()


_ROW_GROUP_BYTES = 32 << 20


class _ParquetFile:
    """Row groups are cut by the size of their rows, however these arrive."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._writer: pq.ParquetWriter | None = None
        self._pending: list[pa.Table] = []

    def takes(self, table: pa.Table) -> bool:
        return not self._pending or bool(self._pending[0].schema.equals(table.schema, check_metadata=True))

    def write(self, table: pa.Table) -> None:
        self._pending.append(table)
        if sum(each.nbytes for each in self._pending) >= _ROW_GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        table = pa.concat_tables(self._pending)
        if self._writer is None:
            options = {"compression": "zstd", "compression_level": _ZSTD_LEVEL}
            self._writer = pq.ParquetWriter(self._file, table.schema, **options)
        self._writer.write_table(table)
        self._pending = [table.slice(0, 0)]

    def close(self) -> None:
        with self._file:
            if self._writer is None or any(table.num_rows for table in self._pending):
                self._flush()
            assert self._writer is not None
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())


class _JsonLinesFile:
    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._stream = zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).stream_writer(
            self._file, closefd=False
        )

    def takes(self, rows: Rows) -> bool:
        return True

    def write(self, rows: Rows) -> None:
        self._stream.write(_json_lines(rows))

    def close(self) -> None:
        with self._file:
            self._stream.close()  # type: ignore[no-untyped-call]
            self._file.flush()
            os.fsync(self._file.fileno())


def quarantine_rows(quarantined: Sequence[Quarantined]) -> list[dict[str, Any]]:
    """Quarantined records as rows: `file`, `record`, `offset`, `id`, `reason`, `raw`, `raw_encoding`.

    `raw` is the record itself where that is UTF-8, and base64 otherwise; `raw_encoding` says which.
    """
    return [_quarantine_row(entry) for entry in quarantined]


def write_atomically(path: str, data: bytes) -> None:
    """Put the data there at once: a hidden temporary file, synced and renamed; on object stores a plain put.

    Raises:
        OSError: The storage refuses.
    """
    fs, path = open_file_system(path)
    if not is_local(fs):
        fs.pipe_file(path, data)
        return
    folder, _, name = path.rpartition("/")
    fs.makedirs(folder, exist_ok=True)
    temporary = f"{folder}/.{name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        with fs.open(temporary, "wb", auto_mkdir=False) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105 - fsspec paths are strings
    except BaseException:
        with contextlib.suppress(OSError):
            fs.rm_file(temporary)
        raise
    sync_folder(folder)


def is_half_written(name: str) -> bool:
    """Whether a file is what `write_atomically` leaves behind when its process is killed."""
    return name.startswith(".") and name.endswith(".tmp")


def sync_folder(folder: str) -> None:
    """Make the rename survive a crash of the machine."""
    with contextlib.suppress(OSError):  # Windows cannot open folders
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _json_lines(rows: Rows) -> bytes:
    if isinstance(rows, pa.Table):
        rows = [to_json_value(row) for row in row_values(rows)]
    return b"".join([json_text.dumps(row) + b"\n" for row in rows])


def _quarantine_row(entry: Quarantined) -> dict[str, Any]:
    try:
        raw, encoding = entry.raw.decode(), "utf-8"
    except UnicodeDecodeError:
        raw, encoding = base64.b64encode(entry.raw).decode(), "base64"
    return {
        "file": entry.file,
        "record": entry.record,
        "offset": entry.offset,
        "id": entry.id,
        "reason": entry.reason,
        "raw": raw,
        "raw_encoding": encoding,
    }
