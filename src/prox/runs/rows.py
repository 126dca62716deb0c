"""What became of records, as rows of `programs/` and as counts."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from prox.corpora import Batch, Preset, Quarantined, json_text
from prox.corpora.arrow_values import to_json_value
from prox.document import Document
from prox.runs.costs import StageCost
from prox.runs.stages import IGNORED, QUARANTINED, Refined, Stage
from prox.runs.unit_report import UnitReport

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


def reason_kind(reason: str) -> str:
    """Reasons are counted without what is particular to one record."""
    if IGNORED in reason:  # of several chunks; what became of the document says more, if there is anything
        others = [each for each in reason.split("; ") if IGNORED not in each]
        if not others:
            return "edited less or not: a program with too many wrong operations was ignored"
        reason = others[0]
    return re.sub(r"(?<![\w-])\d[\d,.]*\b", "N", reason.partition(":")[0].partition(", keep score")[0])


def record_of(document: Document, id: Any, preset: Preset) -> bytes:
    """The record of a document as JSON, with all its fields."""
    return json_text.dumps(to_json_value({"id": id, preset.text_field: document.text, **document.metadata}))


def program_rows(batch: Batch, refined: Sequence[Refined], offset: int) -> list[dict[str, Any]]:
    rows = [_row(entry, batch.file, record, offset) for record, entry in zip(batch.records, refined, strict=True)]
    rows += [unread_row(entry) for entry in batch.quarantined]
    return sorted(rows, key=lambda row: row["record"])


def _row(entry: Refined, file: str, record: int, offset: int) -> dict[str, Any]:
    rendered = {id(stage.program): stage.program.render() for stage in entry.stages}
    program = entry.program  # that of a stage, if one acts
    return {
        "id": entry.document.id,
        "text_sha256": hashlib.sha256(entry.document.text.encode("utf-8", "surrogatepass")).hexdigest(),
        "program": rendered.get(id(program)) or program.render(),
        "decision": entry.decision,
        "reason": entry.reason,
        "words_before": entry.words_before,
        "words_after": entry.words_after,
        "file": file,
        "record": record,
        "offset": offset,
        "stages": [
            {
                "stage": stage.stage,
                "level": stage.level,
                "program": rendered[id(stage.program)],
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


def unread_row(entry: Quarantined) -> dict[str, Any]:
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


def report_of(refined: Sequence[Refined], unread: Sequence[Quarantined], stages: Sequence[Stage]) -> UnitReport:
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
