"""Which pieces of a changed line are gone.

In time that grows with the line, not with its square: words that both sides have equally often are the fixed points,
what lies between two of them is matched in order, and only a short rest is looked at character by character.
"""

import difflib
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

MOST_PAIRS = 2_000
"""Pairs of equal characters, one of either side, that difflib is given for a line: its time is up to their square."""

_WORDS_OF = re.compile(r"\S+|\s+").findall

Piece = tuple[str, bool]


def marked(raw: str, refined: str, most_pairs: int = MOST_PAIRS) -> list[Piece]:
    """Pieces of a raw line in order, and whether each is still there.

    Args:
        most_pairs: 0 looks at no characters: of words that others have replaced, all is gone between what both share
            at their ends.

    >>> marked("Ten months. Read more", "Ten months.")
    [('Ten months.', True), (' Read more', False)]
    """
    start, end = _common_ends(raw, refined)
    pieces = [
        (raw[:start], True),
        *_between(raw[start : len(raw) - end], refined[start : len(refined) - end], most_pairs),
        (raw[len(raw) - end :], True),
    ]
    runs = groupby((piece for piece in pieces if piece[0]), key=lambda piece: piece[1])
    return _at_boundaries([("".join(text for text, _ in run), kept) for kept, run in runs])


_MOST_SLIDES = 100


def _at_boundaries(pieces: list[Piece]) -> list[Piece]:
    """What is gone begins and ends where words and brackets do, as far as other places leave the same text.

    Of `cited.[12][b]` without `[12]`, `12][` is gone as well as `[12]`.
    """
    for place in range(1, len(pieces) - 1):
        if not pieces[place][1]:
            pieces[place - 1 : place + 2] = _best_slide(*(text for text, _ in pieces[place - 1 : place + 2]))
    return [piece for piece in pieces if piece[0]]


def _best_slide(before: str, gone: str, after: str) -> list[Piece]:
    text = before + gone + after
    start, size = len(before), len(gone)
    least = most = start
    while least > max(0, start - _MOST_SLIDES) and text[least - 1] == text[least - 1 + size]:
        least -= 1
    while most < min(len(text) - size, start + _MOST_SLIDES) and text[most] == text[most + size]:
        most += 1

    def worth(first: int) -> tuple[int, int]:
        return _boundary(text, first) + _boundary(text, first + size), -abs(first - start)

    first = max(range(least, most + 1), key=worth)
    return [(text[:first], True), (text[first : first + size], False), (text[first + size :], True)]


def _boundary(text: str, place: int) -> int:
    """How well a text can be cut at a place: 2 between words and around brackets, 0 inside of a word."""
    if place in (0, len(text)):
        return 2
    left, right = text[place - 1], text[place]
    if left.isspace() or right.isspace() or right in "([{" or left in ")]}":
        return 2
    return int(left.isalnum() != right.isalnum())


def taken_out(raw: str, refined: str) -> list[str]:
    """The stretches of a changed line that are gone, if words only went: what stands between what is left."""
    return [piece.strip() for piece, kept in marked(raw, refined, 0) if not kept and piece.strip()]


def _common_ends(one: Sequence[str], other: Sequence[str]) -> tuple[int, int]:
    """Of two strings or lists: how much of the beginning is the same, and how much of the end of the rest."""
    shorter = min(len(one), len(other))
    start = next((place for place in range(shorter) if one[place] != other[place]), shorter)
    most = shorter - start
    return start, next((place for place in range(most) if one[-1 - place] != other[-1 - place]), most)


def _between(left: str, right: str, room: int) -> Iterator[Piece]:
    words, others = _WORDS_OF(left), _WORDS_OF(right)
    fixed = [(-1, -1), *_fixed_points(words, others), (len(words), len(others))]
    for (place, its_place), (next_place, its_next) in pairwise(fixed):
        own, other = words[place + 1 : next_place], others[its_place + 1 : its_next]
        pieces = _in_order(own, other)
        if pieces is None:
            pieces, taken = _by_characters("".join(own), "".join(other), room)
            room -= taken
        yield from pieces
        if next_place < len(words):
            yield words[next_place], True


def _fixed_points(words: Sequence[str], others: Sequence[str]) -> list[tuple[int, int]]:
    """Places of words that stand equally often on either side, as many as are in the same order: patience sorting."""
    counts = Counter(words)
    its_places: defaultdict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(others):
        its_places[word].append(place)
    same = {word: iter(its) for word, its in its_places.items() if counts[word] == len(its) and not word.isspace()}
    pairs = [(place, next(same[word])) for place, word in enumerate(words) if word in same]
    tops: list[int] = []
    ends: list[int] = []
    before: list[int | None] = []
    for number, (_, its_place) in enumerate(pairs):
        pile = bisect_left(tops, its_place)
        before.append(ends[pile - 1] if pile else None)
        tops[pile : pile + 1] = [its_place]
        ends[pile : pile + 1] = [number]
    chain = []
    current = ends[-1] if ends else None
    while current is not None:
        chain.append(pairs[current])
        current = before[current]
    return chain[::-1]


def _in_order(own: Sequence[str], other: Sequence[str]) -> list[Piece] | None:
    """The words of `own` that make `other`, if words only went; else None."""
    start, end = _common_ends(own, other)
    rest, pieces = list(other[start : len(other) - end]), []
    taken = 0
    for word in own[start : len(own) - end]:
        stays = taken < len(rest) and word == rest[taken]
        taken += stays
        pieces.append((word, stays))
    if taken < len(rest):
        return None
    return [("".join(own[:start]), True), *pieces, ("".join(own[len(own) - end :]), True)]


def _by_characters(own: str, other: str, room: int) -> tuple[list[Piece], int]:
    """Pieces of `own`, and how many pairs of equal characters difflib was given, at most so many."""
    start, end = _common_ends(own, other)
    middle, its_middle = own[start : len(own) - end], other[start : len(other) - end]
    between = [(middle, False)]
    counts = Counter(its_middle)
    taken = sum(count * counts[character] for character, count in Counter(middle).items())
    if taken > room:
        taken = 0
    elif taken:
        matcher = difflib.SequenceMatcher(None, middle, its_middle, autojunk=False)
        between = [(middle[first:last], kind == "equal") for kind, first, last, _, _ in matcher.get_opcodes()]
    return [(own[:start], True), *between, (own[len(own) - end :], True)], taken
