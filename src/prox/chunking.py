"""Documents to chunks: consecutive whole lines that fit the window of a refiner."""

from collections.abc import Callable
from dataclasses import dataclass

from prox.document import Document, join_lines, split_lines
from prox.errors import UsageError
from prox.program import Scope, count_words


@dataclass(frozen=True, slots=True)
class Chunk:
    r"""Consecutive whole lines of a document.

    Attributes:
        document_id: The document it is from.
        text: Its lines, joined by `\n`, without the line break behind the last one.
        first_line: The number of its first line, from 0 over the document.
        skipped: It does not fit the window: no refiner reads it, it stays as it is.
        context: The lines right before it, for refiners that read them to understand it; no program edits them here.
    """

    document_id: str
    text: str
    first_line: int
    skipped: bool = False
    context: tuple[str, ...] = ()

    @property
    def last_line(self) -> int:
        """The number of its last line, from 0 over the document; that line is part of the chunk."""
        return self.first_line + self.text.count("\n")

    @property
    def scope(self) -> Scope:
        """The scope of the programs that are written for it."""
        return Scope(self.first_line, self.last_line)


@dataclass(frozen=True, slots=True)
class Window:
    """How much a refiner reads at once.

    Attributes:
        size: The most that a chunk may measure, with its context.
        measure: The size of a line, in words, tokens or characters; called once a line.
        overlap: The share of a window, below 1, that is filled with the lines before a chunk, as its context.
    """

    size: int = 1500
    measure: Callable[[str], int] = count_words
    overlap: float = 0.0


def chunk_document(
    document: Document, window: Window | int | None = 1500, measure: Callable[[str], int] = count_words
) -> list[Chunk]:
    r"""Pack whole lines up to the window (ProX, appendix A: 1,500 tokens, measured in words to save time).

    A single line that is longer than the window is a chunk of its own, marked as skipped. Joined by `\n`, the chunks
    give the document's text back byte for byte.

    Args:
        document: Any document; the empty text has one empty line, and so one chunk.
        window: The most that a chunk may measure; `None` makes one chunk of the document.
        measure: The size of a line, where the window is a number.

    >>> [chunk.text for chunk in chunk_document(Document("a", "one two\nthree\nfour five"), window=3)]
    ['one two\nthree', 'four five']
    """
    if window is None:
        return [Chunk(document.id, document.text, 0)]
    size, measure, overlap = (
        (window.size, window.measure, window.overlap) if isinstance(window, Window) else (window, measure, 0.0)
    )
    if size < 1:
        raise UsageError(f"window is {size}; it must be 1 or more, or None for one chunk per document")
    if not 0 <= overlap < 1:
        raise UsageError(f"overlap is {overlap}; it must be at least 0 and below 1")
    chunks: list[Chunk] = []
    lines = split_lines(document.text)
    sizes = [measure(line) for line in lines]
    first = first_shown = filled = 0  # of the chunk that is being filled; `filled` with its context

    def close(end: int) -> None:
        if end > first:
            chunks.append(
                Chunk(document.id, join_lines(lines[first:end]), first, context=tuple(lines[first_shown:first]))
            )

    for number, of_line in enumerate(sizes):
        if of_line > size:
            close(number)
            chunks.append(Chunk(document.id, lines[number], number, skipped=True))
            first = first_shown = number + 1
            filled = 0
        elif filled + of_line > size:
            close(number)
            room = min(int(overlap * size), size - of_line)
            first_shown, filled = _context_before(sizes, number, room, first_shown)
            first = number
            filled += of_line
        else:
            filled += of_line
    close(len(lines))
    return chunks


def _context_before(sizes: list[int], number: int, room: int, least: int) -> tuple[int, int]:
    """The first of the lines before line `number` that fit the room, and what they measure."""
    filled = 0
    while number > least and filled + sizes[number - 1] <= room:
        number -= 1
        filled += sizes[number]
    return number, filled
