r"""Replacement in numbered lines.

The lines of a document stay in one list from the first operation to the last, so that a line keeps its number. An
occurrence that spans lines leaves its result in the first of them; the others become `joined`: they hold "" and do
not come back into the text. A target with `\n` makes its line longer, it makes no new number.
"""

from bisect import bisect_right
from collections.abc import Collection

NOT_THERE = "source is not in its lines"


def replace_within_lines(lines: list[str], first: int, last: int, source: str, target: str) -> int | str:
    """Replace in lines `first` to `last`, both included, a source without line break.

    Returns by how many characters they have grown, or why nothing was changed: there is no occurrence.
    """
    found = False
    growth = 0
    for number, line in enumerate(lines[first : last + 1], first):
        if source in line:
            changed = lines[number] = line.replace(source, target)
            growth += len(changed) - len(line)
            found = True
    return growth if found else NOT_THERE


def replace_across_lines(
    lines: list[str],
    joined: set[int],
    first: int,
    last: int,
    source: str,
    target: str,
    removed: Collection[int],
) -> int | str:
    """Replace in lines `first` to `last`, both included, a source with line breaks.

    Returns by how many characters the text has grown, or why nothing was changed: there is no occurrence, or one on a
    line that is `removed`.
    """
    numbers = [number for number in range(first, last + 1) if number not in joined]
    block = "\n".join([lines[number] for number in numbers])
    offset = block.find(source)
    if offset < 0:
        return NOT_THERE
    starts = [0]
    for number in numbers[:-1]:
        starts.append(starts[-1] + len(lines[number]) + 1)

    occurrences: list[tuple[int, int, int]] = []  # offset, places of the first and the last line it takes part of
    while offset >= 0:
        end = offset + len(source)
        place = bisect_right(starts, offset) - 1
        last_place = bisect_right(starts, end) - 1
        if any(number in removed for number in numbers[place : last_place + 1]):
            return "source spans a line that is removed"
        occurrences.append((offset, place, last_place))
        offset = block.find(source, end)

    starts.append(len(block) + 1)
    index = 0
    while index < len(occurrences):
        offset, place, last_place = occurrences[index]
        pieces = [block[starts[place] : offset]]
        while True:
            pieces.append(target)
            rest = offset + len(source)
            index += 1
            if index == len(occurrences) or occurrences[index][1] > last_place:
                break
            offset, _, last_place = occurrences[index]
            pieces.append(block[rest:offset])
        pieces.append(block[rest : starts[last_place + 1] - 1])
        lines[numbers[place]] = "".join(pieces)
        for number in numbers[place + 1 : last_place + 1]:
            lines[number] = ""
            joined.add(number)
    return len(occurrences) * (len(target) - len(source))


def is_subsequence(target: str, source: str) -> bool:
    """Whether deletions alone make `target` out of `source`."""
    if target in source:  # as most are
        return True
    characters = iter(source)
    return all(character in characters for character in target)
