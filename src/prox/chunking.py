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
    """

    document_id: str
    text: str
    first_line: int
    skipped: bool = False

    @property
    def last_line(self) -> int:
        """The number of its last line, from 0 over the document; that line is part of the chunk."""
        return self.first_line + self.text.count("\n")

    @property
    def scope(self) -> Scope:
        """The scope of the programs that are written for it."""
        return Scope(self.first_line, self.last_line)


def chunk_document(
    document: Document, window: int | None = 1500, measure: Callable[[str], int] = count_words
) -> list[Chunk]:
    r"""Pack whole lines up to the window (ProX, appendix A: 1,500 tokens, measured in words to save time).

    A single line that is longer than the window is a chunk of its own, marked as skipped. Joined by `\n`, the chunks
    give the document's text back byte for byte.

    Args:
        document: Any document; the empty text has one empty line, and so one chunk.
        window: The most that a chunk may measure; `None` makes one chunk of the document.
        measure: The size of a line, in words or tokens; called once a line.

    >>> [chunk.text for chunk in chunk_document(Document("a", "one two\nthree\nfour five"), window=3)]
    ['one two\nthree', 'four five']
    """
    if window is None:
        return [Chunk(document.id, document.text, 0)]
    if window < 1:
        raise UsageError(f"window is {window}; it must be 1 or more, or None for one chunk per document")
    chunks: list[Chunk] = []
    pending: list[str] = []
    first_line = filled = 0
    for number, line in enumerate(split_lines(document.text)):
        size = measure(line)
        if pending and filled + size > window:
            chunks.append(Chunk(document.id, join_lines(pending), first_line))
            pending, filled = [], 0
        if size > window:
            chunks.append(Chunk(document.id, line, number, skipped=True))
            continue
        if not pending:
            first_line = number
        pending.append(line)
        filled += size
    if pending:
        chunks.append(Chunk(document.id, join_lines(pending), first_line))
    return chunks
