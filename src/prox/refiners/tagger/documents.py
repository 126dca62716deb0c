"""Is this document worth keeping? A linear judge over what the document looks like and which words it uses.

It was trained on documents that an extractor had cleaned once. So that a good article is not punished for the menus
that a full page puts around and into it, a page in such a frame is judged by its other lines alone.

A judge that was taught by a few hundred documents knows one language and general prose. Where a document is unlike all
of these, be it of another language, mathematics or code, its verdict fades, and what the line network says of the lines
takes its place: see `tempered`.
"""

import math
from dataclasses import dataclass

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
)

FRAME, FRAME_SIDE = 15, 3
"""Noisy visible lines in a row, at both ends together and at each, that make a page's frame."""

FRAMED_WORDS = 100
"""Words that a frame stands around at least."""

BoolArray = npt.NDArray[np.bool_]

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
        buckets, counts = np.unique(tokens, return_counts=True)
        idf = weights.idf[kind, buckets]
        tfidf = damped(counts) * idf
        length = np.sqrt(np.square(tfidf).sum())
        score += float(tfidf @ weights.words[kind, buckets] / length) if length else 0.0
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


def judged_tokens(features: LineFeatures, judged: BoolArray) -> tuple[IntArray, IntArray]:
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
    words = features.words[judged].astype(np.float64)
    counts = features.counts[judged].sum(axis=0).astype(np.float64)
    numeric = features.numeric[judged]
    noise = noise[judged]
    visible = counts[TERMINAL:].sum()
    total = max(words.sum(), 1)
    ends = numeric[:, 23].astype(np.float64)  # lines that end in a full stop or the like
    capitals = numeric[:, 13].astype(np.float64)
    return np.array(
        [
            np.log1p(visible),
            np.log1p(total),
            np.log1p(len(words)),
            np.log1p(total / len(words)),
            np.log1p(np.median(words)),
            np.log1p(words.max()),
            np.log1p(words.std()),
            ends.mean(),
            (ends * words).sum() / total,
            counts[TERMINAL] / total,
            counts[COMMA] / total,
            counts[SYMBOL] / visible,
            counts[UPPER] / max(counts[LOWER] + counts[UPPER], 1),
            counts[DIGIT] / visible,
            (counts[IDEOGRAPH] + counts[CASELESS]) / visible,
            capitals.mean(),
            (capitals * words).sum() / total,
            counts[LOWER:].sum() / total,
            (numeric[:, 38] > 0).mean(),
            (words >= 10).mean(),
            (words * (words >= 10)).sum() / total,
            (words * (words >= 25)).sum() / total,
            (noise >= 0.5).mean(),
            (noise * words).sum() / total,
            np.log1p((words * (noise < 0.5)).sum()),
        ],
        np.float64,
    ).astype(np.float32)
