"""Cutting any corpus file into blocks."""

from collections.abc import Iterator

from prox.corpora.files import CorpusFile, corpus_file
from prox.corpora.json_values import LAYOUT_LINES, slice_values, value_layout
from prox.corpora.jsonl import slice_lines
from prox.corpora.parquet import slice_parquet
from prox.corpora.records import WHOLE, Block, Extent, Quarantined, Span
from prox.corpora.spans import lines_of_span, rejoined
from prox.corpora.streams import BrokenStreamError, OnShare, ignore_share
from prox.corpora.warc import slice_warc

BLOCK_BYTES = 8 << 20
MAX_RECORD_BYTES = 48 << 20
"""A longer record goes to quarantine: in work it would take up to thirty times its size in memory."""


def read_blocks(
    file: CorpusFile | str,
    block_bytes: int = BLOCK_BYTES,
    max_record_bytes: int = MAX_RECORD_BYTES,
    on_share: OnShare = ignore_share,
    span: Span = WHOLE,
    extent: Extent | None = None,
) -> Iterator[Block | Quarantined]:
    """Cut a file, or a span of it, into blocks of whole records, in order and the same at every reading.

    A fault of the content (cut off, corrupt) gives a `Quarantined` behind everything readable, never an exception; a
    record longer than `max_record_bytes` is quarantined with its head only.

    Args:
        extent: Told what was read, where spans can be told apart.

    Raises:
        StorageError: The file cannot be opened or read on.
        UsageError: A path given as a string does not exist or has an ending that is not read here.
    """
    if isinstance(file, str):
        file = corpus_file(file)
    if file.format == "parquet":
        yield from slice_parquet(file, block_bytes, max_record_bytes, on_share, span, extent)
        return
    if file.format == "warc":
        yield from slice_warc(file, block_bytes, max_record_bytes, on_share, span, extent)
        return
    start, chunks = lines_of_span(file, span, on_share)
    if file.format == "json" and span == WHOLE:  # values that lie otherwise than in lines have no spans
        head, chunks = _peek(chunks)
        layout = value_layout(head)
        if layout != "lines":
            yield from slice_values(chunks, file.shown, block_bytes, max_record_bytes, layout == "array")
            return
    yield from slice_lines(chunks, file.shown, block_bytes, max_record_bytes, start, extent)


def lies_in_lines(file: CorpusFile) -> bool:
    """Whether a file holds one value a line, so that it can be cut into spans of bytes.

    Raises:
        StorageError: The file cannot be opened or read on.
    """
    return file.format == "jsonl" or (
        file.format == "json" and value_layout(_peek(lines_of_span(file)[1])[0]) == "lines"
    )


def _peek(chunks: Iterator[bytes], limit: int = 1 << 20) -> tuple[bytes, Iterator[bytes]]:
    """The start of a stream with a few whole lines behind the first one that is not blank, and the stream again."""
    head = b""
    broken: BrokenStreamError | None = None
    try:
        while len(head) < limit and head.lstrip().count(b"\n") < LAYOUT_LINES and (chunk := next(chunks, b"")):
            head += chunk
    except BrokenStreamError as error:
        broken = error
    return head, rejoined(head, broken, chunks)
