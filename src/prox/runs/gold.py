"""Gold: records with human labels, as `prox score` reads them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from prox.corpora import FoundFiles, Quarantined, numbered_records
from prox.document import Document, split_lines
from prox.refiners.draft import Level


@dataclass(frozen=True, slots=True)
class LineGold:
    """A page with a label for each line.

    Attributes:
        noise: 1 for a noise line, 0 for content.
        neutral: Numbers of the lines that are left out.
        partials: By line, the places of certain noise inside it.
        unsure: Lines with partial noise that is not certain.
    """

    document: Document
    source: str | None
    noise: Sequence[int]
    neutral: frozenset[int]
    partials: dict[int, list[tuple[int, int]]]
    unsure: frozenset[int]
    level: Level = Level.CHUNK


@dataclass(frozen=True, slots=True)
class DocumentGold:
    """A document that people want to keep, or not."""

    document: Document
    source: str | None
    keep: bool
    level: Level = Level.DOCUMENT


def gold_records(files: FoundFiles) -> Iterator[tuple[str, dict[str, Any] | Quarantined]]:
    """All records, each with where it stands, for people."""
    for file in files:
        for number, record in numbered_records(file):
            if isinstance(record, dict) and record.get("id"):
                yield _writable(f"{file.name}, id {record['id']}"), record
            else:
                yield f"{file.name}, record {number}", record


def parse_gold(record: dict[str, Any] | Quarantined, place: str) -> LineGold | DocumentGold | str:
    """The gold of a record, or why it has none."""
    if isinstance(record, Quarantined):
        return record.reason.partition(":")[0]
    of_lines = {"raw_text", "line_labels"} <= record.keys()
    if not of_lines and not {"text", "keep"} <= record.keys():
        return "neither raw_text with line_labels nor text with keep"
    name = "raw_text" if of_lines else "text"
    text = record[name]
    if not isinstance(text, str):
        return f"{name} is not a string"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "lone surrogate"
    document = Document(str(record.get("id") or place), text)
    source = None if record.get("source") is None else _writable(str(record["source"]))
    if not of_lines:
        return DocumentGold(document, source, bool(record["keep"])) if _is_bit(record["keep"]) else "keep is not 0 or 1"

    labels = record["line_labels"]
    lines = split_lines(text)
    if not isinstance(labels, list) or not all(map(_is_bit, labels)):
        return "line_labels is not a list of 0 and 1"
    if len(labels) != len(lines):
        return "line_labels has not one label for each line"
    neutral = record.get("neutral_lines") or []
    if not isinstance(neutral, list) or not all(_is_place(number, len(lines)) for number in neutral):
        return "neutral_lines is not a list of line numbers"
    partials: dict[int, list[tuple[int, int]]] = {}
    unsure = set()
    listed = record.get("partials") or []
    for partial in listed if isinstance(listed, list) else [listed]:
        if not isinstance(partial, dict) or not _is_place(partial.get("line"), len(lines)):
            return "partials is not a list of objects with line and noise"
        line, start, end = partial["line"], partial.get("start"), partial.get("end")
        if partial.get("conf") not in (None, "high") or start is None or end is None:
            unsure.add(line)
        elif not _is_place(end, len(lines[line]) + 1) or not _is_place(start, end + 1):
            return "partials has a start or end outside its line"
        else:
            partials.setdefault(line, []).append((start, end))
    return LineGold(document, source, labels, frozenset(neutral), partials, frozenset(unsure))


def _writable(text: str) -> str:
    return text.encode(errors="replace").decode()


def _is_bit(value: object) -> bool:
    return isinstance(value, int | float) and value in (0, 1)


def _is_place(value: object, count: int) -> bool:
    return isinstance(value, int) and 0 <= value < count
