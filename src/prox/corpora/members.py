"""Unpacked pieces of a plain, gzip or zstd file, each with the stored byte it comes from, also behind faults.

`streams` reads for formats in which nothing behind a fault can be read. Archives of web pages pack every record alone,
so that the next one can be found again.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

import zstandard

from prox.corpora.streams import StorageError, describe, read_exactly, storage_error

PIECE = 1 << 14  # stored bytes that are unpacked at once
_PLAIN_PIECE = 1 << 18
_PROBE = 1 << 12
_KEPT = 1 << 16  # of bytes that are passed over
_DICTIONARY = b"\x5d\x2a\x4d\x18"  # magic of the skippable frame that holds one (IIPC, WARC and Zstandard, section 3)
_MAX_DICTIONARY = 16 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """Unpacked bytes.

    Attributes:
        position: The stored byte at which the input that gave this piece begins.
        plain: Stored as it is: every byte has a position of its own.
        fresh: A gzip member or a zstd frame begins with it.
    """

    position: int
    data: bytes
    plain: bool = False
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """A place where the stored bytes cannot be unpacked; what follows it is not connected with what stands before.

    Attributes:
        raw: The stored bytes that are passed over, or their first ones.
        corrupt_from: What was unpacked from this stored byte on may be wrong, too.
    """

    position: int
    reason: str
    raw: bytes = b""
    corrupt_from: int | None = None


@dataclass(frozen=True, slots=True)
class _Codec:
    name: str
    magics: tuple[bytes, ...]
    start: Callable[[], Any]
    error: type[Exception]

    def begins(self, data: bytes | bytearray) -> bool:
        return data.startswith(self.magics)


_GZIP = _Codec("gzip", (b"\x1f\x8b\x08",), lambda: zlib.decompressobj(wbits=31), zlib.error)
_ZSTD_MAGICS = (b"\x28\xb5\x2f\xfd", *(bytes((0x50 + n,)) + b"\x2a\x4d\x18" for n in range(16)))


def unpacked(raw: IO[bytes], name: str) -> Iterator[Piece | Gap]:
    """The content of a file from its first byte to its last. Its first bytes say how it is packed, not its name.

    Raises:
        StorageError: The storage does not answer.
    """
    head = read_exactly(raw, PIECE, name)
    if _GZIP.begins(head):
        return _Members(raw, _GZIP, head, name).read()
    if head.startswith(_ZSTD_MAGICS):
        return _zstd(raw, head, name)
    return _plain(raw, head, name)


def _seek(raw: IO[bytes], position: int, name: str) -> None:
    try:
        raw.seek(position)
    except Exception as error:  # as above
        raise storage_error(name, "cannot be read on", error) from error


def _plain(raw: IO[bytes], data: bytes, name: str) -> Iterator[Piece]:
    position = 0
    while data:
        yield Piece(position, data, plain=True, fresh=position == 0)
        position += len(data)
        data = read_exactly(raw, _PLAIN_PIECE, name)


def _zstd(raw: IO[bytes], head: bytes, name: str) -> Iterator[Piece | Gap]:
    dictionary, fault = None, ""
    if head.startswith(_DICTIONARY):
        size = int.from_bytes(head[4:8], "little")
        if size <= _MAX_DICTIONARY:
            head += read_exactly(raw, max(0, 8 + size - len(head)), name)
            try:
                dictionary = _dictionary(head[8 : 8 + size])
            except (zstandard.ZstdError, MemoryError, ValueError) as error:
                fault = f"its zstd dictionary cannot be used: {describe(error)}"
    if fault:
        yield Gap(0, fault)

    def start() -> Any:
        return zstandard.ZstdDecompressor(dict_data=dictionary, max_window_size=1 << 31).decompressobj()

    yield from _Members(raw, _Codec("zstd", _ZSTD_MAGICS, start, zstandard.ZstdError), head, name).read()


def _dictionary(data: bytes) -> zstandard.ZstdCompressionDict:
    if data.startswith(_ZSTD_MAGICS[0]):  # packed itself
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    return zstandard.ZstdCompressionDict(data)


class _Members:
    """The members of a gzip file or the frames of a zstd file."""

    def __init__(self, raw: IO[bytes], codec: _Codec, head: bytes, name: str) -> None:
        self.raw = raw
        self.name = name  # of the file, for errors
        self.codec = codec
        self.data = head  # read but not yet unpacked
        self.position = 0  # of `data` in the file

    def read(self) -> Iterator[Piece | Gap]:
        while self._more():
            while len(self.data) < 4 and (more := read_exactly(self.raw, PIECE, self.name)):
                self.data += more
            if self.codec.begins(self.data):
                yield from self._member()
            elif padding := len(self.data) - len(self.data.lstrip(b"\0")):
                self.position, self.data = self.position + padding, self.data[padding:]
            else:
                here = self.position
                raw, length = self._pass_over(here)
                reason = f"{length:,} bytes at byte {here:,} are not {self.codec.name} data"
                yield Gap(here, reason, raw)

    def _more(self) -> bool:
        if not self.data:
            self.data = read_exactly(self.raw, PIECE, self.name)
        return bool(self.data)

    def _member(self) -> Iterator[Piece | Gap]:
        member, decompressor, fresh = self.position, self.codec.start(), True
        while not decompressor.eof:
            if not self._more():
                reason = f"the {self.codec.name} data that begins at byte {member:,} ends too early"
                # What follows may be hidden in it: bytes that are missing make the next member look like its own.
                raw, _ = self._pass_over(member)
                follows = self._more()
                yield Gap(member, reason, raw, member if follows else None)
                return
            piece = self.data[:PIECE]
            try:
                unpacked = decompressor.decompress(piece)
            except (self.codec.error, MemoryError) as error:
                here = self.position
                if unpacked := self._salvage(member, here, piece):
                    yield Piece(here, unpacked, fresh=fresh)
                raw, _ = self._pass_over(member)
                reason = f"corrupt {self.codec.name} data at byte {here:,}: {describe(error)}"
                yield Gap(here, reason, raw, member)
                return
            unused = decompressor.unused_data if decompressor.eof else b""
            used = len(piece) - len(unused)
            if unpacked:
                yield Piece(self.position, unpacked, fresh=fresh)
                fresh = False
            self.position, self.data = self.position + used, self.data[used:]

    def _pass_over(self, fault: int) -> tuple[bytes, int]:
        """Go to the next member that begins behind a faulty place; the bytes up to there and how many they are."""
        _seek(self.raw, fault, self.name)
        kept = read_exactly(self.raw, _KEPT, self.name)
        window, at = kept, fault
        first = 1
        while window:
            candidates = [place for magic in self.codec.magics if (place := window.find(magic, first)) >= 0]
            if candidates:
                place = min(candidates)
                if self._can_begin(at + place):
                    self.position = at + place
                    _seek(self.raw, self.position, self.name)
                    self.data = b""
                    return kept[: self.position - fault], self.position - fault
                first = place + 1
                continue
            at, first = at + max(len(window) - 3, 1), 0
            _seek(self.raw, at, self.name)
            window = read_exactly(self.raw, _PLAIN_PIECE, self.name)
            if len(window) <= 3:
                break
        length = at + len(window) - fault
        _seek(self.raw, fault + length, self.name)
        self.position, self.data = fault + length, b""
        return kept, length

    def _can_begin(self, position: int) -> bool:
        """Whether a member begins there: the four bytes of its mark occur by chance in packed data."""
        _seek(self.raw, position, self.name)
        data = read_exactly(self.raw, _PROBE, self.name)
        try:
            return bool(self.codec.start().decompress(data))
        except (self.codec.error, MemoryError):
            return False

    def _salvage(self, member: int, position: int, piece: bytes) -> bytes:
        """What a piece unpacks to before its fault: a decompressor that fails keeps that to itself."""
        decompressor, salvaged = self.codec.start(), bytearray()
        try:
            _seek(self.raw, member, self.name)
            while member < position:
                before = read_exactly(self.raw, min(position - member, PIECE), self.name)
                decompressor.decompress(before)
                member += len(before)
            for byte in piece:
                salvaged += decompressor.decompress(bytes((byte,)))
        except (self.codec.error, MemoryError, StorageError):
            pass
        return bytes(salvaged)
