"""Strings that name one place of a text, and no other."""

from collections.abc import Callable, Sequence

from prox.program.minimal_edits import Hunk


def anchored(text: str, hunks: Sequence[Hunk]) -> list[tuple[str, str]]:
    """Replacements, source and target, that carry out the hunks one after the other.

    Each source occurs once, in the text as it is at the beginning and when its turn comes. Where what a hunk removes
    does not, the shortest context on one side is added to source and target, up to the next hunk; if all of that is
    not enough, hunks are united with what stands between them.

    >>> anchored("a, b, c", [Hunk(1, 3, "")]), anchored("x [1] y [2]", [Hunk(1, 5, ""), Hunk(7, 11, "")])
    ([('a, ', 'a')], [(' [1]', ''), (' [2]', '')])
    """
    united = list(hunks)
    if len(united) * len(text) > MOST_SEARCHED:
        united = [_united(text, united)]
    spans = _spans(text, united)
    replacements = [
        (text[start:end], text[start : hunk.start] + hunk.text + text[hunk.end : end])
        for hunk, (start, end) in zip(united, spans, strict=True)
    ]
    if len(united) == 1:
        return replacements
    wanted = _applied(text, hunks)
    for order in (replacements, replacements[::-1]):
        if _carried_out(text, order) == wanted:
            return order
    return anchored(text, [_united(text, united)])


MOST_SEARCHED = 50_000_000
"""Characters that are searched for other occurrences; beyond, all hunks become one."""


def _applied(text: str, hunks: Sequence[Hunk]) -> str:
    pieces = []
    place = 0
    for hunk in hunks:
        pieces += [text[place : hunk.start], hunk.text]
        place = hunk.end
    return "".join([*pieces, text[place:]])


def _united(text: str, hunks: Sequence[Hunk]) -> Hunk:
    start, end = hunks[0].start, hunks[-1].end
    return Hunk(start, end, _applied(text[:end], [Hunk(0, start, ""), *hunks]))


def _carried_out(text: str, replacements: Sequence[tuple[str, str]]) -> str | None:
    for source, target in replacements:
        if text.count(source) != 1:
            return None
        text = text.replace(source, target)
    return text


def _spans(text: str, hunks: list[Hunk]) -> list[tuple[int, int]]:
    """A span for each hunk; those for which there is none are united with the nearer neighbour, in place."""
    spans: list[tuple[int, int]] = []
    while len(spans) < len(hunks):
        number = len(spans)
        hunk = hunks[number]
        last = number + 1 == len(hunks)
        low = hunks[number - 1].end if number else 0
        high = len(text) if last else hunks[number + 1].start
        span = _span(text, hunk.start, hunk.end, low, high)
        if span is not None:
            spans.append(span)
        elif len(hunks) == 1:
            spans.append((0, len(text)))
        elif number and (last or hunk.start - low < high - hunk.end):
            hunks[number - 1 : number + 1] = [_united(text, hunks[number - 1 : number + 1])]
            spans.pop()
        else:
            hunks[number : number + 2] = [_united(text, hunks[number : number + 2])]
    return spans


def _span(text: str, start: int, end: int, low: int, high: int) -> tuple[int, int] | None:
    """The shortest span around a place, within bounds, whose text stands nowhere else."""

    def alone(start: int, end: int) -> bool:
        source = text[start:end]
        return bool(source) and text.find(source) == start and text.find(source, start + 1) < 0

    if alone(start, end):
        return start, end
    before = _least(start - low, lambda more: alone(start - more, end))
    after = _least(high - end, lambda more: alone(start, end + more))
    if before is not None and (after is None or before <= after):
        return start - before, end
    if after is not None:
        return start, end + after
    more = _least(high - end, lambda more: alone(low, end + more))
    return None if more is None else (low, end + more)


def _least(most: int, enough: Callable[[int], bool]) -> int | None:
    """The least number from 1 to `most` that is enough; whatever is larger than one that is enough, is so too."""
    step = 1
    while step < most and not enough(step):
        step *= 2
    high = min(step, most)
    if high < 1 or not enough(high):
        return None
    low = step // 2  # not enough, or 0
    while high - low > 1:
        middle = (low + high) // 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return high
