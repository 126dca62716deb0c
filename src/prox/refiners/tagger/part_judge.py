"""Which parts of lines are noise: a sum of small whole numbers, one for each thing that can be said of a part.

What stands in a table is chosen by the kind of the part and by where each of its measures falls (length, place, what
stands beside it, how often the page has it …); hashed words of the part and the two before it are added. The numbers
are whole, so their sums are exact, and no batch, order or machine can change a verdict.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from prox.refiners.tagger.features import FloatArray, IntArray, TokenArray, line_features
from prox.refiners.tagger.parts import DOMAIN, KINDS, LINK, LINK_IN_BRACKETS, SECURE_LINK, Part, link_free

Page: TypeAlias = tuple[Sequence[str], Sequence[Part]]
"""The lines that stay of a page, and the parts found in them."""

Hashed: TypeAlias = tuple[IntArray | TokenArray, IntArray]
"""Buckets of the words of all parts, and where each part's begin."""

SCALE = 1 / 64
"""What a step of a weight adds to a logit."""

_MEASURES = {
    "length": (4, 6, 9, 13, 19, 28, 40, 60, 90),
    "words": (2, 3, 4, 6, 9, 14),
    "share of the line": (0.05, 0.1, 0.2, 0.35, 0.6),
    "line length": (20, 35, 60, 100, 160, 260, 450, 900),
    "the same on the page": (2, 3, 5, 10),
    "of its kind on the page": (2, 3, 6, 12, 25),
    "of its kind, to a line": (0.05, 0.15, 0.4, 0.8),
    "lines of the page": (3, 8, 20, 50, 120),
    "code": (0.004, 0.015, 0.03, 0.06, 0.12),
    "digits": (0.01, 0.15, 0.4, 0.8),
    "capitals": (0.01, 0.1, 0.2, 0.5, 0.9),
    "slashes": (1, 3, 4, 5, 6),
    "words before": (1, 3, 6, 12, 25),
    "beyond Latin": (0.1, 0.5),
}
"""Where the bins of each number begin."""

_CHARACTERS = 12
_CHOICES = {
    "place": 3,
    "before, with or without white space": 2 * _CHARACTERS,
    "after, with or without white space": 2 * _CHARACTERS,
    "first": _CHARACTERS,
    "last": _CHARACTERS,
    "line begins": _CHARACTERS,
    "year before": 2,
}
"""How many bins each of the other measures has."""

_SIZES = [len(limits) + 1 for limits in _MEASURES.values()] + list(_CHOICES.values())
_OFFSETS = np.cumsum([0, *_SIZES[:-1]])
BINS = sum(_SIZES)
"""Columns of the table: the bins of all measures, one after another."""

ANY = _SIZES[0]
"""Each part falls in one of the first so many columns: a number added to all of them is added to every part."""

ROWS = KINDS + 1
"""Rows of the table: one for each kind, and one that all kinds share."""

WORDS_BEFORE = 1 << 13
"""Buckets of the words before a part."""

_NEAR = 60
"""Characters beside a part that are looked at."""

_CODE = re.compile(r"[{}\[\]()<>=;_$\\|]")
_YEAR = re.compile(r"(?:19|20)\d\d(?!\d)")


@dataclass(frozen=True, slots=True)
class PartWeights:
    """Whole numbers, in steps of `SCALE`.

    Attributes:
        table: (ROWS, BINS): of each kind of part, and of all kinds together in the last row.
        words: (BUCKETS,): of the part's hashed words and word pairs; their sum is divided by the root of their number.
        words_before: (WORDS_BEFORE,): of the last two words before it, divided in the same way.
        thresholds: (KINDS,): the probability from which a part of each kind is removed; above 1 where none is.
    """

    table: FloatArray
    words: FloatArray
    words_before: FloatArray
    thresholds: FloatArray


@dataclass(frozen=True, slots=True)
class PartFeatures:
    """What the judge looks at, for n parts.

    Attributes:
        kinds: (n,).
        bins: (n, measures): columns of the table.
        words, words_before: (m,) and (n,).
    """

    kinds: IntArray
    bins: IntArray
    words: Hashed
    words_before: Hashed


def part_features(pages: Sequence[Page]) -> PartFeatures:
    """Of all parts of the pages, in order. Those of a page do not depend on the other pages."""
    rows: list[tuple[int, ...]] = []
    shown: list[str] = []
    before: list[str] = []
    for lines, parts in pages:
        if not parts:
            continue
        sources = [lines[line][start:end].strip() for line, start, end, _ in parts]
        same = Counter(sources)
        of_kind = Counter([part[3] for part in parts])
        count = len(lines)
        for (number, start, end, kind), source in zip(parts, sources, strict=True):
            line = lines[number]
            length = len(line)
            left, right = line[start - _NEAR if start > _NEAR else 0 : start], line[end : end + _NEAR]
            left_end, right_start = left.rstrip(), right.lstrip()
            rows.append(
                (
                    kind,
                    end - start,
                    source.count(" ") + 1,
                    length,
                    same[source],
                    of_kind[kind],
                    count,
                    len(_CODE.findall(left + right)),
                    len(left) + len(right),
                    source.count("/"),
                    left.count(" "),
                    0 if not start else 1 if right_start or end + _NEAR < length else 2,
                    _class_of[left_end[-1:]] + (_CHARACTERS if source[0] == line[start] else 0),
                    _class_of[right_start[:1]] + (_CHARACTERS if right_start == right else 0),
                    _class_of[source[0]],
                    _class_of[source[-1]],
                    _class_of[line[0]],
                    _YEAR.search(left) is not None,
                )
            )
            shown.append("http" if kind in _BARE_LINKS else link_free(source) if "http" in source else source)
            before.append(" ".join(left_end[-_NEAR // 2 :].split()[-2:]))
    return _features(rows, shown, before)


_BARE_LINKS = frozenset((LINK, SECURE_LINK, LINK_IN_BRACKETS, DOMAIN))


def _features(rows: list[tuple[int, ...]], shown: list[str], before: list[str]) -> PartFeatures:
    n = len(rows)
    if not n:
        none = np.zeros(0, np.int64)
        return PartFeatures(none, none.reshape(0, len(_SIZES)), (none, none), (none, none))
    told = np.array(rows, np.int64)
    kinds, length, words, line_length, same, of_kind, lines, code, beside, slashes, words_before = told.T[:11]
    features = line_features("\n".join(shown))
    shape = np.zeros((n, features.numeric.shape[1]), np.float32)
    shape[features.rows] = features.numeric
    measured = (
        length, words, length / line_length, line_length, same, of_kind, of_kind / lines, lines,
        code / np.maximum(beside, 1), shape[:, 7], shape[:, 2], slashes, words_before, shape[:, 6] + shape[:, 8],
    )  # fmt: skip
    bins = np.empty((n, len(_SIZES)), np.int64)
    for column, (values, limits) in enumerate(zip(measured, _MEASURES.values(), strict=True)):
        bins[:, column] = np.searchsorted(np.array(limits, values.dtype), values, side="right")
    bins[:, len(_MEASURES) :] = told[:, 11:]
    bins += _OFFSETS
    of_words = np.zeros(n, np.int64)
    of_words[features.rows] = np.diff(features.starts, append=len(features.buckets))
    left = line_features("\n".join(before))
    of_left = np.zeros(n, np.int64)
    of_left[left.rows] = left.tokens_per_row
    return PartFeatures(
        kinds, bins, (features.buckets, _starts(of_words)), (left.tokens % WORDS_BEFORE, _starts(of_left))
    )


def _starts(lengths: IntArray) -> IntArray:
    return np.cumsum(lengths) - lengths


def part_scores(features: PartFeatures, weights: PartWeights) -> FloatArray:
    """The probability of each part being noise, (n,)."""
    table = weights.table.astype(np.float64)
    logits = table[features.kinds[:, None], features.bins].sum(axis=1) + table[-1][features.bins].sum(axis=1)
    logits += _mean(features.words, weights.words) + _mean(features.words_before, weights.words_before)
    chances: FloatArray = (1 / (1 + np.exp(-np.clip(logits * SCALE, -30, 30)))).astype(np.float32)
    return chances


def _mean(words: Hashed, weights: FloatArray) -> np.ndarray:
    buckets, starts = words
    total = np.concatenate(([0.0], np.cumsum(weights[buckets], dtype=np.float64)))
    ends = np.append(starts[1:], len(buckets))
    mean: np.ndarray = (total[ends] - total[starts]) / np.sqrt(np.maximum(ends - starts, 1))
    return mean


def _classify(character: str) -> int:
    if not character or character.isspace():
        return 0
    for number, some in enumerate((".!?…。！？", ",;，；、", ":：", "\"”’'»)]）】", "•-–—·*", "([<（【|/\\"), start=5):
        if character in some:
            return number
    if character.isdigit():
        return 4
    if character.isalpha():
        return 1 if character.islower() else 2 if character.isupper() else 3
    return 11


class _Classes(dict[str, int]):
    """What a character beside a part or at its ends is; 0 if there is none. Those of ASCII are kept."""

    def __missing__(self, character: str) -> int:
        return _classify(character)


_class_of = _Classes({character: _classify(character) for character in ["", *map(chr, range(128))]})
