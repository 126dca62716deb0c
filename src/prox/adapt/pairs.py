"""Pairs of texts and gold pages, in files, to programs: what `prox distill` does."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from os.path import realpath
from typing import Any

from prox.adapt.whole_files import JsonLinesFile, split_ending
from prox.corpora import Quarantined, find_files, quarantine_rows
from prox.document import split_lines
from prox.errors import RunError, UsageError
from prox.program import Policy, Program, execute
from prox.program.distill import NO_PROGRAM, Refused, Terms, distill
from prox.program.from_labels import program_from_labels
from prox.program.operations import Operation, render_operation
from prox.runs.gold import LineGold, gold_records, parse_gold

RAW_FIELDS = "raw_text", "text"
REFINED_FIELDS = "refined", "refined_text"
REPLACED_FIELDS = "line_labels", "neutral_lines", "partials"
"""Labels: a record has these or a program, so that nobody wonders which of them to follow."""

NO_PAIR = "neither a raw and a refined text nor raw_text with line_labels"
NOT_TEXT = "raw or refined text is not a string"
SURROGATE = "lone surrogate"


@dataclass(slots=True)
class Report:
    """What became of the records.

    Attributes:
        records: All of them: `distilled` and those in `refused`, by reason.
        from_labels: How many of the distilled ones are gold pages, whose labels and not whose texts were followed.
        unproven: Distilled pairs whose program may not be the smallest (see `Distilled`).
        operations: By name.
        raw_characters, refined_characters: Of the distilled records.
    """

    records: int = 0
    distilled: int = 0
    from_labels: int = 0
    unproven: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)
    raw_characters: int = 0
    refined_characters: int = 0

    @property
    def operations_mean(self) -> float:
        return self.operations.total() / self.distilled if self.distilled else 0.0

    @property
    def removed_share(self) -> float:
        """Of the characters; below 0 if the texts have become longer."""
        return 1 - self.refined_characters / self.raw_characters if self.raw_characters else 0.0


@dataclass(frozen=True, slots=True)
class _Found:
    raw: str
    refined: str
    program: Program
    proven: bool = True
    by_labels: bool = False


def distill_files(
    paths: Sequence[str],
    output: str,
    refused: str,
    terms: Terms,
    raw_field: str | None = None,
    refined_field: str | None = None,
    on_record: Callable[[], None] = lambda: None,
) -> Report:
    """Write a record with a program for each pair or gold page, and those without one to another file, with reasons.

    Both files appear when they are whole. A record with a refined text is a pair; one with `line_labels` and none is a
    gold page, and its program removes what the labels call noise: no terms apply, and a page without noise is written
    with an empty program.

    Raises:
        UsageError: A path is wrong, or an output would overwrite an input.
        RunError: No record gave a program; the refused ones have been written.
    """
    files = find_files(paths)
    report = Report()
    with JsonLinesFile(output) as accepted, JsonLinesFile(refused) as rest:
        outputs = set(map(realpath, (accepted.path, rest.path)))
        if len(outputs) < 2:
            raise UsageError(f"{output} cannot hold the refused records too. Name another file with --refused")
        for file in files:
            if realpath(file.path) in outputs:
                raise UsageError(f"{file.shown} is read, and would be overwritten. Name another OUTPUT")
        for place, record in gold_records(files):
            found = _find(record, place, terms, raw_field, refined_field)
            report.records += 1
            if isinstance(found, Refused):
                report.refused[found.reason] += 1
                rest.write(_refused_row(record, found))
            else:
                assert isinstance(record, dict)
                _count(report, found)
                accepted.write(_row(record, found, raw_field, refined_field))
            on_record()
        rest.finish()
        if not report.distilled:
            raise RunError(_nothing(report, rest.path))
        accepted.finish()
    return report


def _nothing(report: Report, path: str) -> str:
    if not report.records:
        return "the input has no records"
    reason, count = report.refused.most_common(1)[0]
    return f"none of {report.records:,} records gave a program, most often ({count:,}): {reason}. All are in {path}"


def _find(
    record: dict[str, Any] | Quarantined, place: str, terms: Terms, raw_field: str | None, refined_field: str | None
) -> _Found | Refused:
    if isinstance(record, Quarantined):
        kind, _, detail = record.reason.partition(": ")
        return Refused(kind, detail)
    raw_name, refined_name = _field(record, raw_field, RAW_FIELDS), _field(record, refined_field, REFINED_FIELDS)
    unrefined = refined_name is None or record[refined_name] is None  # in Parquet, every record has every field
    if unrefined and refined_field is None and record.get("line_labels") is not None:
        return _by_labels(record, place)
    if raw_name is None or refined_name is None:
        return Refused(NO_PAIR)
    raw, refined = record[raw_name], record[refined_name]
    if not isinstance(raw, str) or not isinstance(refined, str):
        return Refused(NOT_TEXT, raw_name if not isinstance(raw, str) else refined_name)
    for text in (raw, refined):
        try:
            text.encode()
        except UnicodeEncodeError:
            return Refused(SURROGATE)
    found = distill(raw, refined, terms)
    return found if isinstance(found, Refused) else _Found(raw, refined, found.program, found.proven)


def _field(record: dict[str, Any], given: str | None, usual: Sequence[str]) -> str | None:
    there = [name for name in ([given] if given else usual) if name in record]
    return next((name for name in there if record[name] is not None), there[0] if there else None)


def _by_labels(record: dict[str, Any], place: str) -> _Found | Refused:
    gold = parse_gold(record, place)
    if not isinstance(gold, LineGold):
        return Refused(gold if isinstance(gold, str) else NO_PAIR)
    raw = gold.document.text
    program = program_from_labels(split_lines(raw), gold.noise, gold.neutral, gold.partials)
    outcome = execute(raw, program, Policy.unlimited())
    if outcome.text is None or outcome.rejected:
        return Refused(NO_PROGRAM, outcome.rejected[0].reason if outcome.rejected else outcome.reason)
    return _Found(raw, outcome.text, program, by_labels=True)


def _count(report: Report, found: _Found) -> None:
    report.distilled += 1
    report.from_labels += found.by_labels
    report.unproven += not found.proven
    report.operations.update(map(_name, found.program.operations))
    report.raw_characters += len(found.raw)
    report.refined_characters += len(found.refined)


def _name(operation: Operation) -> str:
    return render_operation(operation).partition("(")[0]


def _row(record: dict[str, Any], found: _Found, raw_field: str | None, refined_field: str | None) -> dict[str, Any]:
    names = {"raw_text", "program", *REPLACED_FIELDS}
    if not found.by_labels:
        names |= {str(_field(record, *each)) for each in ((raw_field, RAW_FIELDS), (refined_field, REFINED_FIELDS))}
    others = {name: value for name, value in record.items() if name not in names}
    return {**others, "raw_text": found.raw, "program": found.program.render()}


def _refused_row(record: dict[str, Any] | Quarantined, refused: Refused) -> dict[str, Any]:
    if isinstance(record, Quarantined):
        record = quarantine_rows([record])[0]
    return {**record, "refused": refused.reason, "refused_detail": refused.detail}


def refused_path(output: str) -> str:
    """The file beside `output` for what is refused: `labels.jsonl.gz` has `labels.refused.jsonl.gz`."""
    stem, ending = split_ending(output)
    return f"{stem}.refused{ending}"
