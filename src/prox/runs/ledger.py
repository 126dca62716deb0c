"""What is done: one small file for each work unit, written when all the unit's parts are in place.

A unit is done if its entry is there, and not if it is not. Entries and parts are plain files that appear whole: on a
file system by a rename, on an object store by a put. Nothing else is needed to continue a run, on any storage.
"""

import contextlib
import errno
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import orjson

from prox.corpora import is_local, open_file_system, sync_folder, write_atomically
from prox.errors import RunError
from prox.runs.plan import Unit, unit_name
from prox.runs.unit_report import UnitReport

FOLDERS = ("text", "programs", "quarantine")
LEDGER = "ledger"
ASIDE = ".aside"

_FILES_A_FOLDER = 1000
_READ_AT_ONCE = 500


class OutputError(RunError):
    """The output folder cannot be written: the disk is full, or permission is missing, or its storage is gone.

    Attributes:
        errno: Of the operating system; None where another storage refused.
    """

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.errno = code

    @property
    def may_pass(self) -> bool:
        """Whether trying again within seconds may help: not where a disk is full, or a permission missing."""
        return self.errno not in _STAYS


_STAYS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS, errno.EFBIG, errno.ENOTDIR})


@dataclass(frozen=True, slots=True)
class Entry:
    """A unit that is done.

    Attributes:
        parts: Paths in the output folder, with their sizes.
    """

    file_number: int
    number: int
    report: UnitReport
    parts: dict[str, int]


def entry_path(file_number: int, number: int) -> str:
    """Of a unit's entry, in the output folder."""
    return f"{LEDGER}/{file_number // _FILES_A_FOLDER:04d}/{unit_name(file_number, number)}.json"


def make_aside(output: str) -> str:
    """A folder on this machine for parts that are not whole yet: beside the parts, so that a rename brings them there.

    What an earlier run left in it is removed.

    Raises:
        OSError: It cannot be made.
    """
    fs, path = open_file_system(output)
    if not is_local(fs):
        return tempfile.mkdtemp(prefix="prox-")
    aside = Path(path) / ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    for folder in FOLDERS:
        (Path(path) / folder).mkdir(exist_ok=True)
    return str(aside)


@contextlib.contextmanager
def unit_folder(aside: str, unit: Unit) -> Iterator[str]:
    """A folder of its own for one attempt at a unit, with a folder for each kind of part."""
    own = Path(aside) / f"{unit.name}-{uuid.uuid4().hex[:8]}"
    for folder in FOLDERS:
        (own / folder).mkdir(parents=True)
    try:
        yield str(own)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def commit(output: str, folder: str, unit: Unit, report: UnitReport, again: bool = True) -> None:
    """Bring the parts of a unit from its own folder to their places, and then enter it: it is done.

    The parts are whole and on disk already. If anything stops this midway, the unit is not done, and doing it again
    puts the same names in place.

    Args:
        again: An earlier attempt of this session may have left parts; those of earlier sessions are gone.

    Raises:
        OSError: The storage refuses.
    """
    fs, path = open_file_system(output)
    own = Path(folder)
    parts = {f"{kind}/{part.name}": part.stat().st_size for kind in FOLDERS for part in sorted((own / kind).iterdir())}
    for name in _stale(fs, path, unit, parts) if again else ():
        fs.rm_file(name)
    if is_local(fs):
        for name in parts:
            os.replace(own / name, f"{path}/{name}")  # noqa: PTH105 - fsspec paths are strings
        for kind in {name.partition("/")[0] for name in parts}:
            sync_folder(f"{path}/{kind}")
    else:
        for name in parts:
            fs.put_file(str(own / name), f"{path}/{name}")
    fields = {"report": report.as_fields(), "parts": parts}
    write_atomically(f"{output}/{entry_path(unit.file_number, unit.number)}", orjson.dumps(fields) + b"\n")


def _stale(fs: Any, path: str, unit: Unit, parts: dict[str, int]) -> Iterator[str]:
    """Parts of an earlier attempt that was stopped before its entry, and that this attempt does not replace."""
    first = [f"quarantine/part-{unit.name}.jsonl.zst"]
    first += [f"text/part-{unit.name}.{ending}" for ending in ("parquet", "jsonl.zst")]
    further = (f"text/part-{unit.name}_{number:03d}.parquet" for number in count(2))
    for name in first:
        if name not in parts and fs.exists(f"{path}/{name}"):
            yield f"{path}/{name}"
    for name in further:
        if name not in parts:
            if not fs.exists(f"{path}/{name}"):
                return
            yield f"{path}/{name}"


def read_ledger(output: str) -> Iterator[Entry]:
    """All units that are done, in no particular order. An entry that cannot be read counts as not there.

    Raises:
        OSError: The storage does not answer.
    """
    for name, data in _entries(output):
        with contextlib.suppress(orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            file_number, number = map(int, name.removesuffix(".json").split("-"))
            fields = orjson.loads(data)
            report = UnitReport.from_fields(fields["report"])
            yield Entry(file_number, number, report, fields["parts"])


def _entries(output: str) -> Iterator[tuple[str, bytes]]:
    fs, path = open_file_system(f"{output}/{LEDGER}")
    if is_local(fs):
        for folder in sorted(Path(path).glob("[0-9]*")):
            for entry in os.scandir(folder):
                if not entry.name.startswith("."):
                    with contextlib.suppress(FileNotFoundError):
                        yield entry.name, Path(entry.path).read_bytes()
        return
    fs.invalidate_cache()
    paths = sorted(fs.find(path)) if fs.exists(path) else []
    for start in range(0, len(paths), _READ_AT_ONCE):
        batch = paths[start : start + _READ_AT_ONCE]
        for name, data in fs.cat(batch).items():
            yield name.rpartition("/")[2], data


def part_sizes(output: str) -> dict[str, int]:
    """The parts that are there: paths in the output folder, with their sizes.

    Raises:
        OSError: The storage does not answer.
    """
    fs, path = open_file_system(output)
    sizes: dict[str, int] = {}
    for kind in FOLDERS:
        folder = f"{path}/{kind}"
        if is_local(fs):
            if Path(folder).is_dir():
                sizes |= {f"{kind}/{entry.name}": entry.stat().st_size for entry in os.scandir(folder)}
        elif fs.exists(folder):
            found = fs.find(folder, detail=True)
            sizes |= {f"{kind}/{name.rpartition('/')[2]}": info["size"] for name, info in found.items()}
    return sizes


def remove_unentered(output: str, names: Iterable[str]) -> None:
    """Remove parts that no entry names, as a run leaves them that is killed between them and the entry.

    Their unit is done again, but perhaps not with the same parts: the input may have changed since.

    Raises:
        OSError: The storage refuses.
    """
    fs, path = open_file_system(output)
    for name in names:
        if name.partition("/")[2].startswith("part-"):
            with contextlib.suppress(FileNotFoundError):
                fs.rm_file(f"{path}/{name}")


def sweep(output: str) -> None:
    """Remove what runs that were killed left half written. Only who holds the lock may do that."""
    fs, path = open_file_system(output)
    if is_local(fs):
        shutil.rmtree(Path(path) / ASIDE, ignore_errors=True)
        for pattern in (f"{LEDGER}/*/.*.tmp", ".*.tmp"):
            for left in Path(path).glob(pattern):
                left.unlink(missing_ok=True)


def forget(output: str, entries: Sequence[Entry]) -> None:
    """Take units back: their entries first, then their parts.

    Raises:
        OSError: The storage refuses.
    """
    fs, path = open_file_system(output)
    for entry in entries:
        for name in (entry_path(entry.file_number, entry.number), *entry.parts):
            with contextlib.suppress(FileNotFoundError):
                fs.rm_file(f"{path}/{name}")
