"""The lines that begin in a range of a file, be it plain or compressed."""

from collections.abc import Iterator
from dataclasses import dataclass

from prox.corpora.files import CorpusFile
from prox.corpora.records import WHOLE, Span
from prox.corpora.streams import BrokenStreamError, OnShare, ignore_share, read_pieces

_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Start:
    """Where the lines of a span begin.

    Attributes:
        line: Number of the first line.
        position: The byte at which it begins in the unpacked file.
        offset: The byte from which lines are counted.
    """

    line: int = 0
    position: int = 0
    offset: int = 0


def lines_of_span(
    file: CorpusFile, span: Span = WHOLE, on_share: OnShare = ignore_share
) -> tuple[Start, Iterator[bytes]]:
    """The bytes of all lines that begin in a span, in chunks of any size, without a byte order mark.

    In a plain file a line begins at its byte; in a compressed one at the place of the 16 KB of stored bytes that
    unpack to its first byte. So spans that tile a file give every line once, and no file has to be unpacked to know
    its spans: what stands before a span is unpacked and passed over. A fault of the file belongs to the span in which
    it shows, or to the one whose last line it cuts.

    Raises:
        StorageError: The file cannot be opened, or not be read on.
        BrokenStreamError: By the iterator, after the last readable byte.
    """
    plain = file.compression is None
    pieces = read_pieces(file, span.first if plain else 0, span.last, on_share)
    if span.first == 0:
        return _without_mark(_until(span.last, 0, b"", pieces))
    line, position, at_line = 0, span.first - 1 if plain else 0, not plain
    try:
        for offset, chunk in pieces:
            inside = offset >= span.first
            if inside and span.last is not None and offset >= span.last:
                break
            begin = 0 if at_line else chunk.find(b"\n") + 1
            if inside and at_line and position == 0:
                return _without_mark(_until(span.last, offset, chunk, pieces))
            if inside and (at_line or begin):
                start = Start(line + (begin > 0), position + begin)
                if plain:
                    start = Start(0, start.position, start.position)
                return start, _until(span.last, offset, chunk[begin:], pieces)
            line += chunk.count(b"\n")
            position += len(chunk)
            at_line = chunk.endswith(b"\n") if chunk else at_line
    except BrokenStreamError as error:
        if at_line and error.position >= span.first and (span.last is None or error.position < span.last):
            return Start(line, position), _without_mark(iter(()), error)[1]
    return Start(line, position), iter(())


def _without_mark(chunks: Iterator[bytes], broken: BrokenStreamError | None = None) -> tuple[Start, Iterator[bytes]]:
    """The beginning of a file and its chunks, without a byte order mark."""
    head = b""
    try:
        while len(head) < len(_MARK) and (chunk := next(chunks, b"")):
            head += chunk
    except BrokenStreamError as error:
        broken = error
    start = Start(position=len(_MARK) if head.startswith(_MARK) else 0)
    return start, rejoined(head[start.position :], broken, chunks)


def rejoined(head: bytes, broken: BrokenStreamError | None, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """A stream of which the head was read already, perhaps up to a fault."""
    if head:
        yield head
    if broken:
        raise broken
    yield from chunks


def _until(last: int | None, offset: int, chunk: bytes, pieces: Iterator[tuple[int, bytes]]) -> Iterator[bytes]:
    """The chunk and what follows it, up to the end of the last line that begins before `last`."""
    at_line = True
    while last is None or offset < last:
        if chunk:
            yield chunk
            at_line = chunk.endswith(b"\n")
        try:
            offset, chunk = next(pieces)
        except StopIteration:
            return
        except BrokenStreamError as error:
            if at_line and last is not None and error.position >= last:
                return  # it is told by the span in which it shows
            raise
    while not at_line:
        end = chunk.find(b"\n") + 1
        if piece := chunk[: end or None]:
            yield piece
        if end or (following := next(pieces, None)) is None:
            return
        chunk = following[1]
