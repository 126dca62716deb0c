"""Cutting Parquet files into blocks, however large their row groups are."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prox.corpora.files import CorpusFile
from prox.corpora.records import Block, Quarantined
from prox.corpora.streams import BrokenStreamError, OnShare, describe, ignore_share, open_raw

_READ_BUFFER = 1 << 20
_MAX_ROWS = 1 << 16


def slice_parquet(
    file: CorpusFile, block_bytes: int, on_share: OnShare = ignore_share
) -> Iterator[Block | Quarantined]:
    """Blocks of about `block_bytes` of Arrow data.

    Pages are read as they are needed, so that memory does not grow with the row group. A row group that is broken in
    the middle is quarantined from there on, and reading goes on with the next one.
    """
    try:
        source = open_raw(file)
    except BrokenStreamError as error:
        yield Quarantined(file.shown, 0, f"broken file: {error}")
        return
    with source:
        try:
            reader = pq.ParquetFile(source, buffer_size=_READ_BUFFER, pre_buffer=False)
        except Exception as error:  # pyarrow raises its own kinds, OSError and those of the storage
            yield Quarantined(file.shown, 0, f"broken file: cannot be read as Parquet: {describe(error)}")
            return
        cutter = _Cutter(file.shown, block_bytes)
        end = read = 0
        for group in range(reader.num_row_groups):
            end += reader.metadata.row_group(group).num_rows
            try:
                for batch in _batches(reader, group, block_bytes):
                    read += batch.num_rows
                    on_share(read / reader.metadata.num_rows)
                    yield from cutter.add(batch)
            except Exception as error:  # as above
                yield from cutter.flush()
                reason = f"broken file: rows {cutter.row:,} to {end - 1:,} cannot be read: {describe(error)}"
                yield Quarantined(file.shown, cutter.row, reason)
                cutter.row = end
        yield from cutter.flush()


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

    def __init__(self, path: str, block_bytes: int) -> None:
        self.path = path
        self.block_bytes = block_bytes
        self.row = 0  # of the first pending batch
        self.pending: list[pa.RecordBatch] = []
        self.bytes = 0

    def add(self, batch: pa.RecordBatch) -> Iterator[Block]:
        self.pending.append(batch)
        self.bytes += batch.nbytes
        if self.bytes >= self.block_bytes:
            yield from self.flush()

    def flush(self) -> Iterator[Block]:
        rows = sum(batch.num_rows for batch in self.pending)
        if rows:
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, self.pending[0].schema) as writer:
                for batch in self.pending:
                    writer.write_batch(batch)
            yield Block(self.path, self.row, rows, "arrow", sink.getvalue().to_pybytes())
        self.row += rows
        self.pending, self.bytes = [], 0
