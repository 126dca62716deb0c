"""JSON Lines, plain or compressed, that appear when they are whole."""

import contextlib
import gzip
import os
import tempfile
import uuid
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

import zstandard

from prox.corpora import is_local, json_text, open_file_system, sync_folder
from prox.errors import UsageError

ENDINGS = ".jsonl", ".jsonl.gz", ".jsonl.zst"


def split_ending(path: str) -> tuple[str, str]:
    """A path before its ending, and the ending.

    Raises:
        UsageError: It is not one of `ENDINGS`.
    """
    for ending in ENDINGS:
        if path.endswith(ending):
            return path[: -len(ending)], ending
    raise UsageError(f"{path} is no name for JSON Lines. It has to end in {', '.join(ENDINGS)}")


class JsonLinesFile:
    """Rows go to a hidden temporary file, which `finish` gives its name; without it, leaving removes it."""

    def __init__(self, path: str) -> None:
        """Raises `UsageError` if the name has another ending than those of `ENDINGS`, or is that of a folder."""
        ending = split_ending(path)[1]
        self._fs, self.path = open_file_system(path)
        folder, _, name = self.path.rpartition("/")
        self._finished = False
        if is_local(self._fs):
            if Path(self.path).is_dir():
                raise UsageError(f"{path} is a folder. Name a file")
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._temporary = Path(folder) / f".{name}.{uuid.uuid4().hex[:8]}.tmp"
            self._file: IO[bytes] = self._temporary.open("wb")
        else:
            descriptor, temporary = tempfile.mkstemp(suffix=".tmp")
            self._temporary = Path(temporary)
            self._file = open(descriptor, "wb")  # noqa: SIM115, PTH123 - closed in __exit__
        self._stream: IO[bytes] = self._file
        if ending.endswith(".gz"):
            self._stream = cast("IO[bytes]", gzip.GzipFile("", "wb", 6, self._file, mtime=0))
        elif ending.endswith(".zst"):
            compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
            self._stream = cast("IO[bytes]", compressor.stream_writer(self._file, closefd=False))

    def write(self, row: dict[str, Any]) -> None:
        self._stream.write(json_text.dumps(row) + b"\n")

    def finish(self) -> None:
        """Let it appear.

        Raises:
            OSError: The storage refuses.
        """
        if self._stream is not self._file:
            self._stream.close()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        if is_local(self._fs):
            self._temporary.replace(self.path)
            sync_folder(str(Path(self.path).parent))
        else:
            self._fs.put_file(str(self._temporary), self.path)
            self._temporary.unlink()
        self._finished = True

    def __enter__(self) -> "JsonLinesFile":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._finished:
            with contextlib.suppress(OSError):
                self._stream.close()
            with contextlib.suppress(OSError):
                self._file.close()
            self._temporary.unlink(missing_ok=True)
