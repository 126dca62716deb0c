"""Is this document worth keeping? A linear judge over what the document looks like and which words it uses.

It was trained on documents that an extractor had cleaned once. So that a good article is not punished for the menus
that a full page puts around and into it, a page in such a frame is judged by its other lines alone.

A judge that was taught by a few hundred documents knows one language and general prose. Where a document is unlike all
of these, be it of another language, mathematics or code, its verdict fades, and what the line network says of the lines
takes its place: see `tempered`.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from prox.refiners.tagger.features import (
    CASELESS,
    COMMA,
    DIGIT,
    IDEOGRAPH,
    LOWER,
    SYMBOL,
    TERMINAL,
    UPPER,
    FloatArray,
    IntArray,
    LineFeatures,
    TokenArray,
)

FRAME, FRAME_SIDE = 15, 3
"""Noisy visible lines in a row, at both ends together and at each, that make a page's frame."""

FRAMED_WORDS = 100
"""Words that a frame stands around at least."""

BoolArray = npt.NDArray[np.bool_]
Buckets: TypeAlias = TokenArray | IntArray

STATISTICS = 25
"""Columns of `document_statistics`."""

FADING = 4.0
"""How fast trust goes: a document that has a quarter less of known words than any usual one is not known at all."""

SUREST = 0.5
"""The highest logit that lines alone give a document: clean lines make no good document."""


@dataclass(frozen=True, slots=True)
class DocumentWeights:
    """Logistic regression on standardised statistics and on two L2-normalised TF-IDF vectors, see `judged_tokens`.

    Attributes:
        words: (2, BUCKETS): weight of each bucket.
        idf: (2, BUCKETS): inverse document frequency; 0 for unknown buckets.
        statistics: (STATISTICS,): weights; `mean` and `scale` standardise.
        bias: The logit of an average document without known words.
        threshold: The probability of keeping below which a document is dropped by default.
        familiar: The share of known words from which the judge is trusted; 0 trusts it always.
        usual: The distance of a statistic from its mean, in standard deviations, up to which the judge is trusted.
    """

    words: FloatArray
    idf: FloatArray
    statistics: FloatArray
    mean: FloatArray
    scale: FloatArray
    bias: float
    threshold: float
    familiar: float = 0.0
    usual: float = math.inf


def keep_logit(features: LineFeatures, noise: FloatArray, weights: DocumentWeights) -> float:
    """The logit of keeping a document with at least one visible line, given their noise probabilities (n,)."""
    judged = judged_lines(noise, features.words)
    statistics = (document_statistics(features, noise, judged) - weights.mean) / weights.scale
    score = float(statistics @ weights.statistics) + weights.bias
    known = 1.0
    for kind, tokens in enumerate(judged_tokens(features, judged)):
        buckets, counts = counted(tokens)
        idf = weights.idf[kind].take(buckets)
        tfidf = damped(counts) * idf
        length = np.sqrt(np.add.reduce(np.square(tfidf)))
        score += float(tfidf @ weights.words[kind].take(buckets) / length) if length else 0.0
        if kind == 0:
            known = float(counts[idf > 0].sum()) / max(len(tokens), 1)
    trusted = trust(known, float(np.abs(statistics).max()), weights.familiar, weights.usual)
    return tempered(score, trusted, content_logit(features, noise, judged))


def trust(known: float, distance: float, familiar: float, usual: float) -> float:
    """How far the judge knows such documents, 0 to 1.

    Args:
        known: Share of known words.
        distance: The largest distance of a statistic from its mean, in standard deviations.
        familiar, usual: See `DocumentWeights`.

    >>> trust(0.9, 2, familiar=0.8, usual=6), trust(0.5, 2, familiar=0.8, usual=6), trust(0.9, 6.75, 0.8, usual=6)
    (1.0, 0.0, 0.5)
    """
    words = 1.0 if known >= familiar else max(0.0, 1 - FADING * (1 - known / familiar))
    shape = 1.0 if distance <= usual else max(0.0, 1 - FADING * (distance / usual - 1))
    return min(words, shape)


def tempered(score: float, trusted: float, content: float) -> float:
    """A logit that strangeness can only raise, towards `content_logit`: what is unknown is no reason to drop.

    >>> tempered(-3.0, 1.0, 2.0), tempered(-3.0, 0.0, 2.0), tempered(3.0, 0.0, 2.0)
    (-3.0, 2.0, 3.0)
    """
    return trusted * score + (1 - trusted) * max(score, content)


def content_logit(features: LineFeatures, noise: FloatArray, judged: BoolArray) -> float:
    """The logit of the share of words that stand on content lines, by the line network alone, at most SUREST.

    Few words say little.
    """
    words = features.words[judged].astype(np.float64)
    noisy = float(noise[judged].astype(np.float64) @ words)
    return min(math.log((float(words.sum()) - noisy + 1) / (noisy + 1)), SUREST)


def counted(tokens: Buckets) -> tuple[TokenArray, IntArray]:
    """The different buckets, ascending, and how often each is there: `np.unique` of numbers that fit 16 bits."""
    ordered = tokens.astype(np.uint16)
    ordered.sort()
    edges = np.ones(len(ordered) + 1, bool)
    np.not_equal(ordered[1:], ordered[:-1], out=edges[1:-1])
    bounds = np.flatnonzero(edges)
    return ordered[bounds[:-1]], bounds[1:] - bounds[:-1]


def judged_lines(noise: FloatArray, words: IntArray) -> BoolArray:
    """Which visible lines the document is judged by, given their noise probabilities and words, both (n,).

    All of them, or without the noisy ones if the page has a frame: noisy blocks at both of its ends, and something in
    between.
    """
    noisy = noise >= 0.5
    if not noisy.all():
        head, tail = int(np.argmin(noisy)), int(np.argmin(noisy[::-1]))
        framed = min(head, tail) >= FRAME_SIDE and head + tail >= FRAME
        if framed and words[~noisy].sum() >= FRAMED_WORDS:
            return ~noisy
    return np.ones(len(noisy), bool)


def judged_tokens(features: LineFeatures, judged: BoolArray) -> tuple[Buckets, Buckets]:
    """The buckets of the words of the judged lines; and of words and pairs of words at the ends of these lines."""
    if judged.all():
        return features.tokens, features.buckets
    per_row = np.diff(features.starts, append=len(features.buckets))
    return features.tokens[np.repeat(judged, features.tokens_per_row)], features.buckets[np.repeat(judged, per_row)]


def damped(counts: IntArray) -> FloatArray:
    """log(1 + count)."""
    return _LOGS[np.minimum(counts, len(_LOGS) - 1)]


_LOGS = np.log1p(np.arange(4096)).astype(np.float32)


def document_statistics(features: LineFeatures, noise: FloatArray, judged: BoolArray) -> FloatArray:
    """How long, how regular, how much like prose and how noisy the judged lines are, (STATISTICS,)."""
    words, counts, numeric = features.words, features.counts, features.numeric
    if not judged.all():
        words, counts, numeric, noise = words[judged], counts[judged], numeric[judged], noise[judged]
    n = len(words)
    of_class = np.add.reduce(counts, axis=0).tolist()
    visible = sum(of_class[TERMINAL:])
    ordered = np.sort(words)
    words = words.astype(np.float64)
    all_words = float(np.add.reduce(words))
    total = max(all_words, 1.0)
    apart = words - all_words / n
    spread = np.sqrt(np.add.reduce(apart * apart) / n)
    ends = numeric[:, 23] > 0  # lines that end in a full stop or the like
    capitals = numeric[:, 13].astype(np.float64)
    noisy = noise >= 0.5
    first_of_ten, first_of_twenty_five = np.searchsorted(ordered, (10, 25)).tolist()
    logs = np.log1p(
        [
            visible,
            total,
            n,
            total / n,
            (ordered[(n - 1) // 2] + ordered[n // 2]) / 2,  # the median
            ordered[-1],
            spread,
            all_words - float(words @ noisy),
        ]
    ).tolist()
    return np.array(
        [
            *logs[:-1],
            np.count_nonzero(ends) / n,
            float(words @ ends) / total,
            of_class[TERMINAL] / total,
            of_class[COMMA] / total,
            of_class[SYMBOL] / visible,
            of_class[UPPER] / max(of_class[LOWER] + of_class[UPPER], 1),
            of_class[DIGIT] / visible,
            (of_class[IDEOGRAPH] + of_class[CASELESS]) / visible,
            float(np.add.reduce(capitals)) / n,
            float(np.add.reduce(capitals * words)) / total,
            sum(of_class[LOWER:]) / total,
            np.count_nonzero(numeric[:, 38] > 0) / n,
            (n - first_of_ten) / n,
            int(np.add.reduce(ordered[first_of_ten:])) / total,
            int(np.add.reduce(ordered[first_of_twenty_five:])) / total,
            np.count_nonzero(noisy) / n,
            float(np.add.reduce(noise * words)) / total,
            logs[-1],
        ],
        np.float32,
    )
