"""Cutting any corpus file into blocks."""

from collections.abc import Iterator

from prox.corpora.files import CorpusFile, corpus_file
from prox.corpora.json_values import LAYOUT_LINES, slice_values, value_layout
from prox.corpora.jsonl import slice_lines
from prox.corpora.parquet import slice_parquet
from prox.corpora.records import Block, Quarantined
from prox.corpora.streams import BrokenStreamError, OnShare, ignore_share, read_chunks
from prox.corpora.warc import slice_warc

BLOCK_BYTES = 8 << 20
MAX_RECORD_BYTES = 256 << 20


def read_blocks(
    file: CorpusFile | str,
    block_bytes: int = BLOCK_BYTES,
    max_record_bytes: int = MAX_RECORD_BYTES,
    on_share: OnShare = ignore_share,
) -> Iterator[Block | Quarantined]:
    """Cut a file into blocks of whole records, in order and the same at every reading.

    A fault of the file itself (cut off, corrupt, unreadable) gives a `Quarantined` behind everything readable, never
    an exception; a record longer than `max_record_bytes` is quarantined with its head only.

    Raises:
        UsageError: A path given as a string does not exist or has an ending that is not read here.
    """
    if isinstance(file, str):
        file = corpus_file(file)
    if file.format == "parquet":
        yield from slice_parquet(file, block_bytes, on_share)
        return
    if file.format == "warc":
        yield from slice_warc(file, block_bytes, max_record_bytes, on_share)
        return
    chunks = read_chunks(file, on_share)
    if file.format == "json":
        head, chunks = _peek(chunks)
        layout = value_layout(head)
        if layout != "lines":
            yield from slice_values(chunks, file.shown, block_bytes, max_record_bytes, layout == "array")
            return
    yield from slice_lines(chunks, file.shown, block_bytes, max_record_bytes)


def _peek(chunks: Iterator[bytes], limit: int = 1 << 20) -> tuple[bytes, Iterator[bytes]]:
    """The start of a stream with a few whole lines behind the first one that is not blank, and the stream again."""
    head = b""
    broken: BrokenStreamError | None = None
    try:
        while len(head) < limit and head.lstrip().count(b"\n") < LAYOUT_LINES and (chunk := next(chunks, b"")):
            head += chunk
    except BrokenStreamError as error:
        broken = error
    return head, _rejoined(head, broken, chunks)


def _rejoined(head: bytes, broken: BrokenStreamError | None, chunks: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    if broken:
        raise broken
    yield from chunks
