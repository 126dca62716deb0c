"""A document while rules edit it, and the program that does the same to the raw text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from prox.document import split_lines
from prox.program import Operation, RemoveLines, Replace
from prox.program.anchoring import anchored
from prox.program.minimal_edits import Hunk
from prox.refiners.rules.english import words
from prox.refiners.rules.spans import Spans, all_but, joined, selected


@dataclass(frozen=True, slots=True)
class Line:
    r"""A line of the document, or a part of one: rules may see line breaks where this project sees none (`\r`, U+2028).

    Attributes:
        number: Of the document's line that it is from, from 0 over the page.
        raw: That line.
        text: What is left of it.
        kept: The ranges of `raw` that are left.
        broken_at: Where the line break before it stands in `raw`; -1 before the first part of a line.
    """

    number: int
    raw: str
    text: str
    kept: Spans
    broken_at: int = -1

    def part(self, start: int, end: int) -> "Line":
        """The part of its text from `start` to `end`."""
        if (start, end) == (0, len(self.text)):
            return self
        return replace(self, text=self.text[start:end], kept=selected(self.kept, [(start, end)]))

    def stripped(self) -> "Line":
        """Without white space at both ends."""
        text = self.text.strip()
        start = len(self.text) - len(self.text.lstrip())
        return self.part(start, start + len(text)) if text else self.part(0, 0)

    def without(self, spans: Spans) -> "Line":
        """Without ranges of its text."""
        left = all_but(spans, len(self.text))
        return replace(self, text=joined(self.text, left), kept=selected(self.kept, left))

    def parts(self) -> list["Line"]:
        """The lines that it is for `str.splitlines`."""
        pieces = self.text.splitlines(keepends=True)
        if len(pieces) == 1 and pieces[0].splitlines() == pieces:
            return [self]
        parts = []
        start = 0
        for piece in pieces:
            text = piece.splitlines()[0]
            part = self.part(start, start + len(text))
            if start:
                part = replace(part, broken_at=selected(self.kept, [(start - 1, start)])[0][0])
            parts.append(part)
            start += len(piece)
        return parts


class Page:
    r"""The text of a document as the rules have left it so far.

    Attributes:
        text: Its lines, joined by `\n`.
        edited: Whether it is another one than at the beginning.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.edited = False
        self._raw = text
        self._lines: list[Line] | None = None
        self._words: list[str] | None = None

    @property
    def words(self) -> list[str]:
        """Of its text, for those who do not change the list."""
        if self._words is None:
            self._words = words(self.text)
        return self._words

    @property
    def lines(self) -> list[Line]:
        if self._lines is None:
            self._lines = [
                Line(number, line, line, ((0, len(line)),)) for number, line in enumerate(split_lines(self._raw))
            ]
        return self._lines

    def keep(self, lines: list[Line]) -> None:
        """Leave these lines, which are lines of the page or parts of them, in order."""
        self._lines = lines
        self._words = None
        self.text = "\n".join([line.text for line in lines])
        self.edited = True

    def operations(self, first_line: int = 0) -> list[Operation]:
        """What makes its text of the raw one: replacements, then removals. `first_line` is the number of the first.

        Where rules saw several lines in one, what is left of them keeps its own line breaks.
        """
        if not self.edited:
            return []
        left = {number: list(parts) for number, parts in groupby(self.lines, lambda line: line.number)}
        count = self._raw.count("\n") + 1
        return [*_replacements(left, first_line), *_removals(left, count, first_line)]


def _removals(left: Iterable[int], count: int, first_line: int) -> list[Operation]:
    operations: list[Operation] = []
    place = 0
    for number in [*left, count]:
        if number > place:
            operations.append(RemoveLines(first_line + place, first_line + number - 1))
        place = number + 1
    return operations


def _replacements(left: dict[int, list[Line]], first_line: int) -> list[Operation]:
    """The same single replacement in lines that follow one another, but for removed ones, is one operation."""
    operations: list[Operation] = []
    before: list[tuple[str, str]] = []
    for number, parts in left.items():
        pairs = _pairs(parts)
        last = operations[-1] if operations else None
        if len(pairs) == 1 and pairs == before and isinstance(last, Replace):
            operations[-1] = replace(last, last=first_line + number)
        else:
            operations += [
                Replace(source, target, first_line + number, first_line + number) for source, target in pairs
            ]
        before = pairs
    return operations


MOST_SOURCES = 20
"""Different strings that are looked for in all of a line; where more are cut out of it, each gets its place."""


def _pairs(parts: Sequence[Line]) -> list[tuple[str, str]]:
    """Sources and targets, one after the other, that leave the parts of a line."""
    raw = parts[0].raw
    if len(parts) == 1 and parts[0].text == raw:
        return []
    kept = list(parts[0].kept)
    for part in parts[1:]:
        kept += [(part.broken_at, part.broken_at + 1), *part.kept]
    cuts = all_but(kept, len(raw))
    if not cuts:
        return []
    sources = list(dict.fromkeys(raw[start:end] for start, end in cuts))
    if len(sources) <= MOST_SOURCES:
        text = raw
        for source in sources:
            text = text.replace(source, "")
        if text == joined(raw, kept):
            return [(source, "") for source in sources]
    return anchored(raw, [Hunk(start, end, "") for start, end in cuts])
