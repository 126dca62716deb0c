"""Finding the files of a corpus on any fsspec path."""

import difflib
import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, overload

from prox.corpora.storage import is_local, open_file_system
from prox.errors import RunError, UsageError

Format = Literal["jsonl", "json", "parquet", "warc"]
Compression = Literal["gzip", "zstd"]

_FORMATS: dict[str, Format] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".warc": "warc",
    ".wet": "warc",
}
_COMPRESSIONS: dict[str, Compression] = {".gz": "gzip", ".zst": "zstd", ".zstd": "zstd"}
ENDINGS = ".jsonl, .ndjson, .json, .warc, .wet (each also with .gz or .zst) and .parquet"
_AS_TEXT = (".warc.txt", ".wet.txt")  # web archives that somebody looked at or cut with a text tool
_WAT = (".wat", ".wat.gz", ".wat.zst", ".wat.zstd")


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """One file of a corpus.

    Attributes:
        path: Absolute path or URL, as fsspec opens it.
        size: Stored bytes, None where the storage does not say.
        version: Changes whenever the storage says that the content may have: time of change, ETag, generation.
    """

    path: str
    format: Format
    compression: Compression | None
    size: int | None
    version: str = ""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.shown.rstrip("/").rpartition("/")[2]

    @property
    def shown(self) -> str:
        """The path for people and files: bytes of a name that are no UTF-8 are escaped."""
        return shown_path(self.path)


def shown_path(path: str) -> str:
    """A path that can be written as UTF-8, whatever the file system calls its files."""
    return path.encode(errors="backslashreplace").decode()


@dataclass(frozen=True, slots=True)
class FoundFiles(Sequence[CorpusFile]):
    """The files that `find_files` found, sorted by path, and the paths it passed over."""

    files: tuple[CorpusFile, ...]
    passed_over: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[CorpusFile]:
        return iter(self.files)

    @overload
    def __getitem__(self, index: int) -> CorpusFile: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[CorpusFile, ...]: ...
    def __getitem__(self, index: int | slice) -> CorpusFile | tuple[CorpusFile, ...]:
        return self.files[index]


def file_format(path: str) -> tuple[Format, Compression | None] | None:
    """Format and compression by the ending of a name, None for an ending that is not read here."""
    name = path.lower()
    for ending, compression in _COMPRESSIONS.items():
        if name.endswith(ending):
            format = _FORMATS.get(_ending(name.removesuffix(ending)))
            return (format, compression) if format and format != "parquet" else None
    format = "warc" if name.endswith(_AS_TEXT) else _FORMATS.get(_ending(name))
    return (format, None) if format else None


def corpus_file(path: str) -> CorpusFile:
    """A single named file.

    Raises:
        UsageError: It does not exist, is a folder, or has an ending that is not read here.
    """
    found = find_files(path)
    if len(found) != 1 or found[0].name != path.rstrip("/").rpartition("/")[2]:
        raise UsageError(f"{path} is not a single file. Name one file.")
    return found[0]


def find_files(inputs: Sequence[str] | str) -> FoundFiles:
    """The corpus files behind files, folders (recursive) and globs.

    In folders and globs, names with other endings, hidden names, names starting with `_` and the output folders of
    earlier runs are passed over.

    Raises:
        UsageError: An input is missing, matches nothing, may not be listed, or is a file that is not read here.
        RunError: Its storage does not answer.
    """
    files: dict[str, CorpusFile] = {}
    passed_over: set[str] = set()
    for given in [inputs] if isinstance(inputs, str) else inputs:
        found, passed = _find(str(given))
        files.update((file.path, file) for file in found)
        passed_over.update(passed)
    return FoundFiles(
        files=tuple(files[path] for path in sorted(files)), passed_over=tuple(sorted(passed_over - files.keys()))
    )


def _find(given: str) -> tuple[list[CorpusFile], list[str]]:
    fs, path = open_file_system(given)
    try:
        there = _type(fs, path)
        if there == "file":
            return [_named_file(fs, path, given)], []
        if there == "directory":
            found, passed = _in_folder(fs, path)
        elif glob.has_magic(path):
            found, passed = _in_glob(fs, path)
            if not found and not passed:
                raise UsageError(f"no file matches {given}. {_what_is_there(fs, path)}")
        else:
            _refuse_missing(fs, path, given)
    except UsageError:
        raise
    except Exception as error:  # storage libraries raise errors of their own kinds
        text = f"{given} cannot be listed: {' '.join(str(error).split())}"
        if is_local(fs) or isinstance(error, FileNotFoundError | PermissionError):
            raise UsageError(text) from error
        raise RunError(text) from error
    if not found:
        if (run := _run_among(passed)) is not None:
            folder, has_texts = run
            itself = "is" if _full_path(fs, path).rstrip("/") == folder else f"holds {folder},"
            texts = f"its texts are in {folder}/text" if has_texts else "it has no texts: nothing was kept"
            raise UsageError(f"{given} {itself} the output of a run, which is no corpus; {texts}")
        raise UsageError(f"{given} holds no file that prox reads ({ENDINGS}). {_listing(passed)}")
    return found, passed


def _type(fs: Any, path: str) -> str | None:
    """What there is, if anything; a storage that does not answer raises, which `fs.isfile` takes for no."""
    try:
        return str(fs.info(path)["type"])
    except FileNotFoundError:
        return None


def _refuse_missing(fs: Any, path: str, given: str) -> NoReturn:
    try:
        fs.info(path)
    except FileNotFoundError:
        raise UsageError(f"{given} does not exist. {_what_is_there(fs, path)}") from None
    raise UsageError(f"{given} is neither a file nor a folder.")


def _named_file(fs: Any, path: str, given: str) -> CorpusFile:
    if path.lower().endswith(_WAT):
        raise UsageError(
            f"{given} is WAT: metadata of pages without their text. Name the .warc or .wet file it was made from."
        )
    if file_format(path) is None:
        raise UsageError(f"{given} has an ending that prox does not read; it reads {ENDINGS}.")
    return _corpus_file(fs, path, fs.info(path))


def _corpus_file(fs: Any, path: str, info: dict[str, Any]) -> CorpusFile:
    known = file_format(path)
    assert known is not None
    return CorpusFile(_full_path(fs, path), *known, size=info.get("size"), version=file_version(info))


def file_version(info: dict[str, Any]) -> str:
    """What a storage tells of a file that changes with its content; empty if it tells nothing."""
    names = ("ETag", "etag", "md5", "generation", "mtime", "LastModified", "last_modified", "created")
    return next((str(info[name]) for name in names if info.get(name) is not None), "")


def _full_path(fs: Any, path: str) -> str:
    return path if is_local(fs) else fs.unstrip_protocol(path)


def _in_folder(fs: Any, folder: str) -> tuple[list[CorpusFile], list[str]]:
    found, passed = [], []
    files = _all_files(fs, folder)
    runs = _outputs_of_runs(files)
    for path, info in sorted(files.items()):
        if path.startswith(runs):
            passed.append(_full_path(fs, path))
            continue
        inner = path.removeprefix(folder.rstrip("/") + "/").split("/")
        hidden = any(part.startswith((".", "_")) for part in inner)
        if file_format(path) and not hidden and info["type"] != "other":
            found.append(_corpus_file(fs, path, info))
        else:
            passed.append(_full_path(fs, path))
    return found, passed


def _all_files(fs: Any, folder: str) -> dict[str, dict[str, Any]]:
    """All files below a folder. A folder that cannot be listed is an error: `find` would leave it out in silence."""
    if not is_local(fs):
        found: dict[str, dict[str, Any]] = fs.find(folder, detail=True)
        return found
    files: dict[str, dict[str, Any]] = {}
    folders, seen = [folder], set()
    while folders:
        current = folders.pop()
        if (real := os.path.realpath(current)) not in seen:  # links can go round in circles
            seen.add(real)
            for info in fs.ls(current, detail=True):
                if info["type"] == "directory":
                    folders.append(info["name"])
                else:
                    files[info["name"]] = info
    return files


def _outputs_of_runs(files: Iterable[str]) -> tuple[str, ...]:
    """The folders, each with a slash behind it, that a run wrote: `run.json` beside parts of programs."""
    with_programs = {path.rpartition("/programs/part-")[0] for path in files if "/programs/part-" in path}
    with_run = {path.removesuffix("/run.json") for path in files if path.endswith("/run.json")}
    return tuple(f"{folder}/" for folder in with_programs & with_run)


def _run_among(passed: Sequence[str]) -> tuple[str, bool] | None:
    """The output folder of a run, if there is one, and whether it holds texts."""
    for path in passed:
        folder = path.removesuffix("/run.json")
        if folder != path and any(other.startswith(f"{folder}/programs/") for other in passed):
            return folder, any(other.startswith(f"{folder}/text/") for other in passed)
    return None


def _in_glob(fs: Any, pattern: str) -> tuple[list[CorpusFile], list[str]]:
    found, passed = [], []
    for path, info in sorted(fs.glob(pattern, detail=True).items()):
        if info["type"] == "directory":
            inner_found, inner_passed = _in_folder(fs, path)
            found += inner_found
            passed += inner_passed
        elif file_format(path) and not _last(path).startswith((".", "_")):
            found.append(_corpus_file(fs, path, info))
        else:
            passed.append(_full_path(fs, path))
    return found, passed


def _what_is_there(fs: Any, path: str) -> str:
    """Advice for a path that is not there: the nearest existing folder, and what it holds."""
    parent, missing = path.rstrip("/").rpartition("/")[::2]
    while parent and (glob.has_magic(parent) or not fs.isdir(parent)):
        parent, missing = parent.rpartition("/")[::2]
    try:
        names = sorted(_last(entry) for entry in fs.ls(parent or "/", detail=False))
    except Exception:  # advice only: what cannot be listed is left out
        return "Check the path."
    names = [name for name in names if name and not name.startswith(".")]
    near = difflib.get_close_matches(missing, names, n=1)
    if near:
        return f'Did you mean "{near[0]}"?'
    return f"{_full_path(fs, parent) or '/'}: {_listing(names)}"


def _listing(paths: Sequence[str], limit: int = 5) -> str:
    names = [_last(path) for path in paths]
    if not names:
        return "There is nothing."
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return f"There is {', '.join(names[:limit])}{more}."


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]


def _ending(name: str) -> str:
    dot = name.rfind(".")
    return name[dot:] if dot >= 0 else ""
