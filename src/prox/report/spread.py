"""Some of many, evenly."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def spread(entries: Sequence[T], most: int) -> list[T]:
    """At most so many, evenly spread, the first among them."""
    count = min(most, len(entries))
    return [entries[place * len(entries) // count] for place in range(count)]
