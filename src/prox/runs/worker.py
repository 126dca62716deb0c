"""One work unit through the stages, from its span of a file to parts in their places."""

import hashlib
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import pyarrow as pa

from prox.corpora import (
    BLOCK_BYTES,
    Batch,
    Block,
    Extent,
    PartWriter,
    Preset,
    Quarantined,
    check_unchanged,
    decode,
    json_text,
    quarantine_rows,
    read_blocks,
    refined_rows,
    table_of,
)
from prox.corpora.arrow_values import to_json_value
from prox.document import Document
from prox.errors import ProxError, RunError
from prox.runs.costs import StageCost
from prox.runs.ledger import OutputError, commit, unit_folder
from prox.runs.plan import Unit
from prox.runs.recipe import Recipe, load_stages
from prox.runs.stages import QUARANTINED, Refined, Stage, refine_documents, unrefined
from prox.runs.unit_report import UnitReport
from prox.runs.watch import FIRST_DOCUMENTS, Watch

BATCH = 64
"""Documents that are in the hands of the refiners at once."""

MODEL_BATCH = 512
"""The same where a language model is among them: enough to keep a GPU or a server busy."""

_TOO_MANY = 8
"""Documents in a row that a refiner raises on: then it is not the documents."""

_FAILED_IN_A_ROW = 64
"""The same, if they lie in several batches or units."""

_SIGN_SECONDS = 1.0
"""How often a worker that reads for long says so."""

_STAGE = pa.struct(
    [
        ("stage", pa.string()),
        ("level", pa.string()),
        ("program", pa.string()),
        ("score", pa.float32()),
        ("line_scores", pa.binary()),
        ("words_before", pa.int64()),
        ("words_after", pa.int64()),
        ("rejected", pa.list_(pa.string())),
        ("failures", pa.list_(pa.string())),
        ("tokens_in", pa.int64()),
        ("tokens_out", pa.int64()),
        ("words_sent", pa.int64()),
        ("raw_output", pa.string()),
    ]
)

PROGRAM_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text_sha256", pa.string()),
        ("program", pa.string()),
        ("decision", pa.string()),
        ("reason", pa.string()),
        ("words_before", pa.int64()),
        ("words_after", pa.int64()),
        ("file", pa.string()),
        ("record", pa.int64()),
        ("offset", pa.int64()),
        ("stages", pa.list_(_STAGE)),
    ]
)
"""One row for every input record. `text_sha256` is null where there was no text to read; `record` counts from the byte
`offset` of the file, which is 0 unless the file is plain JSON Lines and larger than a work unit."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker is in its unit: what it was about to do when it was last heard of.

    Attributes:
        step: `read` the next block, `decode` it, or `refine` documents of it; `commit` when all that is done.
        block: Number of the block in the unit.
        record: Number of the first record, where `step` is about some records only.
        records: How many.
    """

    step: str
    block: int = 0
    record: int = 0
    records: int = 0


@dataclass(frozen=True, slots=True)
class Care:
    """What earlier attempts at a unit taught: they ended the worker, and this one shall not.

    Attributes:
        apart: Numbers of blocks whose records are decoded one by one.
        alone: First records of batches that are refined one by one.
        refused: Records that go to quarantine unrefined, with the reason.
        avoided: Records that go there without even being decoded.
        skipped: Blocks of which all records do.
        end: From this block on nothing is read, with the reason.
        again: It is not the first attempt of this session, so parts of another one may lie about.
    """

    apart: frozenset[int] = frozenset()
    alone: frozenset[int] = frozenset()
    refused: tuple[tuple[int, str], ...] = ()
    avoided: tuple[tuple[int, str], ...] = ()
    skipped: tuple[tuple[int, str], ...] = ()
    end: tuple[int, str] | None = None
    again: bool = False


Say: TypeAlias = Callable[[Place], None]


def _nobody_listens(place: Place) -> None:
    pass


class Worker:
    """Refines work units in one process; several threads may give it units at once."""

    def __init__(
        self, recipe: Recipe, schema: pa.Schema | None, aside: str, stages: Sequence[Stage] | None = None
    ) -> None:
        """`aside`: a folder on this machine for parts that are not whole yet."""
        self._recipe = recipe
        self._schema = schema
        self._aside = aside
        self._stages = list(stages) if stages is not None else load_stages(recipe)
        self._batch = MODEL_BATCH if recipe.has_language_model else BATCH
        self.watch = Watch(self._stages, recipe.most_unusable)
        self.stopped = threading.Event()
        self._failed_in_a_row = 0

    def refine(self, unit: Unit, say: Say = _nobody_listens, care: Care | None = None) -> UnitReport:
        """Refine one unit and commit it: it is done, or nothing of it is there.

        Args:
            unit: What to read.
            say: Told before each step what it is.
            care: What to be careful about.

        Raises:
            StorageError: The input cannot be read, or has changed.
            OutputError: The output cannot be written.
            RunError: The programs of a stage cannot be used, or the run was stopped.
        """
        care = care or Care()
        check_unchanged(unit.file)
        try:
            with unit_folder(self._aside, unit) as folder:
                parts = _Parts(self._recipe, self._schema, unit, folder)
                extent = Extent()
                report = UnitReport(costs=(StageCost(),) * len(self._stages))
                for block, number in self._blocks(unit, extent, say, care):
                    report += self._refine_block(block, number, unit.preset, parts, say, care)
                parts.close()
                check_unchanged(unit.file)
                if self.stopped.is_set():
                    raise RunError("the run was stopped")
                say(Place("commit"))
                report = replace(report, extent=extent)
                commit(self._recipe.output, folder, unit, report, care.again)
                return report
        except ProxError:
            raise
        except OSError as error:
            raise OutputError(f"cannot write into {self._recipe.output}: {error}", error.errno) from error

    def _blocks(self, unit: Unit, extent: Extent, say: Say, care: Care) -> Iterator[tuple[Block | Quarantined, int]]:
        number, heard = 0, time.monotonic()

        def still_reading(share: float) -> None:  # what stands before a span of a compressed file is read, too
            nonlocal heard
            if time.monotonic() - heard > _SIGN_SECONDS:
                heard = time.monotonic()
                say(Place("read", number))

        blocks = iter(read_blocks(unit.file, BLOCK_BYTES, on_share=still_reading, span=unit.span, extent=extent))
        by_records = Extent()  # for formats whose readers do not tell
        offset = 0
        while care.end is None or number < care.end[0]:
            say(Place("read", number))
            if (block := next(blocks, None)) is None:
                break
            first, records = (block.first_record, block.records) if isinstance(block, Block) else (block.record, 1)
            by_records.begin = first if by_records.begin is None else by_records.begin
            by_records.end = first + records
            offset = block.offset
            yield block, number
            number += 1
        else:
            yield _rest(unit, by_records.end, offset, care.end[1]), number
            extent.begin = extent.end = None
            return
        if extent.begin is None:
            extent.begin, extent.end = by_records.begin, by_records.end

    def _refine_block(
        self, block: Block | Quarantined, number: int, preset: Preset, parts: "_Parts", say: Say, care: Care
    ) -> UnitReport:
        if isinstance(block, Quarantined):
            parts.quarantine([block])
            parts.programs([_unread_row(block)])
            problem = f"{block.file.rpartition('/')[2]}, record {block.record}: {block.reason}"
            return UnitReport(Counter({QUARANTINED: 1}), Counter({reason_kind(block.reason): 1}), problems=(problem,))
        if reason := dict(care.skipped).get(number):
            unread = [
                Quarantined(block.file, block.first_record + place, reason, offset=block.offset)
                for place in range(block.records)
            ]
            parts.quarantine(unread)
            parts.programs(list(map(_unread_row, unread)))
            return _report([], unread, self._stages)
        if block.layout == "arrow" and (pieces := _around(block, dict(care.avoided))):
            report = UnitReport()
            for piece in pieces:
                if isinstance(piece, Block):
                    report += self._refine_block(piece, number, preset, parts, say, care)
                else:
                    parts.quarantine([piece])
                    parts.programs([_unread_row(piece)])
                    report += _report([], [piece], self._stages)
            return report
        block, avoided = _without(block, dict(care.avoided))
        batch = self._decoded(block, number, preset, say, number in care.apart)
        batch = replace(batch, quarantined=batch.quarantined + avoided)
        refined = list(self._refined(batch, number, say, care))
        quarantined = batch.quarantined + [
            Quarantined(
                batch.file, record, entry.reason, _raw(entry.document, id, preset), entry.document.id, block.offset
            )
            for record, id, entry in zip(batch.records, batch.ids, refined, strict=True)
            if entry.decision == QUARANTINED
        ]
        if any(entry.text is not None for entry in refined):
            parts.text(refined_rows(batch, [entry.text for entry in refined]))
        if quarantined:
            parts.quarantine(sorted(quarantined, key=lambda entry: entry.record))
        parts.programs(_program_rows(batch, refined, block.offset))
        return _report(refined, batch.quarantined, self._stages)

    def _decoded(self, block: Block, number: int, preset: Preset, say: Say, apart: bool) -> Batch:
        batches = []
        if block.layout == "arrow":
            for single in single_rows(block) if apart else ():
                say(Place("decode", number, single.first_record, 1))
                decode(single, preset)  # only to see it survive: rows are better joined by their table
        if not apart or block.layout == "arrow":
            say(Place("decode", number, block.first_record, block.records))
            return decode(block, preset)
        for single in single_records(block):
            say(Place("decode", number, single.first_record, 1))
            batches.append(decode(single, preset))
        first, *others = batches
        for other in others:
            first.documents.extend(other.documents)
            first.records.extend(other.records)
            first.ids.extend(other.ids)
            first.quarantined.extend(other.quarantined)
        return first

    def _refined(self, batch: Batch, number: int, say: Say, care: Care) -> Iterator[Refined]:
        refused = dict(care.refused)
        start = 0
        while start < len(batch.documents):
            size = self._batch if self.watch.satisfied else FIRST_DOCUMENTS
            records = batch.records[start : start + size]
            documents = batch.documents[start : start + size]
            start += len(records)
            for these in _pieces(records, documents, refused, records[0] in care.alone):
                if these[0][0] in refused:
                    yield unrefined(these[0][1], refused[these[0][0]])
                    continue
                say(Place("refine", number, these[0][0], len(these)))
                done = self._refine_documents([document for _, document in these])
                self.watch.note(done)
                yield from done
                if self.stopped.is_set():  # what an engine gave while it was closed must not become a part
                    raise RunError("the run was stopped")

    def _refine_documents(self, documents: Sequence[Document]) -> list[Refined]:
        """A refiner that raises on a document costs that document, not the run; one that raises on many ends it."""
        try:
            refined = refine_documents(documents, self._stages)
        except ProxError:
            raise
        except Exception as error:
            if self._recipe.has_language_model:
                raise  # an engine that is broken would fail for all that follow
            failure = f"the refiner failed: {type(error).__name__}: {error}"
        else:
            self._failed_in_a_row = 0
            return refined
        if len(documents) == 1:
            self._failed_in_a_row += 1
            if self._failed_in_a_row >= _FAILED_IN_A_ROW:
                raise RunError(_too_many(failure, self._failed_in_a_row))
            return [unrefined(documents[0], failure)]
        refined = [entry for document in documents for entry in self._refine_documents([document])]
        if len(documents) >= _TOO_MANY and all(entry.reason.startswith("the refiner failed") for entry in refined):
            raise RunError(_too_many(failure, len(documents)))
        return refined


def _too_many(failure: str, documents: int) -> str:
    return f"{failure}, and so it did for {documents} documents, one after another"


class _Parts:
    """The parts of a unit while they are written."""

    def __init__(self, recipe: Recipe, schema: pa.Schema | None, unit: Unit, folder: str) -> None:
        stem = f"part-{unit.name}"
        self._text = PartWriter(f"{folder}/text", stem, recipe.format, schema)
        self._programs = PartWriter(f"{folder}/programs", stem, "parquet")
        self._quarantine = PartWriter(f"{folder}/quarantine", stem, "jsonl")
        self.text = self._text.write
        self.programs([])

    def programs(self, rows: list[dict[str, Any]]) -> None:
        self._programs.write(pa.Table.from_pylist(rows, PROGRAM_SCHEMA))

    def quarantine(self, entries: Sequence[Quarantined]) -> None:
        self._quarantine.write(quarantine_rows(entries))

    def close(self) -> None:
        for part in (self._text, self._programs, self._quarantine):
            part.close()


def _rest(unit: Unit, record: int | None, offset: int, reason: str) -> Quarantined:
    """Stands for what is not read of a unit, from this record on; its place is told as well as it is known."""
    if record is not None:
        return Quarantined(unit.file.shown, record, reason, offset=offset)
    if unit.file.format == "parquet":
        return Quarantined(unit.file.shown, unit.span.first, reason)
    return Quarantined(unit.file.shown, 0, reason, offset=unit.span.first)


def single_records(block: Block) -> Iterator[Block]:
    """A block of JSON as blocks of one record each."""
    lines = block.payload.split(b"\n") if isinstance(block.payload, bytes) else block.payload
    position = block.position
    for number, raw in enumerate(lines, block.first_record):
        payload = raw if isinstance(block.payload, bytes) else (raw,)
        yield replace(block, first_record=number, records=1, payload=payload, position=position)
        position += len(raw) + 1


def single_rows(block: Block) -> Iterator[Block]:
    """A block of Arrow as blocks of one row each."""
    table = table_of(block)
    for row in range(block.records):
        yield _rows(block, table, row, 1)


def _rows(block: Block, table: pa.Table, first: int, rows: int) -> Block:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.slice(first, rows))
    return replace(block, first_record=block.first_record + first, records=rows, payload=sink.getvalue().to_pybytes())


def _around(block: Block, avoided: dict[int, str]) -> list[Block | Quarantined]:
    """A block of Arrow in pieces around the rows that must not be decoded; nothing if there are none in it.

    Such a row is kept as Arrow has it: as an IPC stream of its own.
    """
    places = sorted(number - block.first_record for number in avoided if number >= block.first_record)
    places = [place for place in places if place < block.records]
    if not places:
        return []
    table = table_of(block)
    pieces: list[Block | Quarantined] = []
    reached = 0
    for place in [*places, block.records]:
        if place > reached:
            pieces.append(_rows(block, table, reached, place - reached))
        if place < block.records:
            number, own = block.first_record + place, _rows(block, table, place, 1)
            assert isinstance(own.payload, bytes)
            pieces.append(Quarantined(block.file, number, avoided[number], own.payload))
        reached = place + 1
    return pieces


def _without(block: Block, avoided: dict[int, str]) -> tuple[Block, list[Quarantined]]:
    """A block without records that must not be read; blanks in their place let the others keep their numbers."""
    numbers = [number for number in avoided if block.first_record <= number < block.first_record + block.records]
    if not numbers:
        return block, []
    of_lines = isinstance(block.payload, bytes)
    raw = list(block.payload.split(b"\n") if isinstance(block.payload, bytes) else block.payload)
    quarantined = []
    for number in numbers:
        own = raw[number - block.first_record]
        quarantined.append(Quarantined(block.file, number, avoided[number], own, offset=block.offset))
        raw[number - block.first_record] = b" " * len(own) if of_lines else b""
    return replace(block, payload=b"\n".join(raw) if of_lines else tuple(raw)), quarantined


def _pieces(
    records: Sequence[int], documents: Sequence[Document], refused: dict[int, str], alone: bool
) -> Iterator[list[tuple[int, Document]]]:
    """A batch as it is refined: in one, or what must stand alone apart from the others."""
    together: list[tuple[int, Document]] = []
    for pair in zip(records, documents, strict=True):
        if alone or pair[0] in refused:
            if together:
                yield together
            yield [pair]
            together = []
        else:
            together.append(pair)
    if together:
        yield together


def reason_kind(reason: str) -> str:
    """Reasons are counted without what is particular to one record."""
    return re.sub(r"(?<![\w-])\d[\d,.]*\b", "N", reason.partition(":")[0].partition(", keep score")[0])


def _raw(document: Document, id: Any, preset: Preset) -> bytes:
    """The record of a document as JSON, with all its fields."""
    return json_text.dumps(to_json_value({"id": id, preset.text_field: document.text, **document.metadata}))


def _program_rows(batch: Batch, refined: Sequence[Refined], offset: int) -> list[dict[str, Any]]:
    rows = [
        {
            "id": entry.document.id,
            "text_sha256": hashlib.sha256(entry.document.text.encode("utf-8", "surrogatepass")).hexdigest(),
            "program": entry.program.render(),
            "decision": entry.decision,
            "reason": entry.reason,
            "words_before": entry.words_before,
            "words_after": entry.words_after,
            "file": batch.file,
            "record": record,
            "offset": offset,
            "stages": [
                {
                    "stage": stage.stage,
                    "level": stage.level,
                    "program": stage.program.render(),
                    "score": stage.score,
                    "line_scores": stage.line_scores,
                    "words_before": stage.words_before,
                    "words_after": stage.words_after,
                    "rejected": list(stage.rejected),
                    "failures": list(stage.failures),
                    "tokens_in": stage.tokens_in,
                    "tokens_out": stage.tokens_out,
                    "words_sent": stage.words_sent,
                    "raw_output": stage.raw_output,
                }
                for stage in entry.stages
            ],
        }
        for record, entry in zip(batch.records, refined, strict=True)
    ]
    rows += [_unread_row(entry) for entry in batch.quarantined]
    return sorted(rows, key=lambda row: row["record"])


def _unread_row(entry: Quarantined) -> dict[str, Any]:
    place = f"{entry.offset}+{entry.record}" if entry.offset else str(entry.record)
    return {
        "id": entry.id or f"unread:{entry.file.rpartition('/')[2]}:{place}",
        "text_sha256": None,
        "program": "",
        "decision": QUARANTINED,
        "reason": entry.reason,
        "words_before": 0,
        "words_after": 0,
        "file": entry.file,
        "record": entry.record,
        "offset": entry.offset,
        "stages": [],
    }


def _report(refined: Sequence[Refined], unread: Sequence[Quarantined], stages: Sequence[Stage]) -> UnitReport:
    decisions = Counter(entry.decision for entry in refined)
    decisions.update({QUARANTINED: len(unread)} if unread else {})
    reasons = Counter(reason_kind(entry.reason) for entry in refined if entry.reason)
    reasons.update(reason_kind(entry.reason) for entry in unread)
    results = [result for entry in refined for result in entry.stages]
    return UnitReport(
        decisions,
        reasons,
        sum(entry.words_before for entry in refined),
        sum(entry.words_after for entry in refined),
        sum(len(entry.document.text.encode("utf-8", "surrogatepass")) for entry in refined),
        sum(bool(result.failures) for result in results),
        sum(len(result.rejected) for result in results),
        sum(len(result.program.operations) for result in results),
        tuple(_cost(stage, place, refined) for place, stage in enumerate(stages)),
    )


def _cost(stage: Stage, place: int, refined: Sequence[Refined]) -> StageCost:
    results = [entry.stages[place] for entry in refined if len(entry.stages) > place]
    return StageCost(
        documents=len(results),
        programs=sum(result.programs for result in results),
        unusable=sum(result.unusable for result in results),
        words=sum(result.words_before for result in results),
        words_sent=sum(result.words_sent or 0 for result in results),
        tokens_in=sum(result.tokens_in for result in results),
        tokens_out=sum(result.tokens_out for result in results),
        seconds=stage.stopwatch.take(),
    )
