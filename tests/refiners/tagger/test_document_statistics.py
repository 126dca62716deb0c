"""What the judge of documents looks at: its statistics and counts against their plain definition, to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tagger_texts import sample_pages, texts

from prox.refiners.tagger.documents import counted, document_statistics, judged_lines
from prox.refiners.tagger.features import (
    CASELESS,
    COMMA,
    DIGIT,
    IDEOGRAPH,
    LOWER,
    SYMBOL,
    TERMINAL,
    UPPER,
    line_features,
)


def statistics_by_definition(features, noise, judged):
    words = features.words[judged].astype(np.float64)
    counts = features.counts[judged].sum(axis=0).astype(np.float64)
    numeric, noise = features.numeric[judged], noise[judged]
    visible, total = counts[TERMINAL:].sum(), max(words.sum(), 1)
    ends, capitals = numeric[:, 23].astype(np.float64), numeric[:, 13].astype(np.float64)
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
        ]
    ).astype(np.float32)


def agree(text, chance):
    features = line_features(text)
    n = len(features.rows)
    if not n:
        return
    noise = chance.random(n).astype(np.float32)
    some = chance.random(n) < 0.7
    some[chance.integers(n)] = True
    for judged in (judged_lines(noise, features.words), np.ones(n, bool), some):
        expected = statistics_by_definition(features, noise, judged)
        assert document_statistics(features, noise, judged).tobytes() == expected.tobytes()


@given(texts, st.integers(0, 9))
def test_statistics_of_any_page_are_those_of_the_definition(text, seed):
    agree(text, np.random.default_rng(seed))


@pytest.mark.parametrize("name", sorted(sample_pages()))
def test_statistics_of_the_sample_pages_are_those_of_the_definition(name):
    agree(sample_pages()[name], np.random.default_rng(0))


@pytest.mark.parametrize("kind", [np.uint16, np.int64])
@given(st.lists(st.integers(0, 2**16 - 1) | st.integers(0, 5)))
def test_buckets_are_counted_as_numpy_does(kind, tokens):
    buckets, counts = counted(np.array(tokens, kind))
    expected, expected_counts = np.unique(np.array(tokens, kind), return_counts=True)
    assert buckets.tolist() == expected.tolist()
    assert counts.tolist() == expected_counts.tolist()
