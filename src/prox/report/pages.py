"""One document of a sample: what its program did to each line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from prox.document import split_lines
from prox.program import InsertLine, Operation, Policy, Program, RemoveLines, Replace, ReplaceOnce, execute
from prox.program.policy import count_words
from prox.report.marks import marked

Fate = Literal["kept", "removed", "changed", "added"]

_URLS = ("url", "source_url", "uri", "WARC-Target-URI", "warc_target_uri", "link")
_LANGUAGES = ("language", "lang", "language_code")

NEEDED = {
    *("file", "offset", "record", "id", "text_sha256", "decision", "reason"),
    *("words_before", "words_after", "program", "stages"),
}
"""Columns of `programs/` that a page is made of."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the raw text, or one that was added.

    Attributes:
        number: Of the raw document, from 0; -1 for an added line.
        refined: What is left of it; "" where it was removed.
        words, words_left: Before and after, as the limits of programs count them.
        score: Its noise score in per cent, if the refiner gives one; a blank line goes with those around it.
    """

    number: int
    fate: Fate
    raw: str
    refined: str
    words: int
    words_left: int
    score: int | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A document of the sample.

    Attributes:
        key: File, offset and record: the same in every run over the same input.
        lines: None where the raw text could not be read again, or is not the one that was refined.
        keep_score: The lowest of the stages that judge documents.
        failures: What went wrong with programs, failures and rejected operations alike.
    """

    key: tuple[str, int, int]
    id: str
    sha256: str | None
    decision: str
    reason: str
    words_before: int
    words_after: int
    program: str
    operations: tuple[str, ...]
    keep_score: float | None
    failures: tuple[str, ...]
    lines: tuple[Line, ...] | None
    domain: str = ""
    language: str = ""

    @property
    def file(self) -> str:
        return self.key[0]

    @property
    def is_left(self) -> bool:
        return self.decision in ("kept", "edited")

    @property
    def added(self) -> tuple[str, ...]:
        """Lines that are new."""
        return tuple(line.refined for line in self.lines or () if line.number < 0)

    @property
    def noise_share(self) -> float:
        """Of the words that are gone; all of a dropped document are."""
        if self.decision == "dropped":
            return 1.0
        return 1 - self.words_after / self.words_before if self.words_before else 0.0


def page_of(row: Mapping[str, Any], text: str | None, metadata: Mapping[str, Any]) -> Page:
    """A page from a row of `programs/`.

    Args:
        text: The raw text, if it could be read.
    """
    program = Program.parse(row["program"] or "")
    stages = row["stages"] or []
    scores = next((stage["line_scores"] for stage in stages if stage["line_scores"] is not None), None)
    keep_scores = [stage["score"] for stage in stages if stage["score"] is not None]
    failures = [message for stage in stages for name in ("failures", "rejected") for message in stage[name] or []]
    return Page(
        key=(row["file"], row["offset"] or 0, row["record"]),
        id=str(row["id"]),
        sha256=row["text_sha256"],
        decision=row["decision"],
        reason=row["reason"] or "",
        words_before=row["words_before"],
        words_after=row["words_after"],
        program=str(program) if program.operations else "",
        operations=tuple(_name(operation) for operation in program.operations),
        keep_score=min(keep_scores) if keep_scores else None,
        failures=tuple(failures),
        lines=None if text is None else lines_of(text, program, row["decision"], scores),
        domain=domain_of(metadata),
        language=_first(metadata, _LANGUAGES)[:20],
    )


_NAMES = {"RemoveLines": "remove lines", "Replace": "replace", "ReplaceOnce": "replace", "InsertLine": "add lines"}


def _name(operation: Operation) -> str:
    return _NAMES.get(type(operation).__name__, "drop" if "Drop" in type(operation).__name__ else "keep")


def lines_of(text: str, program: Program, decision: str, scores: bytes | None) -> tuple[Line, ...]:
    """Every line with what became of it: by the program, and by what executing it really left."""
    raw = split_lines(text)

    def line(number: int, fate: Fate, refined: str) -> Line:
        scored = scores is not None and number < len(scores) and not (raw[number] == "" or raw[number].isspace())
        score = scores[number] if scores is not None and scored else None
        words = count_words(raw[number])
        left = words if fate == "kept" else count_words(refined)
        return Line(number, fate, raw[number], refined, words, left, score)

    if decision == "dropped":
        return tuple(line(number, "removed", "") for number in range(len(raw)))
    if decision in ("kept", "quarantined"):
        return tuple(line(number, "kept", text) for number, text in enumerate(raw))
    removed = {
        number
        for operation in program.operations
        if isinstance(operation, RemoveLines)
        for number in range(operation.first, operation.last + 1)
    }
    left = _left(text, raw, program, removed)
    added: dict[int, list[Line]] = {}
    for operation in sorted(_of(InsertLine, program), key=lambda each: each.place):
        new = split_lines(operation.text)
        added.setdefault(operation.after, []).extend(Line(-1, "added", "", each, 0, count_words(each)) for each in new)
    lines = added.get(-1, [])
    for number, each in enumerate(raw):
        if number in removed:
            lines.append(line(number, "removed", ""))
        else:
            lines.append(line(number, "kept" if left[number] == each else "changed", left[number]))
        lines += added.get(number, ())
    return tuple(lines)


def _of(kind: type[InsertLine], program: Program) -> list[InsertLine]:
    return [operation for operation in program.operations if isinstance(operation, kind)]


def _left(text: str, raw: Sequence[str], program: Program, removed: set[int]) -> dict[int, str]:
    """What is left of each line that stays; where replacements join or split lines, as far as characters stay."""
    staying = [number for number in range(len(raw)) if number not in removed]
    edits = tuple(each for each in program.operations if not isinstance(each, InsertLine))
    refined = execute(text, Program(edits), Policy.unlimited()).text
    after = [] if refined is None else split_lines(refined)
    if len(after) == len(staying) and not any(map(_moves_lines, edits)):
        return dict(zip(staying, after, strict=True))
    left = dict.fromkeys(staying, "")
    place = 0  # among the lines that stay
    for piece, stays in marked("\n".join([raw[number] for number in staying]), refined or ""):
        first, *more = piece.split("\n")
        for number, part in enumerate([first, *more]):
            place += number > 0
            if stays and staying:
                left[staying[place]] += part
    return left


def _moves_lines(operation: Operation) -> bool:
    return isinstance(operation, Replace | ReplaceOnce) and "\n" in operation.source + operation.target


def domain_of(metadata: Mapping[str, Any]) -> str:
    """The host that a document comes from, without www; "" if nothing says so."""
    for name in ("domain", "site"):
        if isinstance(metadata.get(name), str) and metadata[name]:
            return str(metadata[name])[:100]
    try:
        host = urlsplit(_first(metadata, _URLS)).hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")[:100]


def _first(metadata: Mapping[str, Any], names: Sequence[str]) -> str:
    """The first of these fields that is a string, here or in a record called metadata, meta or warc headers."""
    inner = [value for name in ("metadata", "meta", "warc_headers") if isinstance(value := metadata.get(name), Mapping)]
    for fields in (metadata, *inner):
        for name in names:
            if isinstance(fields.get(name), str) and fields[name]:
                return str(fields[name])
    return ""
