"""Cutting a file that is one JSON array, one object, or objects spread over several lines."""

import re
from collections.abc import Iterator
from typing import Literal

from prox.corpora import json_text
from prox.corpora.jsonl import HEAD_BYTES, too_long
from prox.corpora.records import Block, Quarantined
from prox.corpora.streams import BrokenStreamError

LAYOUT_LINES = 4
"""Lines at the start of a file that show how its values lie in it."""

_OUTSIDE = re.compile(rb'["\[\]{},]')
_INSIDE = re.compile(rb'["\\]')


def value_layout(head: bytes) -> Literal["lines", "array", "objects"]:
    """How the values of a JSON file lie in it, from its start: an array, objects over several lines, or JSON Lines."""
    head = head.lstrip()
    if head.startswith(b"["):
        return "array"
    first, *others = head.split(b"\n")[: LAYOUT_LINES + 1]
    if not others or not _is_open(first):
        return "lines"
    # The first line may be cut off: are the next ones whole objects?
    whole = [_is_object(line) for line in others[:-1] if line.strip()]
    return "lines" if len(whole) >= 2 and all(whole) else "objects"


def _is_object(line: bytes) -> bool:
    try:
        return isinstance(json_text.loads(line), dict)
    except json_text.InvalidJsonError:
        return False


def _is_open(line: bytes) -> bool:
    """Whether a bracket, but no string, stays open at the end of the line."""
    depth, position, in_string = 0, 0, False
    while found := (_INSIDE if in_string else _OUTSIDE).search(line, position):
        token = found.group()
        position = found.end() + (token == b"\\")
        in_string ^= token == b'"'
        depth += (token in b"[{") - (token in b"]}")
    return depth > 0 and not in_string


def slice_values(
    chunks: Iterator[bytes], file: str, block_bytes: int, max_record_bytes: int, array: bool
) -> Iterator[Block | Quarantined]:
    """Cut the elements of one array, or a sequence of objects, into blocks; they are not parsed here."""
    cutter = _Cutter(file, block_bytes, max_record_bytes, array)
    try:
        for chunk in chunks:
            yield from cutter.add(chunk)
    except BrokenStreamError as error:
        yield from cutter.end(str(error))
    else:
        yield from cutter.end(None)


class _Cutter:
    """Follows brackets and strings; a value ends where both are closed."""

    def __init__(self, file: str, block_bytes: int, max_record_bytes: int, array: bool) -> None:
        self.file = file
        self.block_bytes = block_bytes
        self.max_record_bytes = max_record_bytes
        self.array = array
        self.base = 1 if array else 0  # bracket depth between values
        self.depth = 0
        self.in_string = False
        self.closed = False  # behind the end of the array
        self.buffer = bytearray()  # from the start of the current value
        self.position = 0  # scanned so far
        self.dropped = 0  # bytes of a too long value that are gone from the buffer
        self.head = b""
        self.record = 0  # number of the current value
        self.values: list[bytes] = []
        self.bytes = 0

    def add(self, chunk: bytes) -> Iterator[Block | Quarantined]:
        self.buffer += chunk
        while (token := self._next_token()) is not None:
            if self.in_string:
                self.position += token == 0x5C  # a backslash takes the next byte with it
                self.in_string = token != 0x22
            elif token == 0x22:
                self.in_string = True
            elif token in b"[{":
                self.depth += 1
                if self.array and self.depth == 1:
                    del self.buffer[: self.position]
                    self.position = 0
            elif token in b"]}":
                yield from self._close(token)
            elif self.array and self.depth == self.base:
                yield from self._value(self.position - 1)
        self._drop_too_long()

    def end(self, broken: str | None) -> Iterator[Block | Quarantined]:
        if self.dropped or (not self.closed and self.depth == self.base and not self.in_string):
            yield from self._value(len(self.buffer))
        yield from self._flush()
        rest = bytes(self.buffer).strip()
        if broken:
            yield Quarantined(self.file, self.record, f"broken file: {broken}", rest)
        elif self.closed and rest:
            yield Quarantined(self.file, self.record, "invalid JSON: something follows the end of the array", rest)
        elif self.depth or self.in_string:
            yield Quarantined(self.file, self.record, "broken file: it ends before its brackets are closed", rest)

    def _next_token(self) -> int | None:
        if self.closed:
            return None
        found = (_INSIDE if self.in_string else _OUTSIDE).search(self.buffer, self.position)
        if found is None:
            self.position = max(self.position, len(self.buffer))
            return None
        self.position = found.end()
        return found.group()[0]

    def _close(self, token: int) -> Iterator[Block | Quarantined]:
        if self.depth == self.base:  # nothing is open that this could close
            if not self.array or token != 0x5D:
                return
            yield from self._value(self.position - 1)
            self.closed, self.depth = True, 0
            return
        self.depth -= 1
        if not self.array and self.depth == 0:
            yield from self._value(self.position)

    def _value(self, end: int) -> Iterator[Block | Quarantined]:
        """The buffer up to `end` is a value."""
        value = bytes(memoryview(self.buffer)[:end]).strip()
        del self.buffer[: max(end, self.position)]
        self.position = 0
        length = self.dropped + len(value)
        if self.dropped or length > self.max_record_bytes:
            yield from self._flush()
            head = self.head or value[:HEAD_BYTES]
            yield too_long(self.file, self.record, length, self.max_record_bytes, head)
            self.dropped, self.head = 0, b""
            self.record += 1
        elif value:
            self.values.append(value)
            self.bytes += length
            self.record += 1
            if self.bytes >= self.block_bytes:
                yield from self._flush()

    def _flush(self) -> Iterator[Block]:
        if self.values:
            first = self.record - len(self.values)
            yield Block(self.file, first, len(self.values), "values", tuple(self.values))
            self.values, self.bytes = [], 0

    def _drop_too_long(self) -> None:
        """Forget what is scanned of a value that is too long, or of what follows the array."""
        if len(self.buffer) <= self.max_record_bytes and not self.dropped:
            return
        if self.closed:
            del self.buffer[HEAD_BYTES:]
            return
        if not self.dropped:
            blank = len(self.buffer) - len(self.buffer.lstrip())
            del self.buffer[:blank]
            self.position = max(0, self.position - blank)
            if len(self.buffer) <= self.max_record_bytes:
                return
            self.head = bytes(self.buffer[:HEAD_BYTES])
        scanned = min(self.position, len(self.buffer))
        self.dropped += scanned
        del self.buffer[:scanned]
        self.position -= scanned
