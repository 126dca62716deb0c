"""One work unit through the stages, from its span of a file to parts in their places."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
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
    quarantine_rows,
    read_blocks,
    refined_rows,
)
from prox.document import Document
from prox.errors import ProxError, RunError
from prox.runs.care import Care, Place, around, in_pieces, rest_of, single_records, single_rows, without
from prox.runs.costs import StageCost
from prox.runs.ledger import OutputError, commit, unit_folder
from prox.runs.plan import Unit
from prox.runs.recipe import Recipe, load_stages
from prox.runs.rows import PROGRAM_SCHEMA, program_rows, reason_kind, record_of, report_of, unread_row
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
            yield rest_of(unit, by_records.end, offset, care.end[1]), number
            extent.begin = extent.end = None
            return
        if extent.begin is None:
            extent.begin, extent.end = by_records.begin, by_records.end

    def _refine_block(
        self, block: Block | Quarantined, number: int, preset: Preset, parts: "_Parts", say: Say, care: Care
    ) -> UnitReport:
        if isinstance(block, Quarantined):
            parts.quarantine([block])
            parts.programs([unread_row(block)])
            problem = f"{block.file.rpartition('/')[2]}, record {block.record}: {block.reason}"
            return UnitReport(Counter({QUARANTINED: 1}), Counter({reason_kind(block.reason): 1}), problems=(problem,))
        if reason := dict(care.skipped).get(number):
            unread = [
                Quarantined(block.file, block.first_record + place, reason, offset=block.offset)
                for place in range(block.records)
            ]
            parts.quarantine(unread)
            parts.programs(list(map(unread_row, unread)))
            return report_of([], unread, self._stages)
        if block.layout == "arrow" and (pieces := around(block, dict(care.avoided))):
            report = UnitReport()
            for piece in pieces:
                if isinstance(piece, Block):
                    report += self._refine_block(piece, number, preset, parts, say, care)
                else:
                    parts.quarantine([piece])
                    parts.programs([unread_row(piece)])
                    report += report_of([], [piece], self._stages)
            return report
        block, avoided = without(block, dict(care.avoided))
        batch = self._decoded(block, number, preset, say, number in care.apart)
        batch = replace(batch, quarantined=batch.quarantined + avoided)
        refined = list(self._refined(batch, number, say, care))
        quarantined = batch.quarantined + [
            Quarantined(
                batch.file, record, entry.reason, record_of(entry.document, id, preset), entry.document.id, block.offset
            )
            for record, id, entry in zip(batch.records, batch.ids, refined, strict=True)
            if entry.decision == QUARANTINED
        ]
        if any(entry.text is not None for entry in refined):
            parts.text(refined_rows(batch, [entry.text for entry in refined]))
        if quarantined:
            parts.quarantine(sorted(quarantined, key=lambda entry: entry.record))
        parts.programs(program_rows(batch, refined, block.offset))
        return report_of(refined, batch.quarantined, self._stages)

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
            for these in in_pieces(records, documents, refused, records[0] in care.alone):
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
