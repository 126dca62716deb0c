"""A sample of a run: rows of its programs, and the raw text that they were written for, read again from the input."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from prox.corpora import Batch, Block, StorageError, check_unchanged, decode, open_file_system, read_blocks
from prox.errors import ProxError, RunError
from prox.report.pages import Page, page_of
from prox.runs.ledger import Entry, read_ledger
from prox.runs.plan import Plan, Unit, read_plan
from prox.runs.status import Status, run_status

MOST_DOCUMENTS = 1000
MOST_UNITS = 32
MOST_UNIT_BYTES = 64 << 20
"""Of raw text that is decoded to find the documents of one unit."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a report is made of.

    Attributes:
        status: Exact, over the whole run.
        pages: Of work units spread evenly over the input, the first records of each.
        without_text: Pages whose raw text could not be read again.
        problem: Why not, of the first of them; "" if all could.
    """

    status: Status
    pages: tuple[Page, ...]
    without_text: int
    problem: str

    @property
    def is_whole(self) -> bool:
        """Whether every record is in it."""
        return len(self.pages) == self.status.report.records


def sample_run(output: str, most: int = MOST_DOCUMENTS) -> Sample:
    """The same sample of the same run every time; memory does not grow with the corpus.

    Raises:
        UsageError: The folder holds no run.
        RunError: Its programs cannot be read.
    """
    output = output.rstrip("/")
    status = run_status(output)
    plan = read_plan(output)
    assert plan is not None  # run_status has read it
    done = sorted(  # numbers only: a large corpus has hundreds of thousands of units
        (entry.file_number, entry.number)
        for entry in read_ledger(output)
        if entry.report.records and _is_planned(entry, plan)
    )
    chosen = spread(done, MOST_UNITS)
    pages: list[Page] = []
    problem = ""
    for place, (file_number, number) in enumerate(chosen):
        unit = plan.numbers[file_number].unit(number)
        rows = list(_rows(f"{output}/programs/part-{unit.name}.parquet", (most - len(pages)) // (len(chosen) - place)))
        found, told = _texts(unit, rows)
        problem = problem or told
        pages += [page_of(row, *found.get(row["record"], (None, {}))) for row in rows]
    without = sum(page.lines is None and page.sha256 is not None for page in pages)
    return Sample(status, tuple(pages), without, problem if without else "")


def spread(entries: Sequence[Any], most: int) -> list[Any]:
    """At most so many, evenly spread, the first among them."""
    count = min(most, len(entries))
    return [entries[place * len(entries) // count] for place in range(count)]


def _is_planned(entry: Entry, plan: Plan) -> bool:
    planned = plan.numbers.get(entry.file_number)
    return planned is not None and entry.number < len(planned.cuts)


def _rows(part: str, most: int) -> Iterator[dict[str, Any]]:
    fs, path = open_file_system(part)
    try:
        with fs.open(path, "rb") as file:
            for batch in pq.ParquetFile(file).iter_batches(batch_size=256):
                for row in batch.to_pylist()[:most]:
                    yield row
                    most -= 1
                if most <= 0:
                    return
    except (OSError, pa.ArrowException, KeyError) as error:
        raise RunError(f"{part} cannot be read: {error}") from error


Texts = dict[int, tuple[str, Mapping[str, Any]]]


def _texts(unit: Unit, rows: Sequence[Mapping[str, Any]]) -> tuple[Texts, str]:
    """Raw text and metadata of rows, by record number, and why some are missing.

    A text whose hash is another one than that of the row is not the one that was refined.
    """
    wanted = {row["record"]: row["text_sha256"] for row in rows if row["text_sha256"] is not None}
    texts: Texts = {}
    if not wanted:
        return texts, ""
    last, seen = max(wanted), 0
    try:
        check_unchanged(unit.file)
        for block in read_blocks(unit.file, span=unit.span):
            if not isinstance(block, Block):
                continue
            if block.first_record > last or seen > MOST_UNIT_BYTES:
                break
            batch = decode(block, unit.preset)
            seen += sum(len(document.text) for document in batch.documents)
            texts |= _wanted_of(batch, wanted)
    except (StorageError, ProxError, OSError, ValueError) as error:
        return texts, str(error)
    return texts, "" if len(texts) == len(wanted) else "the input is not the one that was refined"


def _wanted_of(batch: Batch, wanted: Mapping[int, str]) -> Texts:
    found: Texts = {}
    for record, document in zip(batch.records, batch.documents, strict=True):
        if record in wanted:
            digest = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()
            if digest == wanted[record]:
                found[record] = (document.text, document.metadata)
    return found
