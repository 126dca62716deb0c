"""Decompressed bytes of a file, with everything that can still be read before a fault."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, TypeAlias

import fsspec
import zstandard

from prox.corpora.files import CorpusFile

_PLAIN_PIECE = 1 << 20
_COMPRESSED_PIECE = 1 << 14  # bounds what one piece can unpack to, and what has to be unpacked again after a fault
_BOM = b"\xef\xbb\xbf"


OnShare: TypeAlias = Callable[[float], None]
"""Told, while a file is read, which share of its stored bytes (of Parquet: its rows) has been read."""


def ignore_share(share: float) -> None:
    """For readers whose progress nobody watches."""


class BrokenStreamError(Exception):
    """The stream cannot be read on; everything readable has been given before."""


@dataclass(frozen=True, slots=True)
class _Codec:
    name: str
    start: Callable[[], Any]
    begins: Callable[[bytes], bool]
    error: type[Exception]


def _begins_zstd_frame(data: bytes) -> bool:
    skippable = data[1:4] == b"\x2a\x4d\x18" and data[0] >> 4 == 5
    return skippable or data.startswith(b"\x28\xb5\x2f\xfd")


_CODECS = {
    "gzip": _Codec(
        name="gzip",
        start=lambda: zlib.decompressobj(wbits=31),
        begins=lambda data: data.startswith(b"\x1f\x8b"),
        error=zlib.error,
    ),
    "zstd": _Codec(
        name="zstd",
        start=lambda: zstandard.ZstdDecompressor(max_window_size=1 << 31).decompressobj(),
        begins=_begins_zstd_frame,
        error=zstandard.ZstdError,
    ),
}


def describe(error: Exception) -> str:
    """The text of an exception without machine details: the reason alone for errors of the operating system."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return " ".join(str(error).split()) or type(error).__name__


def open_raw(file: CorpusFile) -> IO[bytes]:
    """Open the stored bytes of a file.

    Raises:
        BrokenStreamError: It cannot be opened (missing, no permission, storage unreachable).
    """
    try:
        fs, path = fsspec.core.url_to_fs(file.path)
        raw: IO[bytes] = fs.open(path, "rb")
    except Exception as error:  # storage libraries raise errors of their own kinds
        raise BrokenStreamError(f"cannot be opened: {describe(error)}") from error
    return raw


def read_chunks(file: CorpusFile, on_share: OnShare = ignore_share) -> Iterator[bytes]:
    """The decompressed content in chunks of any size, without a byte order mark.

    All members of a gzip file and all frames of a zstd file are read; zero padding behind them is passed over.

    Raises:
        BrokenStreamError: After the last readable byte, if the file is cut off, corrupt or followed by garbage.
    """
    with open_raw(file) as raw:
        chunks = _unpack(raw, _CODECS[file.compression]) if file.compression else _pieces(raw, _PLAIN_PIECE)
        for chunk in _without_bom(chunks):
            if file.size:
                on_share(raw.tell() / file.size)
            yield chunk


def _without_bom(chunks: Iterator[bytes]) -> Iterator[bytes]:
    head, broken = b"", None
    try:
        while len(head) < len(_BOM) and (chunk := next(chunks, b"")):
            head += chunk
    except BrokenStreamError as error:
        broken = error
    if head := head.removeprefix(_BOM):
        yield head
    if broken:
        raise broken
    yield from chunks


def _read(raw: IO[bytes], size: int) -> bytes:
    try:
        return raw.read(size)
    except Exception as error:  # storage libraries raise errors of their own kinds
        raise BrokenStreamError(f"cannot be read on: {describe(error)}") from error


def _pieces(raw: IO[bytes], size: int) -> Iterator[bytes]:
    while piece := _read(raw, size):
        yield piece


def _unpack(raw: IO[bytes], codec: _Codec) -> Iterator[bytes]:
    position = 0  # of `data` in the raw file
    data = _read(raw, _COMPRESSED_PIECE)
    if not data:
        raise BrokenStreamError(f"not {codec.name} data: the file is empty")
    while data:
        while len(data) < 4 and (more := _read(raw, _COMPRESSED_PIECE)):
            data += more
        if not codec.begins(data):
            padding = len(data) - len(data.lstrip(b"\0"))
            if position == 0:
                raise BrokenStreamError(f"not {codec.name} data")
            if not padding:
                raise BrokenStreamError(f"something follows the {codec.name} data at byte {position:,}")
            position, data = position + padding, data[padding:] or _read(raw, _COMPRESSED_PIECE)
            continue
        member, decompressor = position, codec.start()
        while not decompressor.eof:
            if not data:
                raise BrokenStreamError(f"the {codec.name} data ends too early")
            try:
                chunk = decompressor.decompress(data)
            except codec.error as error:
                if chunk := _salvage(raw, codec, member, position, data):
                    yield chunk
                raise BrokenStreamError(
                    f"corrupt {codec.name} data: {describe(error)}. Records before it may have changed, too"
                ) from error
            if chunk:
                yield chunk
            position += len(data)
            data = decompressor.unused_data if decompressor.eof else _read(raw, _COMPRESSED_PIECE)
        position -= len(data)
        data = data or _read(raw, _COMPRESSED_PIECE)


def _salvage(raw: IO[bytes], codec: _Codec, member: int, position: int, data: bytes) -> bytes:
    """What `data` unpacks to before its fault.

    A decompressor that fails keeps what it had already unpacked of that piece. So the member is unpacked once more up
    to the piece, and then byte by byte.
    """
    decompressor = codec.start()
    unpacked = bytearray()
    try:
        raw.seek(member)
        while member < position:
            piece = raw.read(min(position - member, _COMPRESSED_PIECE))
            decompressor.decompress(piece)
            member += len(piece)
        for byte in data:
            unpacked += decompressor.decompress(bytes((byte,)))
    except Exception:  # the fault itself, or storage that cannot seek
        pass
    return bytes(unpacked)
