"""Ranges of a text, half open, in order and without overlap."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

Spans: TypeAlias = Sequence[tuple[int, int]]


def joined(text: str, spans: Spans) -> str:
    return "".join([text[start:end] for start, end in spans])


def all_but(spans: Spans, length: int) -> list[tuple[int, int]]:
    """What is between the spans in a text of a length, without empty ones.

    >>> all_but([(0, 2), (4, 6)], 9)
    [(2, 4), (6, 9)]
    """
    edges = [(0, 0), *spans, (length, length)]
    return [(a[1], b[0]) for a, b in pairwise(edges) if a[1] < b[0]]


def selected(kept: Spans, wanted: Spans) -> tuple[tuple[int, int], ...]:
    """Ranges of the text that is left of a raw one, as ranges of the raw one.

    >>> selected([(0, 5), (10, 20)], [(3, 7)])
    ((3, 5), (10, 12))
    """
    found = []
    place = number = 0  # where the span `number` begins in the text that is left
    for start, end in wanted:
        while start < end and number < len(kept):
            first, last = kept[number]
            if place + last - first <= start:
                place += last - first
                number += 1
                continue
            stop = min(end, place + last - first)
            found.append((first + start - place, first + stop - place))
            start = stop
    return tuple(found)
