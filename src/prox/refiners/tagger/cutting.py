"""Which of the noisy parts of a line go, and the replacements that take them out of it and nothing else."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence

from prox.program.anchoring import anchored
from prox.program.minimal_edits import Hunk
from prox.refiners.tagger.parts import Part

MOST_SEARCHED = 500_000_000
"""Characters that are looked through for the sources of a line; where it would take more, its parts stay."""

MOST_ANCHORED = 20_000_000
"""The same where a source does not only stand where a part does."""


def chosen(scored: Iterable[tuple[Part, float]]) -> dict[int, list[Part]]:
    """By line, in order: parts without overlap, the surest first, and of equals the longest."""
    taken: dict[int, list[Part]] = {}
    for part, _ in sorted(scored, key=lambda each: (-each[1], each[0].start - each[0].end, each[0])):
        others = taken.setdefault(part.line, [])
        place = bisect_left(others, part)
        before, after = others[max(0, place - 1) : place], others[place : place + 1]
        if all(other.end <= part.start for other in before) and all(part.end <= other.start for other in after):
            others.insert(place, part)
    return {line: taken[line] for line in sorted(taken)}


def replacements(line: str, parts: Sequence[Part]) -> list[tuple[str, str]]:
    """Sources and targets, one after the other, that take the parts out of a line; none if it would show nothing then.

    A replacement acts wherever its source stands. Where that is not only in the parts, context is added that stays.

    >>> replacements("x[1] is big [1]", [Part(0, 11, 15, 0)])
    [(' [1]', '')]
    >>> replacements("See [1] or [1].", [Part(0, 10, 14, 0)])
    [('r [1]', 'r')]
    """
    hunks = [Hunk(part.start, part.end, "") for part in parts]
    if not hunks[0].start:
        end = _behind_blanks(line, hunks[0].end)
        hunks[0] = Hunk(0, min(end, hunks[1].start) if len(hunks) > 1 else end, "")
    pieces: list[str] = []
    place = 0
    for hunk in hunks:
        pieces.append(line[place : hunk.start])
        place = hunk.end
    wanted = "".join([*pieces, line[place:]])
    sources = list(dict.fromkeys(line[hunk.start : hunk.end] for hunk in hunks))
    if not wanted.strip() or len(sources) * len(line) > MOST_SEARCHED:
        return []
    left = line
    for source in sources:
        left = left.replace(source, "")
    if left == wanted:
        return [(source, "") for source in sources]
    return anchored(line, hunks) if len(hunks) * len(line) <= MOST_ANCHORED else []


def _behind_blanks(line: str, place: int) -> int:
    while line[place : place + 1] in (" ", "\t", "\u00a0"):
        place += 1
    return place
