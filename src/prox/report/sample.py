"""A sample of a run: rows of its programs, and the raw text that they were written for, read again from the input."""

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prox.corpora import Batch, Block, StorageError, check_unchanged, decode, open_file_system, read_blocks
from prox.errors import ProxError, RunError
from prox.report.figures import Group, largest_first
from prox.report.pages import NEEDED, Page, page_of
from prox.report.spread import spread
from prox.runs.ledger import Entry, read_ledger
from prox.runs.plan import Plan, Unit, read_plan
from prox.runs.stages import QUARANTINED
from prox.runs.status import Status, run_status
from prox.runs.unit_report import UnitReport

MOST_DOCUMENTS = 1000
MOST_UNITS = 32
MOST_TEXT_BYTES = 512 << 20
"""Of raw text that is decoded to find the documents of a sample, about."""

MOST_PAGE_BYTES = 16 << 20
"""Of raw text in the pages of a sample, about: line by line it takes up to thirty times that in memory.

One that is longer than all of them may be is not taken apart.
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a report is made of.

    Attributes:
        status: Exact, over the whole run.
        pages: Spread evenly over the records of work units that are spread evenly over the input.
        units: These work units.
        files: Of the input, as `figures.groups` has them, but exact: over all that is done.
        without_programs: Why the part of `programs/` of units among them cannot be read, by unit.
        without_text: Pages whose raw text could not be read again.
        problem: Why not, of the first of them; "" if all could.
    """

    status: Status
    pages: tuple[Page, ...]
    units: tuple[Unit, ...]
    files: tuple[Group, ...]
    without_programs: Mapping[str, str]
    without_text: int
    problem: str

    @property
    def is_whole(self) -> bool:
        """Whether every record is in it."""
        return len(self.pages) == self.status.report.records


RowsOf = Callable[[int, int, pq.ParquetFile], list[int]]
"""Which rows of a unit's programs are in a sample, by how many pages it has and how many units are left."""


def sample_run(output: str, most: int = MOST_DOCUMENTS) -> Sample:
    """The same sample of the same run every time; memory does not grow with the corpus.

    Raises:
        UsageError: The folder holds no run.
        RunError: Its programs cannot be read.
    """
    run = _Run.of(output)
    chosen = spread(run.done, MOST_UNITS)
    whole = run.status.report
    most = min(most, max(1, MOST_PAGE_BYTES * whole.records // max(1, whole.text_bytes)))

    def evenly(pages: int, units_left: int, part: pq.ParquetFile) -> list[int]:
        unit, records_left = chosen[-units_left], sum(each.records for each in chosen[-units_left:])
        within = MOST_TEXT_BYTES / len(chosen) / max(1, unit.text_bytes)
        reach = math.ceil(part.metadata.num_rows * min(1.0, within))
        return spread(range(reach), round((most - pages) * unit.records / records_left))

    return _sample(run, [run.unit(each) for each in chosen], evenly)


def sample_again(output: str, first: Sample) -> Sample:
    """The documents of another run's sample in this one, however it cut the same input into work units.

    Raises:
        UsageError: The folder holds no run.
        RunError: Its programs cannot be read.
    """
    run = _Run.of(output)
    wanted = Counter((page.id, page.sha256) for page in first.pages)

    def the_same(pages: int, units_left: int, part: pq.ParquetFile) -> list[int]:
        columns = part.read(columns=["id", "text_sha256"]).to_pydict()
        found: Counter[tuple[str, str | None]] = Counter()
        rows = []
        for row, key in enumerate(zip(map(str, columns["id"]), columns["text_sha256"], strict=True)):
            found[key] += 1
            if found[key] <= wanted[key]:  # a page may have many copies
                rows.append(row)
        return rows

    units = map(run.unit, run.done)
    return _sample(run, [unit for unit in units if any(_overlap(unit, other) for other in first.units)], the_same)


def _overlap(unit: Unit, other: Unit) -> bool:
    return unit.file.shown == other.file.shown and all(
        one.span.last is None or another.span.first < one.span.last for one, another in ((unit, other), (other, unit))
    )


@dataclass(frozen=True, order=True, slots=True)
class _Done:
    """A unit by its numbers alone: a large corpus has hundreds of thousands."""

    file_number: int
    number: int
    records: int
    text_bytes: int


@dataclass(frozen=True, slots=True)
class _Run:
    """Attributes:
    done: Units that are done and hold records, in the order of the input.
    """

    output: str
    status: Status
    plan: Plan
    done: Sequence[_Done]
    files: tuple[Group, ...]

    @classmethod
    def of(cls, output: str) -> "_Run":
        output = output.rstrip("/")
        status = run_status(output)
        plan = read_plan(output)
        assert plan is not None  # run_status has read it
        done: list[_Done] = []
        files: dict[str, Group] = {}
        for entry in read_ledger(output):
            if entry.report.records and _is_planned(entry, plan):
                done.append(_Done(entry.file_number, entry.number, entry.report.records, entry.report.text_bytes))
                own = _as_group(plan.numbers[entry.file_number].file.shown, entry.report)
                files[own.name] = files[own.name] + own if own.name in files else own
        return cls(
            output, status, plan, sorted(done), tuple(largest_first(own for own in files.values() if own.documents))
        )

    def unit(self, done: _Done) -> Unit:
        return self.plan.numbers[done.file_number].unit(done.number)


def _as_group(name: str, report: UnitReport) -> Group:
    refined = report.records - report.decisions[QUARANTINED]
    return Group(name, refined, report.decisions["dropped"], report.words_before, report.words_after)


def _is_planned(entry: Entry, plan: Plan) -> bool:
    planned = plan.numbers.get(entry.file_number)
    return planned is not None and entry.number < len(planned.cuts)


def _sample(run: _Run, units: Sequence[Unit], rows_of: RowsOf) -> Sample:
    pages: list[Page] = []
    lost: dict[str, str] = {}
    problem = ""
    for place, unit in enumerate(units):
        choose = partial(rows_of, len(pages), len(units) - place)
        try:
            rows = _rows(f"{run.output}/programs/part-{unit.name}.parquet", choose)
        except RunError as error:
            lost[unit.name] = str(error)
            continue
        found, why = _texts(unit, rows)
        problem = problem or why
        pages += [page_of(row, *found.get(row["record"], (None, {}))) for row in rows]
    if len(lost) == len(units) > 0:
        raise RunError(next(iter(lost.values())))
    without = sum(is_without_text(page) for page in pages)
    return Sample(run.status, tuple(pages), tuple(units), run.files, lost, without, problem if without else "")


def is_without_text(page: Page) -> bool:
    """Whether it had a text, and has none any more."""
    return page.lines is None and page.sha256 is not None


def _rows(part: str, choose: Callable[[pq.ParquetFile], list[int]]) -> list[dict[str, Any]]:
    """
    Raises:
        RunError: The file is missing, or broken.
    """
    fs, path = open_file_system(part)
    found: list[dict[str, Any]] = []
    try:
        with fs.open(path, "rb") as file:
            parquet = pq.ParquetFile(file)
            if missing := sorted(NEEDED.difference(parquet.schema_arrow.names)):
                raise RunError(f"{part} cannot be read: it has no {', '.join(missing)}")
            wanted = choose(parquet)
            first = 0
            for batch in parquet.iter_batches(batch_size=1024):
                here = [row - first for row in wanted[len(found) :] if row < first + len(batch)]
                found += batch.take(pa.array(here, pa.int64())).to_pylist()
                first += len(batch)
                if len(found) == len(wanted):
                    break
    except (OSError, pa.ArrowException, KeyError) as error:
        raise RunError(f"{part} cannot be read: {error}") from error
    return found


Texts = dict[int, tuple[str, Mapping[str, Any]]]


def _texts(unit: Unit, rows: Sequence[Mapping[str, Any]]) -> tuple[Texts, str]:
    """Raw text and metadata of rows, by record number, and why some are missing.

    A text whose hash is another one than that of the row is not the one that was refined.
    """
    wanted = {row["record"]: row["text_sha256"] for row in rows if row["text_sha256"] is not None}
    texts: Texts = {}
    if not wanted:
        return texts, ""
    last = max(wanted)
    try:
        check_unchanged(unit.file)
        for block in read_blocks(unit.file, span=unit.span):
            if not isinstance(block, Block):
                continue
            if block.first_record > last:
                break
            texts |= _wanted_of(decode(block, unit.preset), wanted)
    except (StorageError, ProxError, OSError, ValueError) as error:
        return texts, str(error)
    if len(texts) < len(wanted):
        return texts, "the input is not the one that was refined"
    short = {record: found for record, found in texts.items() if len(found[0]) <= MOST_PAGE_BYTES}
    return short, "" if len(short) == len(texts) else f"more than {MOST_PAGE_BYTES:,} characters"


def _wanted_of(batch: Batch, wanted: Mapping[int, str]) -> Texts:
    found: Texts = {}
    for record, document in zip(batch.records, batch.documents, strict=True):
        if record in wanted:
            digest = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()
            if digest == wanted[record]:
                found[record] = (document.text, document.metadata)
    return found
