"""One run at a time in an output folder."""

import contextlib
import fcntl
import os
import platform
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import orjson

from prox.corpora import is_in_memory, is_local, open_file_system
from prox.errors import RunError, UsageError

LOCK_FILE = ".lock"

BEAT_SECONDS = 10.0
"""How often a run on an object store shows that it is alive."""

SILENCE_SECONDS = 35.0
"""How long a second run watches for such a sign before it takes over. Only differences count: clocks may be wrong."""


@contextlib.contextmanager
def locked(output: str) -> Iterator["Lock"]:
    """Hold the lock of an output folder, which exists.

    On file systems it is an advisory lock of the operating system, which ends with the process that holds it, however
    it ends. On object stores, which have none, it is a file whose content changes while the run is alive.

    Raises:
        UsageError: Another run holds it, or nobody may write there.
        RunError: The storage does not answer.
    """
    fs, path = open_file_system(f"{output}/{LOCK_FILE}")
    if is_in_memory(fs):
        yield Lock()
    elif is_local(fs):
        with _file_lock(path, output) as lock:
            yield lock
    else:
        with _beating(fs, path, output) as lock:
            yield lock


def _claim(fs: Any, path: str, own: str, output: str) -> None:
    """Write the first sign of life, and look whether it stays: another run may have begun in the same moment."""
    try:
        fs.pipe_file(path, _holder(run=own, beat=0))
        time.sleep(BEAT_SECONDS / 10)
        found = _content(fs, path)
    except OSError as error:
        text = f"cannot write into {output}: {error}"
        if isinstance(error, FileNotFoundError | PermissionError):
            raise UsageError(text) from error
        raise RunError(text) from error
    if found is not None and _run_of(found) != own:
        raise _refusal(output, found)


def _run_of(content: bytes) -> str | None:
    """Which run wrote a sign of life."""
    with contextlib.suppress(orjson.JSONDecodeError, AttributeError):
        run: str | None = orjson.loads(content).get("run")
        return run
    return None


class Lock:
    """A lock that is held, unless somebody has taken it away."""

    def __init__(self) -> None:
        self.lost = threading.Event()


@contextlib.contextmanager
def _file_lock(path: str, output: str) -> Iterator[Lock]:
    with _taken(path, output) as file:
        file.truncate(0)
        file.write(_holder())
        file.flush()
        try:
            yield Lock()
        finally:
            Path(path).unlink(missing_ok=True)  # before it is let go


def _taken(path: str, output: str) -> IO[bytes]:
    """The lock file, locked, and still the one of that name: who had it before may have removed it meanwhile."""
    while True:
        try:
            file = Path(path).open("a+b")  # noqa: SIM115 - it is the caller's
        except OSError as error:
            raise UsageError(f"cannot write into the folder {output}: {error}") from error
        if not (_take(file) or any(_take_later(file) for _ in range(_TRIES))):
            with file:
                file.seek(0)
                raise _refusal(output, file.read())
        with contextlib.suppress(FileNotFoundError):
            if os.path.sameopenfile(file.fileno(), descriptor := os.open(path, os.O_RDONLY)):
                os.close(descriptor)
                return file
            os.close(descriptor)
        file.close()


_TRIES = 5
"""Who looks whether the lock is held, holds it for an instant."""


def _take_later(file: IO[bytes]) -> bool:
    time.sleep(0.05)
    return _take(file)


def _take(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: the ledger keeps even two runs from doing harm
        return True
    return True


@contextlib.contextmanager
def _beating(fs: Any, path: str, output: str) -> Iterator[Lock]:
    if (before := _content(fs, path)) is not None:
        until = time.monotonic() + SILENCE_SECONDS
        while time.monotonic() < until and (now := _content(fs, path)) is not None:
            if now != before:
                raise _refusal(output, now)
            time.sleep(BEAT_SECONDS / 10)
    own = uuid.uuid4().hex
    lock, ended = Lock(), threading.Event()

    def beat() -> None:
        number = 0
        while not ended.wait(BEAT_SECONDS):
            number += 1
            with contextlib.suppress(Exception):  # storage that does not answer now may do so at the next beat
                if (found := _content(fs, path)) is not None and _run_of(found) != own:
                    lock.lost.set()
                    return
                fs.pipe_file(path, _holder(run=own, beat=number))
                if ended.is_set():  # nobody waited for this beat: the lock was released meanwhile
                    fs.rm_file(path)

    _claim(fs, path, own, output)
    thread = threading.Thread(target=beat, name="prox-lock", daemon=True)
    thread.start()
    try:
        yield lock
    finally:
        ended.set()
        thread.join(BEAT_SECONDS)  # it may wait for storage that does not answer
        if not lock.lost.is_set():
            with contextlib.suppress(Exception):
                fs.rm_file(path)


def _content(fs: Any, path: str) -> bytes | None:
    fs.invalidate_cache()
    try:
        content: bytes = fs.cat_file(path)
    except FileNotFoundError:
        return None
    return content


def _holder(**more: Any) -> bytes:
    return orjson.dumps({"host": platform.node(), "pid": os.getpid()} | more)


def _refusal(output: str, holder: bytes) -> UsageError:
    try:
        fields = orjson.loads(holder)
        who = f"process {fields['pid']} on {fields['host']}"
    except (orjson.JSONDecodeError, KeyError, TypeError):
        who = "another process"
    return UsageError(
        f"a run is at work in {output} ({who}). Look at it with prox status {output}, or name another folder"
    )


def is_held(output: str) -> bool | None:
    """Whether a run is at work in an output folder; None where only watching would tell."""
    fs, path = open_file_system(f"{output}/{LOCK_FILE}")
    if not is_local(fs):
        return None
    try:
        with Path(path).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
