"""Which lines of a raw text the lines of a refined one come from."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

from prox.program.minimal_edits import common_length, common_prefix, common_suffix, fewest_runs
from prox.program.replacing import is_subsequence


@dataclass(frozen=True, slots=True)
class Change:
    """Raw lines `first` to `last` became refined lines `start` to `stop`; half open, and either may be empty."""

    first: int
    last: int
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Alignment:
    """The changes, in order; between them the lines are the same.

    Attributes:
        proven: Whether no other alignment needs fewer operations: one for a run of removed lines, one for each run of
            characters that is removed inside a line.
    """

    changes: list[Change]
    proven: bool


Path: TypeAlias = "tuple[Change, Path | None]"
States: TypeAlias = "dict[int, tuple[int, Path | None]]"

STEPS, STEPS_PER_LINE, MOST_STEPS = 4_000, 4, 60_000
"""Steps of a search, and more for each line of both texts; beyond, the texts are cut at lines that both have once."""
JOINED = 8
"""Lines that are tried as the origin of one refined line, at most."""


def align_removals(raw: Sequence[str], refined: Sequence[str]) -> Alignment | None:
    """How removals alone make the refined lines: of lines, of characters in them, and of line breaks.

    Whole lines come first: where they are enough, only a program with fewer operations may do without. `None`: no way
    was found.
    """
    whole = fewest_runs(raw, refined)
    most = len(raw) + sum(map(len, refined)) if whole is None else len(whole.runs) - 1
    proven = True
    if whole is not None:
        proven = whole.proven
        if most < 2:  # a line that is changed and one that is removed are two
            return _removals(whole.runs, proven)
    first = common_prefix(raw, refined, 0, len(raw), 0, len(refined))
    end = common_suffix(raw, refined, first, len(raw), first, len(refined))
    inner, target = raw[first : len(raw) - end], refined[first : len(refined) - end]
    limit = min(MOST_STEPS, STEPS + STEPS_PER_LINE * (len(inner) + len(target)))
    search = _Search(inner, target, most, limit)
    changes = search.run()
    if whole is not None and changes is None:
        return _removals(whole.runs, proven and not search.stopped)
    if changes is None and not is_subsequence("\n".join(target), "\n".join(inner)):
        return None
    if changes is None and search.stopped:
        changes = _part_by_part(inner, target, limit)
    elif changes is None:
        changes = _with_joined_lines(inner, target, limit)
    if changes is None:
        return None
    return Alignment([_moved(change, first, first) for change in changes], proven and search.proven)


def _removals(runs: Sequence[tuple[int, int]], proven: bool) -> Alignment:
    changes = []
    gone = 0
    for first, last in runs:
        changes.append(Change(first, last, first - gone, first - gone))
        gone += last - first
    return Alignment(changes, proven)


def _moved(change: Change, lines: int, refined: int) -> Change:
    return Change(change.first + lines, change.last + lines, change.start + refined, change.stop + refined)


def _with_joined_lines(raw: Sequence[str], refined: Sequence[str], limit: int) -> list[Change] | None:
    search = _Search(raw, refined, len(raw) + sum(map(len, refined)), limit, joined=JOINED)
    return search.run()


def _part_by_part(raw: Sequence[str], refined: Sequence[str], limit: int) -> list[Change] | None:
    """Between lines that both texts have once, each part for itself."""
    changes: list[Change] = []
    for part in parts_between_common_lines(raw, refined):
        inner, target = raw[part.first : part.last], refined[part.start : part.stop]
        if not target:
            found: list[Change] | None = [Change(0, len(inner), 0, 0)]
        else:
            most = len(inner) + sum(map(len, target))
            found = _Search(inner, target, most, limit).run() or _Search(inner, target, most, limit, JOINED).run()
        if found is None:
            return None
        changes += [_moved(change, part.first, part.start) for change in found]
    return changes


class _Search:
    """The fewest operations, row by row over the refined lines.

    A state is the raw line that the row's line comes from (the last one, if several were joined). It is useless if one
    to the left has fewer operations: whatever follows can follow there too, for one removal more.
    """

    def __init__(self, raw: Sequence[str], refined: Sequence[str], most: int, limit: int, joined: int = 1) -> None:
        self.raw = raw
        self.refined = refined
        self.most = most
        self.limit = limit
        self.joined = joined
        self.steps = 0
        self.proven = joined == 1
        self.places: dict[str, list[int]] = {}
        for place, line in enumerate(raw):
            self.places.setdefault(line, []).append(place)
        self.least = self._least()

    @property
    def stopped(self) -> bool:
        return self.steps > self.limit

    def run(self) -> list[Change] | None:
        """The changes; `None` if there are none with `most` operations or fewer, or the search was stopped."""
        states: States = {-1: (0, None)}
        end, size = len(self.raw), len(self.refined)
        index = 0
        while index < size:
            if len(states) == 1:  # and where it goes on with equal lines, no other is as good
                ((place, state),) = states.items()
                same = common_prefix(self.raw, self.refined, place + 1, end, index, size)
                if same:
                    states = {place + same: state}
                    index += same
                    continue
            states = self._row(index, states)
            index += 1
            if not states or self.stopped:
                self.proven = False
                return None
        ends = [(count + (place + 1 < end), place, path) for place, (count, path) in states.items()]
        fewest, place, path = min(ends, key=lambda each: each[0])
        if fewest > self.most:
            return None
        changes = [Change(place + 1, end, size, size)] if place + 1 < end else []
        while path is not None:
            change, path = path
            changes.append(change)
        return changes[::-1]

    def _least(self) -> list[int]:
        """Operations that must follow a row: a removal for each pair of lines that do not stand side by side in the
        raw text, or a change of a line for two such pairs."""
        pairs = set(pairwise(self.raw))
        size = len(self.refined)
        least = [0] * (size + 2)
        for index in range(size - 2, -1, -1):
            there = (self.refined[index], self.refined[index + 1]) in pairs
            least[index] = least[index + 1] if there else 1 + least[index + 2]
        return least

    def _row(self, index: int, states: States) -> States:
        line = self.refined[index]
        equal = self.places.get(line, ())
        following: States = {}
        before = iter(states.items())
        coming = next(before, None)
        gap: tuple[int, Path | None, int] | None = None  # the cheapest state from which lines can be removed
        cheapest = min([count for count, _ in states.values()])
        lowest = self.most - self.least[index]
        left = len(self.raw) - (len(self.refined) - index) if self.joined == 1 else len(self.raw) - 1
        for place in self._candidates(next(iter(states)) + 1, left, equal, states, cheapest, following):
            self.steps += 1
            if self.steps > self.limit:
                break
            while coming is not None and coming[0] < place - 1:
                if gap is None or coming[1][0] < gap[0]:
                    gap = (*coming[1], coming[0])
                coming = next(before, None)
            count, path = self.most + 1, None
            removed = None
            if gap is not None:
                count, path = gap[0] + 1, gap[1]
                removed = Change(gap[2] + 1, place, index, index)
            beside = states.get(place - 1)
            if beside is not None and beside[0] <= count:
                count, path = beside
                removed = None
            if count > lowest:
                continue
            same = self.raw[place] == line
            if not same and count + 1 > lowest:
                continue
            origins = ((place + 1, 0),) if same else self._origins(place, line)
            for last, needed in origins:
                total = count + needed
                known = following.get(last - 1)
                if total > lowest or (known is not None and known[0] <= total):
                    continue
                if removed is not None:
                    path = (removed, path)
                    removed = None
                following[last - 1] = total, path if same else (Change(place, last, index, index + 1), path)
                if last == place + 1:
                    lowest = total
        return following if self.joined == 1 else dict(sorted(following.items()))

    def _candidates(
        self, place: int, left: int, equal: Sequence[int], states: States, cheapest: int, following: States
    ) -> Iterator[int]:
        """All places from which the row's line may come, until one is found that leaves room for few others: equal
        lines, and those right behind a state."""
        found = None
        while place <= left:
            yield place
            found = following.get(place)
            place += 1
            if found is not None and found[0] <= cheapest + 1 and self.joined == 1:
                break
        if place > left:
            return
        rest = {state + 1 for state in states if place <= state + 1 <= left}
        if found is None or found[0] > cheapest:  # a removal before it costs one more than the cheapest state
            rest.update(equal[bisect_left(equal, place) : bisect_right(equal, left)])
        yield from sorted(rest)

    def _origins(self, place: int, line: str) -> Iterator[tuple[int, int]]:
        """Where raw lines from `place` on end that become `line` by removals inside them, and how many they take."""
        source = self.raw[place]
        if len(source) > len(line):
            needed = removals_needed(source, line)
            if needed:
                yield place + 1, needed
        for last in range(place + 2, min(place + self.joined, len(self.raw)) + 1):
            source += "\n" + self.raw[last - 1]
            self.steps += 1
            if len(source) > len(line) and is_subsequence(line, source):
                yield last, 1


def removals_needed(raw: str, refined: str) -> int:
    """The fewest runs of characters whose removal makes `refined` of `raw`; 0 if they differ in more than that."""
    if not refined:
        return 1
    if refined[0] not in raw or refined[-1] not in raw:
        return 0
    same = common_prefix(raw, refined, 0, len(raw), 0, len(refined))
    if same + common_suffix(raw, refined, same, len(raw), same, len(refined)) == len(refined):
        return 1
    if not is_subsequence(refined, raw):
        return 0
    removal = fewest_runs(raw, refined)
    return len(removal.runs) if removal else 0


def parts_between_common_lines(raw: Sequence[str], refined: Sequence[str]) -> list[Change]:
    """What differs between the lines that both texts have exactly once, as far as these are in the same order."""
    changes: list[Change] = []
    first = start = 0
    for place, index in [*_common_lines(raw, refined), (len(raw), len(refined))]:
        same = common_prefix(raw, refined, first, place, start, index)
        end = common_suffix(raw, refined, first + same, place, start + same, index)
        change = Change(first + same, place - end, start + same, index - end)
        if change.first < change.last or change.start < change.stop:
            changes.append(change)
        first, start = place + 1, index + 1
    return changes


def _common_lines(raw: Sequence[str], refined: Sequence[str]) -> list[tuple[int, int]]:
    """The longest chain of pairs of such lines that is in order in both texts (patience sorting)."""
    places: dict[str, int] = {}
    for place, line in enumerate(raw):
        places[line] = -1 if line in places else place
    indices: dict[str, int] = {}
    for index, line in enumerate(refined):
        indices[line] = -1 if line in indices else index
    tops: list[int] = []
    chains: list[tuple[tuple[int, int], int]] = []  # a pair, and the number of the chain before it
    piles: list[int] = []
    for line, index in indices.items():
        place = places.get(line, -1)
        if index < 0 or place < 0:
            continue
        pile = bisect_left(tops, place)
        chains.append(((place, index), piles[pile - 1] if pile else -1))
        if pile == len(tops):
            tops.append(place)
            piles.append(len(chains) - 1)
        else:
            tops[pile] = place
            piles[pile] = len(chains) - 1
    found = []
    number = piles[-1] if piles else -1
    while number >= 0:
        pair, number = chains[number]
        found.append(pair)
    return found[::-1]


PAIRS = 400
CHARACTERS = 20_000_000
"""Pairs of lines that are compared, and the product of their sizes, for one part that was rewritten."""


def align_rewrite(raw: Sequence[str], refined: Sequence[str]) -> list[Change]:
    """Changes between texts of which the refined one has something new: first the fewest characters, then changes.

    A part that is too large to compare each line with each is one change as a whole.
    """
    changes: list[Change] = []
    for part in parts_between_common_lines(raw, refined):
        inner, target = raw[part.first : part.last], refined[part.start : part.stop]
        size = sum(map(len, inner)) * sum(map(len, target))
        if not inner or not target or len(inner) == len(target) == 1:
            changes.append(part)
        elif (unwrapped := _unwrapped(inner, target)) is not None:
            changes += [_moved(change, part.first, part.start) for change in unwrapped]
        elif (removals := align_removals(inner, target)) is not None:
            changes += [_moved(change, part.first, part.start) for change in removals.changes]
        elif len(inner) * len(target) > PAIRS or size > CHARACTERS:
            changes.append(part)
        else:
            changes += [_moved(change, part.first, part.start) for change in _closest(inner, target)]
    return changes


def _unwrapped(raw: Sequence[str], refined: Sequence[str]) -> list[Change] | None:
    """The changes if all that happened is that lines were joined by spaces."""
    changes: list[Change] = []
    first = 0
    for index, line in enumerate(refined):
        place, size = first, -1
        while place < len(raw) and size < len(line):
            size += len(raw[place]) + 1
            place += 1
        if " ".join(raw[first:place]) != line:
            return None
        if place - first > 1:
            changes.append(Change(first, place, index, index + 1))
        first = place
    return changes if first == len(raw) else None


def _closest(raw: Sequence[str], refined: Sequence[str]) -> list[Change]:
    """Pair lines so that as many characters as possible stay; lines without a partner are removed, or new."""
    shared = [[_shared(line, other) for other in refined] for line in raw]
    kept = [[0] * (len(refined) + 1) for _ in range(len(raw) + 1)]
    for place in range(len(raw) - 1, -1, -1):
        row, below = kept[place], kept[place + 1]
        for index in range(len(refined) - 1, -1, -1):
            both = shared[place][index]
            row[index] = max(below[index], row[index + 1], both + below[index + 1] if both else 0)
    changes: list[Change] = []
    place = index = first = start = 0

    def close() -> None:
        """Lines without a partner: those that are removed, then those that are new."""
        if first < place:
            changes.append(Change(first, place, start, start))
        if start < index:
            changes.append(Change(place, place, start, index))

    while place < len(raw) and index < len(refined):
        both = shared[place][index]
        if both and kept[place][index] == both + kept[place + 1][index + 1]:
            close()
            if raw[place] != refined[index]:
                changes.append(Change(place, place + 1, index, index + 1))
            place, index = place + 1, index + 1
            first, start = place, index
        elif kept[place][index] == kept[place + 1][index]:
            place += 1
        else:
            index += 1
    place, index = len(raw), len(refined)
    close()
    return changes


def _shared(raw: str, refined: str) -> int:
    """Characters that stay if one line became the other, and one for the line break; 0 if they are too unlike."""
    if raw == refined:
        return len(raw) + 1
    common = common_length(raw, refined)
    return common + 1 if 2 * common >= min(len(raw), len(refined)) and common else 0
