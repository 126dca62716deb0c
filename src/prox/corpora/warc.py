"""Cutting web archives (WARC, WET) into blocks of whole pages.

The framing is read here and not by fastwarc: that one ends in silence where a file is cut off, gives up at the first
fault, and tells no positions inside a gzip member. What is inside an HTTP response is read by fastwarc.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from prox.corpora import json_text
from prox.corpora.files import CorpusFile
from prox.corpora.jsonl import HEAD_BYTES, too_long
from prox.corpora.members import Gap, Piece, unpacked
from prox.corpora.records import WHOLE, Block, Extent, Quarantined, Span
from prox.corpora.streams import OnShare, ignore_share, open_raw

_HEADER_BYTES = 1 << 16  # a longer header is none
_BLANK = b"\r\n\t \0"
_BLANKS = re.compile(rb"[\r\n\t \0]*")
_BEGIN = re.compile(rb"WARC/\d+\.\d+[ \t]*\r?\n")
_LONGEST_BEGIN = 24
_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_MAX_BLOCK_RECORDS = 1 << 16

_HTML = frozenset({"text/html", "application/xhtml+xml"})
_TEXT = frozenset({"text/plain"})
_LOOKS_LIKE_HTML = re.compile(
    rb"\s*(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.I | re.S
)


def slice_warc(
    file: CorpusFile,
    block_bytes: int,
    max_record_bytes: int,
    on_share: OnShare = ignore_share,
    span: Span = WHOLE,
    extent: Extent | None = None,
) -> Iterator[Block | Quarantined]:
    """The pages of all records that begin in a span, in blocks of about `block_bytes`.

    A record begins at the first byte of its gzip member or zstd frame, and where one of those holds several records,
    at the 16 KB of stored bytes that unpack to its first byte; in a plain file at its own byte. What stands before the
    span is unpacked and passed over, so that records count from 0 at the beginning of the file: every record of any
    type counts, and every place that cannot be read.

    A payload is a tuple with one entry for each record: empty for a record without a page (requests, metadata,
    revisits, images, failed requests), otherwise a line of JSON with what the headers say, and the page itself.
    """
    with open_raw(file) as raw:
        cutter = _Cutter(file.shown, block_bytes)
        tape = _Tape(_watched(unpacked(raw, file.shown), file.size, on_share))
        number = position = 0
        for found in _records(tape, max_record_bytes):
            position = max(position, found.position)  # what a fault leaves behind may point backwards
            if span.last is not None and position >= span.last:
                break
            if position >= span.first:
                if extent is not None:
                    extent.begin, extent.end = number if extent.begin is None else extent.begin, number + 1
                page = _page(found, file.shown, number, max_record_bytes)
                if isinstance(page, Quarantined):
                    yield from cutter.flush()
                    yield page
                else:
                    yield from cutter.add(number, page)
            number += 1
        yield from cutter.flush()
        if number == 0 and file.size == 0 and file.compression and span.first == 0:
            yield Quarantined(file.shown, 0, f"broken file: not {file.compression} data: the file is empty")


def _watched(pieces: Iterator[Piece | Gap], size: int | None, on_share: OnShare) -> Iterator[Piece | Gap]:
    for piece in pieces:
        if size:
            on_share(min(1.0, piece.position / size))
        yield piece
    on_share(1.0)


class _Cutter:
    """Joins pages to blocks. Records without a page at either end of a block are left out of it."""

    def __init__(self, file: str, block_bytes: int) -> None:
        self.file = file
        self.block_bytes = block_bytes
        self.first = 0
        self.pages: list[bytes] = []
        self.bytes = 0

    def add(self, number: int, page: bytes) -> Iterator[Block]:
        if not page and not self.pages:
            return
        if self.pages and (self.bytes + len(page) > self.block_bytes or len(self.pages) >= _MAX_BLOCK_RECORDS):
            yield from self.flush()
        if page and not self.pages:
            self.first = number
        if page or self.pages:
            self.pages.append(page)
            self.bytes += len(page)

    def flush(self) -> Iterator[Block]:
        while self.pages and not self.pages[-1]:
            self.pages.pop()
        if self.pages:
            yield Block(self.file, self.first, len(self.pages), "warc", tuple(self.pages))
        self.pages, self.bytes = [], 0


@dataclass(slots=True)
class _Found:
    """A record, or a place where none can be read.

    Attributes:
        fault: Why it cannot be read; `body` is then all that stands there, with the header.
        length: The length of a record that is longer than the limit; `body` is then the head of its content.
    """

    position: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    fault: str = ""
    length: int = 0


class _Tape:
    """The unpacked bytes that are read but not yet used, and where they come from."""

    def __init__(self, pieces: Iterator[Piece | Gap]) -> None:
        self.pieces = pieces
        self.data = bytearray()
        self.gap: Gap | None = None  # behind `data`
        self.ended = False
        self.used = 0  # bytes before `data`
        self.marks: list[int] = []  # where in the unpacked content pieces begin
        self.origins: list[Piece] = []  # without their bytes

    @property
    def stopped(self) -> bool:
        """Nothing comes behind `data` that is connected with it."""
        return self.ended or self.gap is not None

    def fill(self, size: int) -> bool:
        """Read until `size` bytes are there, if they come; whether they are."""
        while len(self.data) < size and not self.stopped:
            piece = next(self.pieces, None)
            if piece is None:
                self.ended = True
            elif isinstance(piece, Gap):
                self.gap = piece
            else:
                self.marks.append(self.used + len(self.data))
                self.origins.append(Piece(piece.position, b"", piece.plain, piece.fresh))
                self.data += piece.data
        return len(self.data) >= size

    def drop(self, size: int) -> None:
        del self.data[:size]
        self.used += size
        old = bisect_right(self.marks, self.used) - 1
        if old > 0:
            del self.marks[:old], self.origins[:old]

    def skip_blanks(self) -> None:
        """Pass over line breaks and padding."""
        while self.fill(1):
            blank = self.blanks(0)
            if not blank:
                return
            self.drop(blank)

    def blanks(self, start: int) -> int:
        """How many line breaks and how much padding stand at this place of `data`."""
        blank = _BLANKS.match(self.data, start)
        return blank.end() - start if blank else 0

    def position(self) -> int:
        """The stored byte of the first byte of `data`."""
        at = bisect_right(self.marks, self.used) - 1
        origin = self.origins[at]
        return origin.position + (self.used - self.marks[at] if origin.plain else 0)

    def is_fresh(self, offset: int) -> bool:
        """Whether a gzip member or a zstd frame begins at this place of `data`."""
        at = bisect_right(self.marks, self.used + offset) - 1
        return at >= 0 and self.marks[at] == self.used + offset and self.origins[at].fresh

    def find_begin(self, start: int, stop: int | None = None) -> int:
        """Where the next record begins in `data`, -1 if none does: at the start of a line or of a member."""
        for match in _BEGIN.finditer(self.data, start, len(self.data) if stop is None else stop):
            at = match.start()
            if at == 0 or self.data[at - 1] == 0x0A or self.is_fresh(at):
                return at
        return -1


def _records(tape: _Tape, limit: int) -> Iterator[_Found]:
    """All records of a tape, and all places that are none, in order."""
    if tape.fill(3) and tape.data.startswith(b"\xef\xbb\xbf"):
        tape.drop(3)
    while True:
        tape.skip_blanks()
        if not tape.data:
            if tape.gap is None:
                return
            yield _Found(tape.gap.position, fault=tape.gap.reason, body=tape.gap.raw)
            tape.gap = None
            continue
        position = tape.position()
        tape.fill(_LONGEST_BEGIN)
        if not _BEGIN.match(tape.data):
            yield _no_record(
                tape, position, 0, "no record begins at byte {position:,}; {length:,} bytes are passed over"
            )
            continue
        end = _header_end(tape)
        if end is None:
            yield _no_record(tape, position, 5, "the header of the record at byte {position:,} does not end")
            continue
        headers, by_text_tool = _headers(bytes(tape.data[:end]))
        length = _content_length(headers)
        if length is None:
            yield _no_record(tape, position, end, "the record at byte {position:,} does not say how long it is")
        elif length > limit:
            yield _giant(tape, position, headers, end, length)
        else:
            yield _record(tape, position, headers, end, length, limit, by_text_tool)


def _header_end(tape: _Tape) -> int | None:
    size = 1 << 10
    while True:
        tape.fill(size)
        match = _BLANK_LINE.search(tape.data, 0, min(size, _HEADER_BYTES))
        following = tape.find_begin(5, match.start() + 1 if match else min(size, _HEADER_BYTES))
        if following >= 0:
            return None
        if match:
            return match.end()
        if size >= _HEADER_BYTES or (tape.stopped and len(tape.data) <= size):
            return None
        size *= 2


def _headers(raw: bytes) -> tuple[dict[str, str], bool]:
    """The fields by their names in lower case, and whether a text tool has changed the line ends.

    The first of several fields with one name counts; a line that begins with a blank continues the one before.
    """
    fields: dict[str, str] = {}
    name = ""
    for line in raw.split(b"\n")[1:]:
        text = _text(line.rstrip(b"\r"))
        if text[:1] in (" ", "\t") and name:
            fields[name] += " " + text.strip()
            continue
        key, colon, value = text.partition(":")
        name = key.strip().lower() if colon else ""
        if name in fields:
            name = f"{name} again"
        if name:
            fields[name] = value.strip()
    return fields, b"\r" not in raw


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _content_length(headers: dict[str, str]) -> int | None:
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 20 else None


def _record(
    tape: _Tape, position: int, headers: dict[str, str], begin: int, length: int, limit: int, by_text_tool: bool
) -> _Found:
    """The record at the start of the tape, which is moved behind it."""
    end = begin + length
    whole = tape.fill(end)
    if whole and _ends_here(tape, end):
        gap = tape.gap
        condemned = gap is not None and gap.corrupt_from is not None and position >= gap.corrupt_from
        if gap and condemned and end + tape.blanks(end) == len(tape.data):
            return _cut(tape, position, gap.reason)
        body = bytes(memoryview(tape.data)[begin:end])
        tape.drop(end)
        return _Found(position, headers, body)
    # The length is wrong, or something is missing or too much inside: look for the next record.
    following, searched = -1, begin
    while (following := tape.find_begin(max(begin, searched - _LONGEST_BEGIN))) < 0:
        searched = len(tape.data)
        if tape.stopped or searched > begin + limit:
            break
        tape.fill(searched + 1)
    if following < 0 and not tape.stopped:
        reason = "the record at byte {position:,} says that it has " + f"{length:,} bytes, but no other follows them"
        return _no_record(tape, position, begin, reason)
    stop = following if following >= 0 else len(tape.data)
    if by_text_tool and (whole or following >= 0) and not (following < 0 and tape.gap):
        # A copy as text (cc_net's samples): line ends were changed, pages shortened, the lengths are those of before.
        body = bytes(tape.data[begin:stop]).rstrip(b"\r\n")
        tape.drop(stop)
        return _Found(position, headers, body)
    if following < 0 and tape.gap:
        return _cut(tape, position, tape.gap.reason)
    if following < 0 and not whole:
        return _cut(tape, position, f"the file ends after {len(tape.data) - begin:,} of {length:,} bytes of a record")
    raw = bytes(tape.data[:stop])
    tape.drop(stop)
    has = len(raw[begin:].rstrip(b"\r\n"))
    return _Found(position, fault=f"the record at byte {position:,} says {length:,} bytes, but has {has:,}", body=raw)


def _ends_here(tape: _Tape, end: int) -> bool:
    """Whether a record can end at this place: behind it come line breaks and the next record, or nothing at all."""
    size = end + 4
    while tape.fill(size) and not tape.data[end:size].strip(_BLANK):
        if size - end >= _HEADER_BYTES:
            return True
        size += _LONGEST_BEGIN
    rest = bytes(tape.data[end : size + _LONGEST_BEGIN])
    if rest.startswith((b"\r\n\r\n", b"\n\n")) or tape.is_fresh(end):
        return True
    blank = len(rest) - len(rest.lstrip(_BLANK))
    if blank == len(rest):
        return True
    if tape.is_fresh(end + blank):
        return True
    tape.fill(end + blank + _LONGEST_BEGIN)
    return blank > 0 and _BEGIN.match(tape.data, end + blank) is not None


def _cut(tape: _Tape, position: int, reason: str) -> _Found:
    """All that is left before a gap or the end of the file, as one place that cannot be read."""
    raw = bytes(tape.data)
    tape.drop(len(raw))
    tape.gap = None
    return _Found(position, fault=reason, body=raw)


def _no_record(tape: _Tape, position: int, start: int, reason: str) -> _Found:
    """Pass over everything up to the next record; what stood there, or its head."""
    kept, length = b"", 0
    while (following := tape.find_begin(start)) < 0 and not tape.stopped:
        if len(tape.data) > _HEADER_BYTES:
            passed = len(tape.data) - _LONGEST_BEGIN
            kept += bytes(tape.data[: max(0, HEAD_BYTES - len(kept))]) if len(kept) < HEAD_BYTES else b""
            tape.drop(passed)
            length += passed
            start = 1
        tape.fill(len(tape.data) + 1)
    stop = following if following >= 0 else len(tape.data)
    kept += bytes(tape.data[: min(stop, max(0, HEAD_BYTES - len(kept)))])
    tape.drop(stop)
    fault = reason.format(position=position, length=length + stop)
    if following < 0 and tape.gap:
        fault += f"; {tape.gap.reason}"
        tape.gap = None
    return _Found(position, fault=fault, body=kept)


def _giant(tape: _Tape, position: int, headers: dict[str, str], begin: int, length: int) -> _Found:
    """Pass over a record that is longer than the limit, or says so: a record that begins inside it ends it.

    The other way round a single wrong digit would swallow the rest of the file.
    """
    tape.fill(begin + HEAD_BYTES)
    head = bytes(tape.data[: begin + HEAD_BYTES])
    left, start = begin + length, begin
    while left > 0:
        tape.fill(min(left, _HEADER_BYTES) + _LONGEST_BEGIN)
        following = tape.find_begin(start, min(len(tape.data), left + _LONGEST_BEGIN))
        if 0 <= following < left:
            tape.drop(following)
            fault = f"the record at byte {position:,} says {length:,} bytes, but another begins inside it"
            return _Found(position, fault=fault, body=head)
        passed = min(left, max(1, len(tape.data) - _LONGEST_BEGIN)) if not tape.stopped else min(left, len(tape.data))
        tape.drop(passed)
        left -= passed
        start = 1
        if left > 0 and tape.stopped and not tape.data:
            reason = tape.gap.reason if tape.gap else f"the file ends {left:,} bytes before the end of a record"
            tape.gap = None
            return _Found(position, fault=reason, body=head)
    return _Found(position, headers, head[begin:], length=length)


def _page(found: _Found, file: str, number: int, limit: int) -> bytes | Quarantined:
    """The page of a record as an entry of a block; empty if it has none."""
    if found.fault:
        return Quarantined(file, number, f"broken file: {found.fault}", found.body)
    headers = found.headers
    kind = headers.get("warc-type", "").lower()
    url = headers.get("warc-target-uri", "")
    if url.startswith("<") and url.endswith(">"):  # WARC 1.0 allowed it, wget writes it
        url = url[1:-1]
    if not kind:
        raw = json_text.dumps(headers) + b"\n" + found.body
        return Quarantined(file, number, "broken file: a record does not say of which type it is", raw)
    if kind not in ("response", "resource", "conversion") or url.startswith("metadata:"):  # of the crawler itself
        return b""
    content_type, charset = _media_type(headers.get("content-type", ""))
    body, status, truncated = found.body, None, headers.get("warc-truncated")
    if content_type == "application/http":
        response = _http(found.body)
        body, status, content_type, charset, cut = response
        truncated = truncated or ("unspecified" if cut and not found.length else None)
        if not 200 <= (status or 0) <= 299:
            return b""
    if not content_type:
        identified = _media_type(headers.get("warc-identified-payload-type", ""))[0]
        content_type = identified or ("text/html" if _LOOKS_LIKE_HTML.match(body[:2048]) else "")
    if content_type not in _HTML | _TEXT:
        return b""
    id = headers.get("warc-record-id") or None
    if found.length or len(body) > limit:
        entry = too_long(file, number, found.length or len(body), limit, body[:HEAD_BYTES])
        return Quarantined(file, number, entry.reason, entry.raw, id)
    described: dict[str, Any] = {
        "id": id,
        "url": url or None,
        "date": headers.get("warc-date") or None,
        "record_type": kind,
        "status": status,
        "content_type": content_type,
        "charset": charset,
        "language": headers.get("warc-identified-content-language") or None,
        "truncated": truncated,
    }
    return json_text.dumps(described) + b"\n" + body


def _media_type(value: str) -> tuple[str, str | None]:
    """Type and charset of a Content-Type field."""
    kind, *parameters = value.split(";")
    for parameter in parameters:
        name, _, charset = parameter.partition("=")
        if name.strip().lower() == "charset" and (charset := charset.strip(" \t\"'")):
            return kind.strip().lower(), charset.lower()
    return kind.strip().lower(), None


def _http(content: bytes) -> tuple[bytes, int | None, str, str | None, bool]:
    """Body, status, type and charset of an HTTP response, and whether its body could not be unpacked to its end.

    Crawlers often store a page unpacked under the header of the packed one, so what does not unpack is taken as it is.
    """
    if not content[:5].upper().startswith(b"HTTP/"):
        return content, 200, "", None, False
    split = _BLANK_LINE.search(content)
    plain = content[split.end() :] if split else b""
    head, _ = _headers(content[: split.end()] if split else content)
    status_line = content.split(b"\n", 1)[0].split()
    status = int(status_line[1]) if len(status_line) > 1 and re.fullmatch(rb"[1-5]\d\d", status_line[1]) else None
    kind, charset = _media_type(head.get("content-type", ""))
    cut = False
    if status and 200 <= status <= 299 and (not kind or kind in _HTML | _TEXT):
        if "chunked" in head.get("transfer-encoding", "").lower():
            plain, cut = _unchunked(plain)
        coding = head.get("content-encoding", "")
        if coding.lower() not in ("", "identity") and not _LOOKS_LIKE_HTML.match(plain[:2048]):
            plain = _unpacked(plain, coding) or plain
    return plain, status, kind, charset, cut


_CHUNK = re.compile(rb"[ \t]*([0-9a-fA-F]{1,15})[ \t]*(?:;[^\n]*)?\r?\n")


def _unchunked(body: bytes) -> tuple[bytes, bool]:
    """What the chunks hold, and whether the last one is missing. A body without chunks is given as it is."""
    pieces: list[bytes] = []
    at = 0
    while size := _CHUNK.match(body, at):
        begin, length = size.end(), int(size[1], 16)
        if not length:
            return b"".join(pieces), False
        pieces.append(body[begin : begin + length])
        at = begin + length
        at += 2 if body.startswith(b"\r\n", at) else body.startswith(b"\n", at)
    return (b"".join(pieces), True) if pieces else (body, False)


_WRAPPING = (
    b"WARC/1.0\r\nWARC-Type: response\r\nContent-Type: application/http\r\nContent-Length: %d\r\n\r\n%s%s\r\n\r\n"
)
_MOST_UNPACKED = 1 << 28


def _unpacked(body: bytes, coding: str) -> bytes:
    """A body without its content encoding, as far as it can be read."""
    from fastwarc.warc import WarcRecord

    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n".encode()
    unpacked = bytearray()
    try:
        record = WarcRecord.from_bytes(_WRAPPING % (len(head) + len(body), head, body))
        record.parse_http(auto_decode="content")
        while len(unpacked) < _MOST_UNPACKED and (piece := record.reader.read(1 << 12)):
            unpacked += piece
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # a panic of compiled code is no Exception
        pass
    return bytes(unpacked)
