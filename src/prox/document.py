"""The document and its lines: the one place that knows what a line is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Document:
    """One record of a corpus.

    Attributes:
        id: Unique within its corpus as far as the corpus says so; never empty.
        text: The raw text, unchanged from the file.
        metadata: All other fields of the record, with their types.
    """

    id: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


def split_lines(text: str) -> list[str]:
    r"""Split at `\n` and nowhere else, so that `\r`, form feeds and U+2028 stay inside their line.

    >>> split_lines("a\r\nb\u2028c\n")
    ['a\r', 'b\u2028c', '']
    """
    return text.split("\n")


def join_lines(lines: Sequence[str]) -> str:
    """The inverse of `split_lines`: gives the text back byte for byte."""
    return "\n".join(lines)
