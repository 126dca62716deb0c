"""Cutting Parquet files into blocks, however large their row groups are."""

from collections.abc import Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from prox.corpora.files import CorpusFile
from prox.corpora.jsonl import too_long
from prox.corpora.records import WHOLE, Block, Extent, Quarantined, Span
from prox.corpora.streams import OnShare, describe, ignore_share, open_raw, storage_error

_READ_BUFFER = 1 << 20
_MAX_ROWS = 1 << 16


def slice_parquet(
    file: CorpusFile,
    block_bytes: int,
    max_record_bytes: int,
    on_share: OnShare = ignore_share,
    span: Span = WHOLE,
    extent: Extent | None = None,
) -> Iterator[Block | Quarantined]:
    """Blocks of about `block_bytes` of Arrow data, of the rows of a span.

    Pages are read as they are needed, so that memory does not grow with the row group. A row group that is broken in
    the middle is quarantined from there on, and reading goes on with the next one.

    Raises:
        StorageError: The file cannot be opened or read on.
    """
    with _Source(open_raw(file)) as source:
        try:
            reader = pq.ParquetFile(source, buffer_size=_READ_BUFFER, pre_buffer=False)
        except Exception as error:  # pyarrow raises its own kinds, OSError and those of the storage
            source.raise_storage_error(file)
            yield Quarantined(file.shown, 0, f"broken file: cannot be read as Parquet: {describe(error)}")
            return
        cutter = _Cutter(file.shown, block_bytes, max_record_bytes, span.first)
        last = reader.metadata.num_rows if span.last is None else min(span.last, reader.metadata.num_rows)
        if extent is not None:
            extent.begin, extent.end = span.first, max(span.first, last)
        end = 0
        for group in range(reader.num_row_groups):
            begin, end = end, end + reader.metadata.row_group(group).num_rows
            if end <= span.first or begin >= last:
                continue
            row = begin
            try:
                for batch in _batches(reader, group, block_bytes):
                    skipped = max(0, span.first - row)
                    wanted = batch.slice(skipped, max(0, min(batch.num_rows, last - row) - skipped))
                    row += batch.num_rows
                    if wanted.num_rows:
                        on_share(row / reader.metadata.num_rows)
                        yield from cutter.add(wanted)
                    if row >= last:
                        break
            except Exception as error:  # as above
                source.raise_storage_error(file)
                yield from cutter.flush()
                stop = min(end, last)
                reason = f"broken file: rows {cutter.row:,} to {stop - 1:,} cannot be read: {describe(error)}"
                yield Quarantined(file.shown, cutter.row, reason)
                cutter.row = stop
        yield from cutter.flush()


def row_groups(file: CorpusFile) -> list[tuple[int, int]] | None:
    """Rows and unpacked bytes of each row group; None if the file cannot be read as Parquet.

    Raises:
        StorageError: The file cannot be opened or read.
    """
    with _Source(open_raw(file)) as source:
        try:
            metadata = pq.ParquetFile(source).metadata
            groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
            return [(group.num_rows, group.total_byte_size) for group in groups]
        except Exception:  # whatever it is: who reads the file will say so
            source.raise_storage_error(file)
            return None


class _Source:
    """A file for pyarrow, which does not tell faults of the storage from those of the content."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._error: Exception | None = None

    def raise_storage_error(self, file: CorpusFile) -> None:
        if self._error is not None:
            raise storage_error(file.shown, "cannot be read on", self._error) from self._error

    def read(self, size: int = -1) -> bytes:
        try:
            return self._raw.read(size)
        except Exception as error:  # storage libraries raise errors of their own kinds
            self._error = error
            raise

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def close(self) -> None:
        self._raw.close()

    @property
    def closed(self) -> bool:
        return self._raw.closed

    def __enter__(self) -> "_Source":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _batches(reader: Any, group: int, block_bytes: int) -> Iterator[pa.RecordBatch]:
    stored = reader.metadata.row_group(group)
    mean = max(1, stored.total_byte_size // max(1, stored.num_rows))
    rows = max(1, min(_MAX_ROWS, block_bytes // mean))
    for batch in reader.iter_batches(batch_size=rows, row_groups=[group], use_threads=False):
        yield from _halved(batch, block_bytes)


def _halved(batch: pa.RecordBatch, block_bytes: int) -> Iterator[pa.RecordBatch]:
    """The batch in pieces that are not much larger than a block (encoded sizes say little about Arrow sizes)."""
    if batch.num_rows < 2 or batch.nbytes <= 2 * block_bytes:
        yield batch
        return
    half = batch.num_rows // 2
    yield from _halved(batch.slice(0, half), block_bytes)
    yield from _halved(batch.slice(half), block_bytes)


class _Cutter:
    """Joins small batches (small row groups) to blocks."""

    def __init__(self, path: str, block_bytes: int, max_record_bytes: int, row: int) -> None:
        self.path = path
        self.block_bytes = block_bytes
        self.max_record_bytes = max_record_bytes
        self.row = row  # of the first pending batch
        self.pending: list[pa.RecordBatch] = []
        self.bytes = 0

    def add(self, batch: pa.RecordBatch) -> Iterator[Block | Quarantined]:
        if batch.num_rows == 1 and batch.nbytes > self.max_record_bytes:
            yield from self.flush()
            yield too_long(self.path, self.row, batch.nbytes, self.max_record_bytes, b"")
            self.row += 1
            return
        self.pending.append(batch)
        self.bytes += batch.nbytes
        if self.bytes >= self.block_bytes:
            yield from self.flush()

    def flush(self) -> Iterator[Block]:
        rows = sum(batch.num_rows for batch in self.pending)
        if rows:
            block = Block(self.path, self.row, rows, "arrow", _stream(self.pending))
            self.row += rows
            self.pending, self.bytes = [], 0  # before the block is worked on, which takes memory of its own
            yield block


def _stream(batches: list[pa.RecordBatch]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    payload: bytes = sink.getvalue().to_pybytes()
    return payload
