"""Runs of n words that stand in a text more than once.

Strings are compared by a hash, all at once, and only those with equal hashes themselves.
"""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
"""A string is hashed as a number in this odd base, modulo 2**64; so what stands before it can be divided away."""

_BLOCK = 1 << 16
"""Characters that are hashed at once, so that memory grows with the words of a text alone."""


class NGrams:
    """The runs of words of a text, each as one string."""

    def __init__(self, words: Sequence[str], separator: str = "") -> None:
        """`separator`: stands between the words of a run; without one, runs are the same wherever their words begin."""
        self._text = separator.join(words)
        self._gap = len(separator)
        sizes = np.fromiter(map(len, words), np.int64, len(words)) + self._gap
        self._starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
        self._before = _sums(self._text, np.minimum(self._starts, len(self._text)))
        self._up_to = _sums(self._text, self._starts - self._gap) if self._gap else self._before
        self._inverses = _powers_at(self._starts, _INVERSE)

    def __len__(self) -> int:
        """The number of words."""
        return len(self._starts) - 1

    def text(self, place: int, n: int) -> str:
        """The run that begins with word `place`."""
        return self._text[self._starts[place] : self._starts[place + n] - self._gap]

    def _groups(self, n: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The places of all runs, ordered by their hashes, and where in this order another hash begins."""
        count = len(self) - n + 1
        hashes = (self._up_to[n:] - self._before[:count]) * self._inverses[:count]
        order = np.argsort(hashes)
        hashes = hashes[order]
        return order, np.flatnonzero(np.concatenate([[True], hashes[1:] != hashes[:-1]]))

    def repeated_characters(self, n: int) -> int:
        """Characters in runs that stood before, from the first word on, none counted twice."""
        if len(self) <= n:
            return 0
        order, firsts = self._groups(n)
        sizes = np.diff(firsts, append=len(order))
        seen: set[str] = set()
        characters = free = 0
        for place in np.sort(order[np.repeat(sizes > 1, sizes)]).tolist():
            if place < free:
                continue
            run = self.text(place, n)
            if run in seen:
                characters += len(run)
                free = place + n
            else:
                seen.add(run)
        return characters

    def top_characters(self, n: int) -> int:
        """Characters in all occurrences, which may overlap, of the most frequent run; of equals, of the first."""
        if len(self) < n:
            return 0
        order, firsts = self._groups(n)
        sizes = np.diff(firsts, append=len(order))
        most = int(sizes.max())
        of_group = np.minimum.reduceat(order, firsts)
        first = int(of_group[sizes == most].min())
        group = int(np.flatnonzero((sizes == most) & (of_group == first))[0])
        top = self.text(first, n)
        places = order[firsts[group] : firsts[group] + most].tolist()
        if any(self.text(place, n) != top for place in places):  # never seen, but possible
            top, most = Counter(self.text(place, n) for place in range(len(order))).most_common(1)[0]
        return len(top) * most


def _sums(text: str, places: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """The number that stands before each of the places, which are in order. A block of text is looked at a time."""
    found = np.zeros(len(places), np.uint64)
    low, high = _powers(_BASE), _powers(pow(_BASE, _BLOCK, 1 << 64))
    total = np.zeros(1, np.uint64)
    for number, first in enumerate(range(0, len(text), _BLOCK)):
        block = text[first : first + _BLOCK].encode("utf-32-le", "surrogatepass")
        characters = np.frombuffer(block, np.uint32)
        within = np.cumsum(characters * low[: len(characters)]) * high[number] + total
        begin, end = np.searchsorted(places, [first, first + _BLOCK], side="right")
        found[begin:end] = within[places[begin:end] - first - 1]
        total = within[-1:]
    return found


def _powers_at(exponents: npt.NDArray[np.int64], base: int) -> npt.NDArray[np.uint64]:
    """Modulo 2**64."""
    powers: npt.NDArray[np.uint64] = _powers(base)[exponents % _BLOCK]
    return powers * _powers(pow(base, _BLOCK, 1 << 64))[exponents // _BLOCK]


@lru_cache(maxsize=8)
def _powers(base: int) -> npt.NDArray[np.uint64]:
    """Modulo 2**64, as many as a block has characters; enough also for the blocks of four billion characters."""
    powers = np.full(_BLOCK, base, np.uint64)
    powers[0] = 1
    return np.cumprod(powers)
