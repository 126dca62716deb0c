"""One work unit through the stages, from raw block to parts on disk."""

import hashlib
import re
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import pyarrow as pa

from prox.corpora import (
    Batch,
    Block,
    Preset,
    Quarantined,
    decode,
    json_text,
    refined_rows,
    write_part,
    write_quarantine,
)
from prox.corpora.arrow_values import to_json_value
from prox.document import Document
from prox.errors import RunError
from prox.runs.costs import StageCost
from prox.runs.recipe import Recipe, load_stages
from prox.runs.stages import QUARANTINED, Refined, Stage, refine_documents
from prox.runs.watch import FIRST_DOCUMENTS, Watch

BATCH = 64
"""Documents that are in the hands of the refiners at once."""

MODEL_BATCH = 512
"""The same where a language model is among them: enough to keep a GPU or a server busy."""

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
        ("stages", pa.list_(_STAGE)),
    ]
)
"""One row for every input record. `text_sha256` is null where there was no text to read."""


@dataclass(frozen=True, slots=True)
class UnitReport:
    """What a work unit came to: documents by decision, words, reasons."""

    decisions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    words_before: int = 0
    words_after: int = 0
    text_bytes: int = 0
    failures: int = 0
    rejected: int = 0
    operations: int = 0
    costs: tuple[StageCost, ...] = ()

    def __add__(self, other: "UnitReport") -> "UnitReport":
        return UnitReport(
            self.decisions + other.decisions,
            self.reasons + other.reasons,
            self.words_before + other.words_before,
            self.words_after + other.words_after,
            self.text_bytes + other.text_bytes,
            self.failures + other.failures,
            self.rejected + other.rejected,
            self.operations + other.operations,
            tuple(a + b for a, b in zip_longest(self.costs, other.costs, fillvalue=StageCost())),
        )


class Worker:
    """Refines work units in one process; several threads may give it units at once."""

    def __init__(self, recipe: Recipe, schema: pa.Schema | None, stages: Sequence[Stage] | None = None) -> None:
        self._recipe = recipe
        self._schema = schema
        self._stages = list(stages) if stages is not None else load_stages(recipe)
        self._batch = MODEL_BATCH if recipe.has_language_model else BATCH
        self.watch = Watch(self._stages, recipe.most_unusable)
        self.stopped = threading.Event()

    def refine(
        self,
        number: int,
        block: Block | Quarantined,
        preset: Preset,
        advance: Callable[[int], None] = lambda documents: None,
    ) -> UnitReport:
        """Refine one block and write its parts; each part appears whole or not at all.

        Args:
            number: Of the unit.
            block: Its records.
            preset: Where they have their text.
            advance: Told how many documents have come through the stages, now and then.

        Raises:
            RunError: The programs of a stage cannot be used.
        """
        if isinstance(block, Quarantined):
            self._write(number, "quarantine", [block])
            self._write_programs(number, [_unread_row(block)])
            return UnitReport(Counter({QUARANTINED: 1}), Counter({_kind(block.reason): 1}))
        batch = decode(block, preset)
        refined: list[Refined] = []
        while len(refined) < len(batch.documents):
            size = self._batch if self.watch.satisfied else FIRST_DOCUMENTS
            done = refine_documents(batch.documents[len(refined) : len(refined) + size], self._stages)
            self.watch.note(done)
            refined += done
            advance(len(done))
            if self.stopped.is_set():  # what an engine gave while it was closed must not become a part
                raise RunError("the run was stopped")
        quarantined = batch.quarantined + [
            Quarantined(batch.file, record, entry.reason, _raw(entry.document, id, preset), entry.document.id)
            for record, id, entry in zip(batch.records, batch.ids, refined, strict=True)
            if entry.decision == QUARANTINED
        ]
        if any(entry.text is not None for entry in refined):
            rows = refined_rows(batch, [entry.text for entry in refined])
            ending = "parquet" if self._recipe.format == "parquet" else "jsonl.zst"
            write_part(f"{self._recipe.output}/text/{_part(number)}.{ending}", rows, like=self._schema)
        if quarantined:
            self._write(number, "quarantine", sorted(quarantined, key=lambda entry: entry.record))
        self._write_programs(number, _program_rows(batch, refined))
        return _report(refined, batch.quarantined, self._stages)

    def _write(self, number: int, folder: str, quarantined: Sequence[Quarantined]) -> None:
        write_quarantine(f"{self._recipe.output}/{folder}/{_part(number)}.jsonl.zst", quarantined)

    def _write_programs(self, number: int, rows: list[dict[str, Any]]) -> None:
        path = f"{self._recipe.output}/programs/{_part(number)}.parquet"
        write_part(path, pa.Table.from_pylist(rows, PROGRAM_SCHEMA))


def _part(number: int) -> str:
    return f"part-{number:06d}"


def _kind(reason: str) -> str:
    """Reasons are counted without what is particular to one record."""
    return re.sub(r"(?<![\w-])\d[\d,.]*\b", "N", reason.partition(":")[0].partition(", keep score")[0])


def _raw(document: Document, id: Any, preset: Preset) -> bytes:
    """The record of a document as JSON, with all its fields."""
    return json_text.dumps(to_json_value({"id": id, preset.text_field: document.text, **document.metadata}))


def _program_rows(batch: Batch, refined: Sequence[Refined]) -> list[dict[str, Any]]:
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
    return {
        "id": entry.id or f"unread:{entry.file.rpartition('/')[2]}:{entry.record}",
        "text_sha256": None,
        "program": "",
        "decision": QUARANTINED,
        "reason": entry.reason,
        "words_before": 0,
        "words_after": 0,
        "file": entry.file,
        "record": entry.record,
        "stages": [],
    }


def _report(refined: Sequence[Refined], unread: Sequence[Quarantined], stages: Sequence[Stage]) -> UnitReport:
    decisions = Counter(entry.decision for entry in refined)
    decisions.update({QUARANTINED: len(unread)} if unread else {})
    reasons = Counter(_kind(entry.reason) for entry in refined if entry.reason)
    reasons.update(_kind(entry.reason) for entry in unread)
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
