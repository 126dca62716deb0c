"""Minimal edits between two sequences: the fewest runs to remove, and the fewest characters to change.

Sequences are texts (of characters) or lists of lines. Ranges are half open.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

Range: TypeAlias = tuple[int, int]
Line: TypeAlias = "tuple[int, int, Line | None]"
"""A block of what stays: where it starts in both sequences, and the block before it."""

WORK = 20_000
"""Steps that the search for fewer runs may take between two fixed points; beyond, the first good answer is given."""


@dataclass(frozen=True, slots=True)
class Removal:
    """Runs of a sequence that are removed, in order, and whether fewer are proven to be impossible."""

    runs: list[Range]
    proven: bool = True


@dataclass(frozen=True, slots=True)
class Hunk:
    """A place of a text, `start` to `end`, and the text that replaces it."""

    start: int
    end: int
    text: str


def fewest_runs(raw: Sequence[str], refined: Sequence[str]) -> Removal | None:
    """The fewest runs whose removal makes `refined` of `raw`; `None` if removals alone cannot.

    Equal ends stay, and so does every element that `raw` has only once: it has but one place to come from. Between two
    such fixed points the choice is free of what lies outside, and a search tries all ways that could take fewer runs
    than a greedy one did.

    >>> fewest_runs("abcabd", "abd").runs, fewest_runs(["a", "", "b", "", "c"], ["a", "", "c"]).runs
    ([(2, 5)], [(2, 4)])
    """
    runs: list[Range] = []
    proven = True
    stack = [(0, len(raw), 0, len(refined), 0)]
    while stack:
        first, last, start, stop, depth = stack.pop()
        if last - first < stop - start:
            return None
        same = common_prefix(raw, refined, first, last, start, stop)
        first, start = first + same, start + same
        same = common_suffix(raw, refined, first, last, start, stop)
        last, stop = last - same, stop - same
        if start == stop:
            if first < last:
                runs.append((first, last))
            continue
        if last - first == stop - start:
            return None
        parts = _fixed_points(raw, refined, first, last, start, stop)
        if parts is None:
            return None
        if len(parts) > 1 and depth < DEEPEST:
            stack += [(*part, depth + 1) for part in parts]
            continue
        found = _between(raw[first:last], refined[start:stop])
        if found is None:
            return None
        runs += [(first + begin, first + end) for begin, end in found.runs]
        proven = proven and found.proven
    runs.sort()
    return Removal(runs, proven)


DEEPEST = 12
"""Fixed points within fixed points: inside a part more elements are there only once."""

Part: TypeAlias = tuple[int, int, int, int]


def _fixed_points(
    raw: Sequence[str], refined: Sequence[str], first: int, last: int, start: int, stop: int
) -> list[Part] | None:
    """The parts between elements with a single place; `None` if these are out of order, or one is missing."""
    places: dict[str, int] = {}
    for place in range(first, last):
        element = raw[place]
        places[element] = -1 if element in places else place
    parts: list[Part] = []
    for index in range(start, stop):
        place = places.get(refined[index], -2)
        if place == -2 or -1 < place < first:
            return None
        if place >= 0:
            parts.append((first, place, start, index))
            first, start = place + 1, index + 1
    parts.append((first, last, start, stop))
    return parts


def _between(raw: Sequence[str], refined: Sequence[str]) -> Removal | None:
    """The same where the ends differ and no element is fixed."""
    places: dict[str, list[int]] = {}
    for place, element in enumerate(raw):
        places.setdefault(element, []).append(place)
    greedy = _greedy(raw, refined, places)
    if greedy is None:
        return None
    pairs = set(pairwise(raw))
    least = [0] * len(refined)  # runs that must follow element j, as no such pair stands side by side in `raw`
    for index in range(len(refined) - 2, -1, -1):
        least[index] = least[index + 1] + ((refined[index], refined[index + 1]) not in pairs)
    better, proven = _search(raw, refined, places, least, len(greedy) - 1)
    return Removal(_runs(better, len(raw), len(refined)) if better else greedy, proven)


def _greedy(raw: Sequence[str], refined: Sequence[str], places: dict[str, list[int]]) -> list[Range] | None:
    """Removed runs if every block goes on as long as it can, from the place where it can go on longest."""
    spare = len(raw) - len(refined)
    latest = _latest(raw, refined)
    if latest is None:
        return None
    runs: list[Range] = []
    place = index = 0
    while index < len(refined):
        candidates = places[refined[index]]
        begin = bisect_left(candidates, place)
        best, length = -1, 0
        for candidate in candidates[begin : begin + 16]:
            if candidate > latest[index] or candidate - index > spare:
                break
            same = common_prefix(raw, refined, candidate, len(raw), index, len(refined))
            if same > length:
                best, length = candidate, same
        # A block that goes on beyond its latest place would leave no room for what follows: it never does, as equal
        # elements side by side keep their distance to the end, and `latest` is the last possible place of each.
        if best > place:
            runs.append((place, best))
        place, index = best + length, index + length
    if place < len(raw):
        runs.append((place, len(raw)))
    return runs


def _latest(raw: Sequence[str], refined: Sequence[str]) -> list[int] | None:
    """The last place that each element of `refined` can come from; `None` if there is none."""
    latest = [0] * len(refined)
    place = len(raw) - 1
    for index in range(len(refined) - 1, -1, -1):
        element = refined[index]
        while place >= 0 and raw[place] != element:
            place -= 1
        if place < 0:
            return None
        latest[index] = place
        place -= 1
    return latest


def _search(
    raw: Sequence[str], refined: Sequence[str], places: dict[str, list[int]], least: list[int], most: int
) -> tuple["Line | None", bool]:
    """Blocks that need `most` runs or fewer, the fewest possible, and whether all ways were tried.

    Row by row over `refined`; a state is the place that the row's element comes from. One to the left with fewer runs
    makes a state useless: whatever follows can follow there too, for one run more.
    """
    spare = len(raw) - len(refined)
    states: dict[int, tuple[int, Line]] = {-1: (0, (-1, -1, None))}
    work = 0
    for index, element in enumerate(refined):
        following: dict[int, tuple[int, Line]] = {}
        before = iter(states.items())
        coming = next(before, None)
        cheapest, parent = most + 2, None
        candidates = places[element]
        begin = bisect_left(candidates, next(iter(states)) + 1)
        lowest = most + 1
        for place in candidates[begin:]:
            work += 1
            if place - index > spare or work > WORK:
                break
            while coming is not None and coming[0] < place - 1:
                if coming[1][0] < cheapest:
                    cheapest, parent = coming[1]
                coming = next(before, None)
            count, line = cheapest + 1, None
            beside = states.get(place - 1)
            if beside is not None and beside[0] <= count:
                count, line = beside
            needed = max(least[index], int(place - index != spare))
            if count <= lowest and count + needed <= most:
                lowest = count
                following[place] = (count, line or (place, index, parent))
        if work > WORK:
            return None, False
        if not following:
            return None, True
        states = following
    _, best = min(states.values(), key=lambda state: state[0])
    fewest = None
    for place, (count, line) in states.items():
        total = count + (place != len(raw) - 1)
        if fewest is None or total < fewest:
            fewest, best = total, line
    return best, True


def _runs(line: "Line | None", raw_size: int, refined_size: int) -> list[Range]:
    """What lies between the blocks."""
    runs: list[Range] = []
    place_end, index_end = raw_size, refined_size
    while line is not None:
        place, index, line = line
        stop = place + index_end - index
        if stop < place_end:
            runs.append((stop, place_end))
        place_end, index_end = place, index
    return runs[::-1]


def common_prefix(a: Sequence[str], b: Sequence[str], start_a: int, stop_a: int, start_b: int, stop_b: int) -> int:
    """How many elements of two ranges are the same from their beginning; by slices, so that C compares."""
    most = min(stop_a - start_a, stop_b - start_b)
    same, step = 0, 8
    while same < most:
        step = min(step, most - same)
        if a[start_a + same : start_a + same + step] == b[start_b + same : start_b + same + step]:
            same += step
            step *= 4
        elif step == 1:
            break
        else:
            most = same + step
            step = max(1, step // 2)
    return same


def common_suffix(a: Sequence[str], b: Sequence[str], start_a: int, stop_a: int, start_b: int, stop_b: int) -> int:
    """The same from their end."""
    most = min(stop_a - start_a, stop_b - start_b)
    same, step = 0, 8
    while same < most:
        step = min(step, most - same)
        if a[stop_a - same - step : stop_a - same] == b[stop_b - same - step : stop_b - same]:
            same += step
            step *= 4
        elif step == 1:
            break
        else:
            most = same + step
            step = max(1, step // 2)
    return same


def edit_script(raw: str, refined: str) -> list[Hunk]:
    """The hunks of a script that deletes and inserts as few characters as possible.

    Longest common subsequence, bit-parallel (Hyyrö 2004): a row of the table is one integer, so that it takes
    |raw| · |refined| / 64 steps and as many words.

    >>> edit_script("colour of it", "color of them")
    [Hunk(start=4, end=5, text=''), Hunk(start=10, end=11, text=''), Hunk(start=12, end=12, text='hem')]
    """
    size = len(raw)
    first = common_prefix(raw, refined, 0, size, 0, len(refined))
    end = common_suffix(raw, refined, first, size, first, len(refined))
    a, b = raw[first : size - end], refined[first : len(refined) - end]
    if not a or not b:
        return [Hunk(first, first + len(a), b)] if a or b else []
    rows = _table(a, b)
    hunks: list[Hunk] = []
    place, index = len(a), len(b)
    stop, text_stop = place, index
    while place and index:
        if rows[index] >> (place - 1) & 1:  # no step up here: a[place - 1] is not needed for the longest one
            place -= 1
        elif index and not rows[index - 1] >> (place - 1) & 1:
            index -= 1
        else:
            if (place, index) != (stop, text_stop):
                hunks.append(Hunk(first + place, first + stop, b[index:text_stop]))
            place, index = place - 1, index - 1
            stop, text_stop = place, index
    if stop or text_stop:
        hunks.append(Hunk(first, first + stop, b[:text_stop]))
    return hunks[::-1]


def _table(a: str, b: str) -> list[int]:
    """A row for each prefix of `b`; a bit is 0 where the longest common subsequence grows by one with that of `a`."""
    bits: dict[str, int] = {}
    for place, character in enumerate(a):
        bits[character] = bits.get(character, 0) | 1 << place
    mask = (1 << len(a)) - 1
    row = mask
    rows = [row]
    for character in b:
        matches = row & bits.get(character, 0)
        row = (row + matches | row - matches) & mask
        rows.append(row)
    return rows


def common_length(a: str, b: str) -> int:
    """The length of the longest common subsequence."""
    first = common_prefix(a, b, 0, len(a), 0, len(b))
    end = common_suffix(a, b, first, len(a), first, len(b))
    a, b = a[first : len(a) - end], b[first : len(b) - end]
    if not a or not b:
        return first + end
    bits: dict[str, int] = {}
    for place, character in enumerate(a):
        bits[character] = bits.get(character, 0) | 1 << place
    mask = row = (1 << len(a)) - 1
    for character in b:
        matches = row & bits.get(character, 0)
        row = (row + matches | row - matches) & mask
    return first + end + len(a) - row.bit_count()
