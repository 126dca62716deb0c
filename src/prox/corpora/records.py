"""What travels between the steps of reading: blocks of raw data, and records that could not be read."""

from dataclasses import dataclass
from typing import Literal

Layout = Literal["lines", "values", "arrow", "warc"]


@dataclass(frozen=True, slots=True)
class Span:
    """A range of a file: the records that begin in it.

    Attributes:
        first, last: In bytes of the stored file (of Parquet: rows); `last` is None for a range up to the end.
    """

    first: int = 0
    last: int | None = None


WHOLE = Span()


@dataclass(slots=True)
class Extent:
    """What was read of a span, in bytes of the unpacked content, or in records where a format counts those.

    The extents of spans that tile a file tile it too; `begin` stays None where no record begins in the span.
    """

    begin: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive records of one file, still undecoded: cheap to cut, cheap to send to a worker process.

    Records count from 0 within their file. In JSON Lines the number of a record is the number of its line, blank
    lines counted, so that `sed -n` finds it; in Parquet it is the row, in a JSON array the element, in a web
    archive the record of any type. In a part of a plain JSON Lines file, where nobody has counted what stands before,
    lines count from the part's first byte.

    Attributes:
        file: Path of the file, as in `CorpusFile.shown`.
        first_record: Number of the first record.
        records: How many record numbers the block covers (blank lines included).
        offset: The byte of the file from which its records are counted.
        position: The byte at which the payload of `lines` begins in the unpacked file.
        payload: `lines`: raw lines joined by `\\n`; `values`: one raw JSON value per element; `arrow`: an Arrow IPC
            stream; `warc`: for each record, what its headers say as a line of JSON and then its page, or nothing if it
            has no page.
    """

    file: str
    first_record: int
    records: int
    layout: Layout
    payload: bytes | tuple[bytes, ...]
    offset: int = 0
    position: int = 0


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that could not be read, whole, or a place where a file could not be read on.

    Attributes:
        record: Number of the record in its file, counted as in `Block`.
        reason: `kind: detail`; the kind is one of a few fixed phrases ("invalid UTF-8", "invalid JSON",
            "not an object", "no text", "lone surrogate", "record too long", "broken file").
        raw: The record as it stands in the file; of a Parquet row, the row as JSON; of a page, what
            its headers say as a line of JSON, and then the page.
        id: The id of the record, if it could be read.
        offset: As in `Block`.
    """

    file: str
    record: int
    reason: str
    raw: bytes = b""
    id: str | None = None
    offset: int = 0
