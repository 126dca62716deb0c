"""Decompressed bytes of a file, with everything that can still be read before a fault."""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, TypeAlias

import zstandard

from prox.corpora.files import CorpusFile, file_version
from prox.corpora.storage import DENIED, is_local, open_file_system
from prox.errors import RunError

_PLAIN_PIECE = 1 << 20
_REMOTE_PIECE = 4 << 20  # read ahead at most: a unit begins and ends anywhere in a file
_COMPRESSED_PIECE = 1 << 14  # bounds what one piece can unpack to, and what has to be unpacked again after a fault


OnShare: TypeAlias = Callable[[float], None]
"""Told, while a file is read, which share of its stored bytes (of Parquet: its rows) has been read."""


def ignore_share(share: float) -> None:
    """For readers whose progress nobody watches."""


class BrokenStreamError(Exception):
    """The content cannot be read on; everything readable has been given before.

    Attributes:
        position: The stored byte at which the fault showed.
    """

    def __init__(self, reason: str, position: int = 0) -> None:
        super().__init__(reason)
        self.position = position


class StorageError(RunError):
    """A file cannot be opened or read on, whatever its content: it is gone, or its storage does not answer.

    Attributes:
        may_pass: Asking again within seconds may help.
    """

    def __init__(self, text: str, may_pass: bool = True) -> None:
        super().__init__(text)
        self.may_pass = may_pass


def storage_error(file: str, what: str, error: Exception) -> StorageError:
    """Why a file cannot be opened or read; one that is missing, or that nobody may read, stays so."""
    stays = isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError)
    return StorageError(f"{file} {what}: {describe(error)}", may_pass=not stays)


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
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{text}: {DENIED}" if isinstance(error, PermissionError) and DENIED not in text else text


def open_raw(file: CorpusFile) -> IO[bytes]:
    """Open the stored bytes of a file.

    Raises:
        StorageError: It cannot be opened (missing, no permission, storage unreachable).
    """
    try:
        fs, path = open_file_system(file.path)
        options = {} if is_local(fs) else {"block_size": _REMOTE_PIECE}
        raw: IO[bytes] = fs.open(path, "rb", **options)
    except Exception as error:  # storage libraries raise errors of their own kinds
        raise storage_error(file.shown, "cannot be opened", error) from error
    return raw


def check_unchanged(file: CorpusFile) -> None:
    """Make sure that a file is still the one that was found.

    Raises:
        StorageError: It is gone, has another size or version now, or its storage does not answer.
    """
    try:
        fs, path = open_file_system(file.path)
        fs.invalidate_cache(fs._parent(path))
        info = fs.info(path)
    except Exception as error:  # storage libraries raise errors of their own kinds
        raise storage_error(file.shown, "cannot be opened", error) from error
    if info.get("size") != file.size or file_version(info) != file.version:
        raise StorageError(f"{file.shown} has changed since the run began", may_pass=False)


def read_pieces(
    file: CorpusFile, first: int = 0, cut: int | None = None, on_share: OnShare = ignore_share
) -> Iterator[tuple[int, bytes]]:
    """The content of a file, unpacked: pairs of the stored byte at which a piece of it begins, and that piece.

    All members of a gzip file and all frames of a zstd file are read; zero padding behind them is passed over.

    Args:
        first: Of a plain file: a piece begins at this byte, and the first piece is the byte before it.
        cut: Of a plain file: a piece ends at this byte.

    Raises:
        StorageError: The file cannot be opened, or not be read on.
        BrokenStreamError: After the last readable byte, if it is cut off, corrupt or followed by garbage.
    """
    with open_raw(file) as raw:
        codec = _CODECS[file.compression] if file.compression else None
        pieces = _unpack(raw, codec, file.shown) if codec else _plain(raw, file.shown, first, cut)
        for offset, piece in pieces:
            on_share(raw.tell() / file.size if file.size else 0.0)
            yield offset, piece


def read_exactly(raw: IO[bytes], size: int, name: str) -> bytes:
    """So many bytes, fewer only at the end: what a piece is may not depend on how storage delivers it.

    Args:
        name: Of the file, for the error.

    Raises:
        StorageError: The storage does not answer.
    """
    data = b""
    try:
        while len(data) < size and (more := raw.read(size - len(data))):
            data = data + more if data else more
    except Exception as error:  # storage libraries raise errors of their own kinds
        raise storage_error(name, "cannot be read on", error) from error
    return data


def _plain(raw: IO[bytes], name: str, first: int, cut: int | None) -> Iterator[tuple[int, bytes]]:
    position = max(0, first - 1)
    try:
        raw.seek(position)
    except Exception as error:  # as above
        raise storage_error(name, "cannot be read on", error) from error
    if first and (byte := read_exactly(raw, 1, name)):
        yield position, byte
        position += 1
    while data := read_exactly(
        raw, _PLAIN_PIECE if cut is None or cut <= position else min(_PLAIN_PIECE, cut - position), name
    ):
        yield position, data
        position += len(data)


def _unpack(raw: IO[bytes], codec: _Codec, name: str) -> Iterator[tuple[int, bytes]]:
    position = 0  # of `data` in the raw file
    data = read_exactly(raw, _COMPRESSED_PIECE, name)
    if not data:
        raise BrokenStreamError(f"not {codec.name} data: the file is empty", 0)
    while data:
        while len(data) < 4 and (more := read_exactly(raw, _COMPRESSED_PIECE, name)):
            data += more
        if not codec.begins(data):
            padding = len(data) - len(data.lstrip(b"\0"))
            if position == 0:
                raise BrokenStreamError(f"not {codec.name} data", 0)
            if not padding:
                raise BrokenStreamError(f"something follows the {codec.name} data at byte {position:,}", position)
            position, data = position + padding, data[padding:] or read_exactly(raw, _COMPRESSED_PIECE, name)
            continue
        member, decompressor = position, codec.start()
        while not decompressor.eof:
            if not data:
                raise BrokenStreamError(f"the {codec.name} data ends too early", position)
            try:
                chunk = decompressor.decompress(data)
            except codec.error as error:
                if chunk := _salvage(raw, codec, member, position, data):
                    yield position, chunk
                reason = f"corrupt {codec.name} data: {describe(error)}. Records before it may have changed, too"
                raise BrokenStreamError(reason, position) from error
            if chunk:
                yield position, chunk
            position += len(data)
            data = decompressor.unused_data if decompressor.eof else read_exactly(raw, _COMPRESSED_PIECE, name)
        position -= len(data)
        data = data or read_exactly(raw, _COMPRESSED_PIECE, name)


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
