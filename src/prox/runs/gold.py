"""Gold: records with labels, as `prox score` reads them: of people, line by line, or the program of a teacher."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from prox.corpora import FoundFiles, Quarantined, numbered_records
from prox.document import Document, split_lines
from prox.program import Policy, Program, RemoveLines, Replace, execute
from prox.program.replacing import is_subsequence
from prox.refiners.draft import Level
from prox.runs.failure_kinds import failure_kind
from prox.runs.places import by_line, places_left


@dataclass(frozen=True, slots=True)
class LineGold:
    """A page with a label for each line.

    Attributes:
        noise: 1 for a noise line, 0 for content.
        neutral: Numbers of the lines that are left out.
        partials: By line, the places of certain noise inside it.
        unsure: Lines with partial noise that is not certain.
        by_program: The labels are what a program does: of a teacher, not of people.
    """

    document: Document
    source: str | None
    site: str | None
    noise: Sequence[int]
    neutral: frozenset[int]
    partials: dict[int, list[tuple[int, int]]]
    unsure: frozenset[int]
    by_program: bool = False
    level: Level = Level.CHUNK


@dataclass(frozen=True, slots=True)
class DocumentGold:
    """A document that people want to keep, or not."""

    document: Document
    source: str | None
    site: str | None
    keep: bool
    level: Level = Level.DOCUMENT


def gold_records(files: FoundFiles) -> Iterator[tuple[str, dict[str, Any] | Quarantined]]:
    """All records, each with where it stands, for people."""
    for file in files:
        for number, record in numbered_records(file):
            if isinstance(record, dict) and record.get("id"):
                yield writable(f"{file.name}, id {record['id']}"), record
            else:
                yield f"{file.name}, record {number}", record


def parse_gold(record: dict[str, Any] | Quarantined, place: str) -> LineGold | DocumentGold | str:
    """The gold of a record, or why it has none."""
    if isinstance(record, Quarantined):
        return record.reason.partition(":")[0]
    of_lines = "raw_text" in record and not LINE_FIELDS.isdisjoint(record) and not of_document(record)
    if not of_lines and not {"text", "keep"} <= record.keys():
        return "neither raw_text with line_labels or program nor text with keep"
    name = "raw_text" if of_lines else "text"
    text = record[name]
    if not isinstance(text, str):
        return f"{name} is not a string"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "lone surrogate"
    document = Document(str(record.get("id") or place), text)
    source, site = _named(record.get("source")), site_of(record) or None
    if not of_lines:
        keep = record["keep"]
        return DocumentGold(document, source, site, bool(keep)) if _is_bit(keep) else "keep is not 0 or 1"

    lines = split_lines(text)
    neutral = record.get("neutral_lines") or []
    if not isinstance(neutral, list) or not all(_is_place(number, len(lines)) for number in neutral):
        return "neutral_lines is not a list of line numbers"
    by_program = False
    if record.get("line_labels") is not None:  # people know better than programs
        labels = _labels_of_people(record, lines)
    elif any(record.get(name) is not None for name in SOME_LINES):
        labels = _labels_of_some_lines(record, lines)
    elif by_program := "program" in record:
        labels = _labels_of_program(record["program"], text, lines)
    else:
        labels = _labels_of_people(record, lines)
    if isinstance(labels, str):
        return labels
    left_out = labels.unknown.union(neutral)
    if len(left_out) == len(lines):
        return "all lines are neutral"  # a page that nobody judged is no clean one
    return LineGold(document, source, site, labels.noise, left_out, labels.partials, labels.unsure, by_program)


SOME_LINES = frozenset({"content_lines", "noise_lines"})
LINE_FIELDS = SOME_LINES | {"line_labels", "program"}
"""Each of them says something of the lines of `raw_text`."""


def of_document(record: Mapping[str, Any]) -> bool:
    """Whether only a whole document is judged, also where every record has every field, as in Parquet."""
    return record.get("raw_text") is None and {"text", "keep"} <= record.keys()


def site_of(fields: Mapping[str, Any]) -> str:
    """The site that a record says it is from, "" if it does not.

    >>> site_of({"url": "https://www.river.example/a"}), site_of({"site": "river", "url": "https://a.example"})
    ('www.river.example', 'river')
    """
    for name in ("site_key", "site"):
        value = fields.get(name)
        if isinstance(value, str | int) and str(value):
            return writable(str(value))
    url = fields.get("url")
    if not isinstance(url, str):
        return ""
    try:
        return writable(urlsplit(url).hostname or "")
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class _Labels:
    """Three fields of `LineGold`, and the lines that nobody judged."""

    noise: Sequence[int]
    partials: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    unsure: frozenset[int] = frozenset()
    unknown: frozenset[int] = frozenset()


def _labels_of_people(record: dict[str, Any], lines: Sequence[str]) -> _Labels | str:
    labels = record.get("line_labels")
    if not isinstance(labels, list) or not all(map(_is_bit, labels)):
        return "line_labels is not a list of 0 and 1"
    if len(labels) != len(lines):
        return "line_labels has not one label for each line"
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
    return _Labels(labels, partials, frozenset(unsure))


def _labels_of_some_lines(record: dict[str, Any], lines: Sequence[str]) -> _Labels | str:
    """Of a page of which only some lines are known to be content, or noise."""
    content, noise = (record.get(name) or [] for name in ("content_lines", "noise_lines"))
    for name, numbers in (("content_lines", content), ("noise_lines", noise)):
        if not isinstance(numbers, list) or not all(_is_place(number, len(lines)) for number in numbers):
            return f"{name} is not a list of line numbers"
    labels = [0] * len(lines)
    for number in noise:
        labels[number] = 1
    if not set(content).isdisjoint(noise):
        return "a line is in content_lines and in noise_lines"
    return _Labels(labels, unknown=frozenset(range(len(lines))) - {*content, *noise})


def _labels_of_program(written: object, text: str, lines: Sequence[str]) -> _Labels | str:
    """What a program removes is noise: lines, and inside a line that stays what its deletions take away.

    Lines that it adds are not looked at. Where a replacement spans lines, or brings in other characters, nobody can
    say which characters it calls noise: its lines count among those that are not sure.
    """
    if not isinstance(written, str):
        return "program is not a string"
    program = Program.parse(written)
    if program.errors:
        return f"program cannot be read, {failure_kind(program.errors[0].message)}"
    outcome = execute(text, program, Policy.unlimited())
    if outcome.rejected:
        return f"program does not fit its text, {failure_kind(outcome.rejected[0].reason)}"
    if outcome.dropped:
        return _Labels([1] * len(lines))
    noise = [0] * len(lines)
    replacements: list[Replace] = []
    for operation in outcome.program.operations:
        if isinstance(operation, RemoveLines):
            noise[operation.first : operation.last + 1] = [1] * (operation.last + 1 - operation.first)
        elif isinstance(operation, Replace):
            replacements.append(operation)
    partials: dict[int, list[tuple[int, int]]] = {}
    unsure = {
        number
        for each in replacements
        if "\n" in each.source or not is_subsequence(each.target, each.source)
        for number in range(each.first or 0, (len(lines) - 1 if each.last is None else each.last) + 1)
        if "\n" in each.source or each.source in lines[number]
    }
    of_line = by_line(replacements)
    for number, line in enumerate(lines) if replacements else ():
        left = places_left(line, number, of_line(number))
        if len(left) < len(line) and not noise[number] and number not in unsure:
            partials[number] = _gaps(left, len(line))
    return _Labels(noise, partials, frozenset(unsure))


def _gaps(places: Sequence[int], end: int) -> list[tuple[int, int]]:
    """The ranges between places that are not among them.

    >>> _gaps([0, 1, 4], 6)
    [(2, 4), (5, 6)]
    """
    borders = zip([-1, *places], [*places, end], strict=True)
    return [(before + 1, after) for before, after in borders if after > before + 1]


def _named(value: object) -> str | None:
    return None if value is None else writable(str(value))


def writable(text: str) -> str:
    """With "?" for each lone surrogate."""
    return text.encode(errors="replace").decode()


def _is_bit(value: object) -> bool:
    return isinstance(value, int | float) and value in (0, 1)


def _is_place(value: object, count: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < count
