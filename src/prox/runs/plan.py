"""The plan of a run: which files, cut into which work units.

It follows from a listing of the input (and, for Parquet, from the footers), so that a corpus of a hundred terabytes is
planned without being read. It is stored in the output folder and compared with the input when a run is continued.
"""

import base64
import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import orjson
import pyarrow as pa
import zstandard

from prox.corpora import (
    CorpusFile,
    Preset,
    Span,
    StorageError,
    first_records,
    json_text,
    lies_in_lines,
    open_file_system,
    row_groups,
    write_atomically,
)
from prox.corpora.arrow_values import to_json_value

PLAN_FILE = "plan.jsonl.zst"

MEGABYTE = 1 << 20

_UNITS = 1024
"""A corpus is cut into about so many units, unless these would be too small or too large."""

_SMALLEST, _LARGEST = 4 * MEGABYTE, 256 * MEGABYTE
"""Of a unit: a second and a minute's work for the tagger on one core."""

_SMALLEST_FOR_MODEL, _LARGEST_FOR_MODEL = MEGABYTE, 32 * MEGABYTE
"""The same for language models: the larger is a few minutes' work for one of 0.3B parameters on a GPU."""

_UNPACKED = {"gzip": 4, "zstd": 4, "parquet": 2}
"""How many bytes of text one stored byte is, about."""

_LISTED_AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class Unit:
    """A work unit: what one worker does in one go, and what is committed together."""

    file_number: int
    number: int
    file: CorpusFile
    preset: Preset
    span: Span

    @property
    def name(self) -> str:
        """Sorts as the input does."""
        return unit_name(self.file_number, self.number)


def unit_name(file_number: int, number: int) -> str:
    return f"{file_number:06d}-{number:05d}"


@dataclass(frozen=True, slots=True)
class FilePlan:
    """One file of the input and where its units begin.

    Attributes:
        number: Of the file; the numbers of its units begin at 0 again.
        cuts: Where units begin, in stored bytes or rows, from 0.
        size: In what the cuts are counted in; None where the storage does not say.
    """

    number: int
    file: CorpusFile
    preset: Preset
    cuts: Sequence[int] = (0,)
    size: int | None = None

    def unit(self, number: int) -> Unit:
        last = self.cuts[number + 1] if number + 1 < len(self.cuts) else None
        return Unit(self.number, number, self.file, self.preset, Span(self.cuts[number], last))

    def share(self, number: int) -> float:
        """Of the file that a unit is."""
        if len(self.cuts) == 1 or not self.size:
            return 1 / len(self.cuts)
        last = self.cuts[number + 1] if number + 1 < len(self.cuts) else max(self.size, self.cuts[number])
        return (last - self.cuts[number]) / self.size


@dataclass(frozen=True)
class Plan:
    """All files with their units.

    Attributes:
        unit_bytes: Of raw text that a unit has, about.
        schema: Column types for all parts; None where they follow from the input.
    """

    files: tuple[FilePlan, ...]
    unit_bytes: int
    schema: pa.Schema | None = None

    def units(self) -> Iterator[Unit]:
        for planned in self.files:
            for number in range(len(planned.cuts)):
                yield planned.unit(number)

    def share(self, units_done: int, bytes_done: float) -> float:
        """Of the input that is done, by stored bytes; by units where the storage does not know their sizes."""
        if units_done == self.count:
            return 1.0
        return min(1.0, bytes_done / self.bytes if self.bytes else units_done / self.count)

    @cached_property
    def numbers(self) -> dict[int, FilePlan]:
        """The files by their numbers."""
        return {planned.number: planned for planned in self.files}

    @cached_property
    def count(self) -> int:
        """Of all units."""
        return sum(len(planned.cuts) for planned in self.files)

    @cached_property
    def bytes(self) -> int:
        """Stored bytes of all files."""
        return sum(planned.file.size or 0 for planned in self.files)


def plan_units(
    files: Sequence[CorpusFile],
    presets: dict[str, Preset],
    language_model: bool,
    unit_bytes: int | None = None,
    unit_documents: int | None = None,
    schema: pa.Schema | None = None,
    first_number: int = 0,
) -> Plan:
    """Cut files into units; the same files give the same units, whatever works on them.

    Args:
        presets: By path.
        language_model: Whether one will work on them, so that smaller units take minutes.
        unit_bytes: Of raw text that a unit shall have, about; by the size of the corpus if not given.
        unit_documents: That a unit shall have at most, about: told from the first records of each file.
        first_number: Of the first file.
    """
    unit_bytes = unit_bytes or _unit_bytes(files, language_model)

    def plan(numbered: tuple[int, CorpusFile]) -> FilePlan:
        number, file = numbered
        return _plan_file(number, file, presets[file.path], unit_bytes, unit_documents)

    if any(file.format in ("parquet", "json") for file in files) or unit_documents:
        with ThreadPoolExecutor(_LISTED_AT_ONCE) as pool:  # these are looked into, and storage may be far away
            planned = tuple(pool.map(plan, enumerate(files, first_number)))
    else:
        planned = tuple(map(plan, enumerate(files, first_number)))
    return Plan(planned, unit_bytes, schema)


def _unit_bytes(files: Sequence[CorpusFile], language_model: bool) -> int:
    smallest, largest = (_SMALLEST_FOR_MODEL, _LARGEST_FOR_MODEL) if language_model else (_SMALLEST, _LARGEST)
    return max(smallest, min(largest, sum((file.size or 0) * _unpacked(file) for file in files) // _UNITS))


def _unpacked(file: CorpusFile) -> int:
    return 1 if file.format == "warc" else _UNPACKED.get(file.compression or file.format, 1)


def _plan_file(number: int, file: CorpusFile, preset: Preset, unit_bytes: int, unit_documents: int | None) -> FilePlan:
    try:
        if file.format == "parquet":
            return _plan_rows(number, file, preset, unit_bytes, unit_documents)
        if unit_documents and (mean := _mean_record_bytes(file)):
            unit_bytes = max(1, min(unit_bytes, unit_documents * mean))
        stored = max(1, unit_bytes // _unpacked(file))
        units = max(1, round((file.size or 0) / stored))
        if units > 1 and (file.format == "warc" or lies_in_lines(file)):
            return FilePlan(number, file, preset, range(0, units * stored, stored), file.size)
    except StorageError:
        pass  # the unit itself will say so
    return FilePlan(number, file, preset, (0,), file.size)


def _plan_rows(number: int, file: CorpusFile, preset: Preset, unit_bytes: int, unit_documents: int | None) -> FilePlan:
    """Whole row groups where they are small, parts of one where it is large."""
    cuts, rows, filled = [0], 0, 0.0
    for group_rows, group_bytes in row_groups(file) or []:
        units = max(group_bytes / unit_bytes, group_rows / unit_documents if unit_documents else 0)
        if filled and filled + units > 1:
            cuts.append(rows)
            filled = 0
        pieces = max(1, min(round(units), group_rows))
        cuts += [rows + group_rows * piece // pieces for piece in range(1, pieces)]
        rows += group_rows
        filled += units if pieces == 1 else 1
    return FilePlan(number, file, preset, tuple(cuts), rows)


def _mean_record_bytes(file: CorpusFile) -> int:
    records = first_records(file, 100)
    sizes = [len(json_text.dumps(to_json_value(record))) for record in records]
    return sum(sizes) // len(sizes) if sizes else 0


def write_plan(output: str, plan: Plan) -> None:
    """Store a plan in an output folder: a line for what all files share, then a line for each of them.

    Raises:
        OSError: The storage refuses.
    """
    presets = {preset: number for number, preset in enumerate(dict.fromkeys(each.preset for each in plan.files))}
    head = {
        "unit_bytes": plan.unit_bytes,
        "schema": None if plan.schema is None else base64.b64encode(plan.schema.serialize()).decode(),
        "presets": list(map(_preset_fields, presets)),
        "files": len(plan.files),
    }
    compressor = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    stored = io.BytesIO()  # a million lines are written one by one: together they take half a gigabyte
    stored.write(compressor.compress(orjson.dumps(head) + b"\n"))
    for planned in plan.files:
        stored.write(compressor.compress(orjson.dumps(_file_fields(planned, presets[planned.preset])) + b"\n"))
    stored.write(compressor.flush())
    write_atomically(f"{output}/{PLAN_FILE}", stored.getvalue())


def _preset_fields(preset: Preset) -> dict[str, Any]:
    return {name: value for name, value in asdict(preset).items() if name != "marks"}


def _file_fields(planned: FilePlan, preset: int) -> dict[str, Any]:
    file, cuts = planned.file, planned.cuts
    shown = [cuts.start, cuts.stop, cuts.step] if isinstance(cuts, range) else None
    as_stored = None if file.shown == file.path else base64.b64encode(file.path.encode(errors="surrogateescape"))
    return {
        "number": planned.number,
        "file": file.shown,
        "path": as_stored and as_stored.decode(),  # of a name that is no UTF-8
        "format": file.format,
        "compression": file.compression,
        "size": file.size,
        "version": file.version,
        "preset": preset,
        "range": shown,
        "cuts": None if shown else list(cuts),
        "counted": planned.size,
    }


def read_plan(output: str) -> Plan | None:
    """The plan that is stored in an output folder; None if there is none.

    Raises:
        ValueError: It cannot be read.
        OSError: The storage does not answer.
    """
    fs, path = open_file_system(f"{output}/{PLAN_FILE}")
    if not fs.exists(path):
        return None
    try:
        stream = zstandard.ZstdDecompressor().stream_reader(fs.cat_file(path))
        lines = map(orjson.loads, io.BufferedReader(stream, MEGABYTE))
        head = next(lines, None) or {}
        presets = [Preset(**(own | {"id_fields": tuple(own["id_fields"])})) for own in head["presets"]]
        files = tuple([_file_plan(fields, presets) for fields in lines])
        if len(files) != head["files"]:
            raise ValueError(f"it ends after {len(files):,} of {head['files']:,} files")
        schema = head["schema"] and pa.ipc.read_schema(pa.py_buffer(base64.b64decode(head["schema"])))
        return Plan(files, head["unit_bytes"], schema or None)
    except (zstandard.ZstdError, ValueError, LookupError, TypeError, pa.ArrowException) as error:
        raise ValueError(f"{output}/{PLAN_FILE} cannot be read: {error}") from error


def _file_plan(fields: dict[str, Any], presets: Sequence[Preset]) -> FilePlan:
    path = fields["file"]
    if fields["path"] is not None:
        path = base64.b64decode(fields["path"]).decode(errors="surrogateescape")
    file = CorpusFile(path, fields["format"], fields["compression"], fields["size"], fields["version"])
    cuts = range(*fields["range"]) if fields["range"] else tuple(fields["cuts"])
    return FilePlan(fields["number"], file, presets[fields["preset"]], cuts, fields["counted"])


def differences(plan: Plan, files: Sequence[CorpusFile]) -> dict[str, list[str]]:
    """What has happened to the input since it was planned: paths that are `new`, `gone` and `changed`."""
    before = {planned.file.path: planned.file for planned in plan.files}
    now = {file.path: file for file in files}
    return {
        "new": [path for path in now if path not in before],
        "gone": [path for path in before if path not in now],
        "changed": [path for path, file in now.items() if path in before and not _same(before[path], file)],
    }


def _same(before: CorpusFile, now: CorpusFile) -> bool:
    return (before.size, before.version) == (now.size, now.version)
