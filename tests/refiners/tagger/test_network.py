"""The networks against their definition, line by line and layer by layer."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from tagger_texts import texts

from prox.refiners.tagger import network
from prox.refiners.tagger.features import BUCKETS, NUMERIC, line_features
from prox.refiners.tagger.network import LineWeights, embed, line_logits, line_states, sigmoid

EMBEDDING, HIDDEN, NEAR, MIXED, CONTEXT = 5, 7, 3, 6, 2
PAGE = "\n".join(
    ["Home | News | Log in", "", "A sentence of some length, as pages have them.", "Read more", "没有空格。"] * 6
)


def random_weights(dilations=(1, 2, 4), context_before=(1,), seed=0):
    rng = np.random.default_rng(seed)

    def dense(rows, columns):
        matrix = rng.normal(0, 1 / np.sqrt(rows), (rows, columns)).astype(np.float32)
        return matrix, rng.normal(0, 0.1, columns).astype(np.float32)

    return LineWeights(
        embedding=rng.integers(-127, 128, (BUCKETS, EMBEDDING), np.int8),
        embedding_scale=rng.uniform(0.001, 0.02, EMBEDDING).astype(np.float32),
        enter=dense(EMBEDDING + NUMERIC, HIDDEN),
        mix=tuple(dense(NEAR + HIDDEN + NEAR, MIXED) for _ in dilations),
        back=tuple(dense(MIXED, HIDDEN) for _ in dilations),
        gather=tuple(dense(HIDDEN, 2 * CONTEXT) for _ in context_before),
        spread=tuple(dense(5 * CONTEXT, HIDDEN) for _ in context_before),
        leave=(rng.normal(0, 1, HIDDEN).astype(np.float32), 0.25),
        dilations=dilations,
        context_before=context_before,
    )


def relu(x):
    return np.maximum(x, 0)


def mean(rows):
    return np.mean(rows, axis=0)[:CONTEXT] if len(rows) else np.zeros(CONTEXT)


def greatest(rows):
    return np.max(rows, axis=0)[CONTEXT:] if len(rows) else np.zeros(CONTEXT)


def told_by_the_page(told, i):
    before, after = told[:i], told[i + 1 :]
    return np.concatenate([mean(before), mean(after), mean(told), greatest(before), greatest(after)])


def states_by_hand(features, weights):
    """Float64, one line at a time."""
    n = len(features.rows)
    bounds = [*features.starts.tolist(), len(features.buckets)]
    h = []
    for i in range(n):
        bag = [weights.embedding[bucket].astype(np.float64) for bucket in features.buckets[bounds[i] : bounds[i + 1]]]
        embedded = sum(bag) * weights.embedding_scale / np.sqrt(len(bag))
        h.append(np.concatenate([embedded, features.numeric[i]]) @ weights.enter[0] + weights.enter[1])
    h = [relu(x) for x in h]
    for layer, dilation in enumerate(weights.dilations):
        if layer in weights.context_before:
            which = weights.context_before.index(layer)
            gather, spread = weights.gather[which], weights.spread[which]
            told = [relu(x @ gather[0] + gather[1]) for x in h]
            h = [x + told_by_the_page(told, i) @ spread[0] + spread[1] for i, x in enumerate(h)]
        zero = np.zeros(HIDDEN)
        new = []
        for i in range(n):
            above = h[i - dilation] if i >= dilation else zero
            below = h[i + dilation] if i + dilation < n else zero
            z = relu(np.concatenate([above[:NEAR], h[i], below[:NEAR]]) @ weights.mix[layer][0] + weights.mix[layer][1])
            new.append(h[i] + z @ weights.back[layer][0] + weights.back[layer][1])
        h = new
    return np.array(h)


def agree(features, weights):
    states = line_states(features, weights)
    assert states.shape == (len(features.rows), HIDDEN)
    assert states.dtype == np.float32
    expected = states_by_hand(features, weights)
    assert np.allclose(states, expected, rtol=1e-4, atol=1e-4)
    logits = line_logits(states, weights)
    assert logits.shape == (len(features.rows),)
    assert np.allclose(logits, relu(expected) @ weights.leave[0] + weights.leave[1], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("context_before", [(), (0,), (1,), (0, 2), (9,)])
@pytest.mark.parametrize("dilations", [(1,), (1, 2, 4), (3, 1, 50)])
def test_states_are_those_of_the_definition(dilations, context_before):
    agree(line_features(PAGE), random_weights(dilations, context_before))


@given(texts)
def test_states_of_any_page_are_those_of_the_definition(text):
    features = line_features(text)
    if len(features.rows):
        agree(features, random_weights())


@pytest.mark.parametrize("text", ["One line.", "\n\nx\n", "first\nlast"])
@pytest.mark.parametrize("dilation", [1, 2, 100])
def test_pages_shorter_than_the_dilation(text, dilation):
    agree(line_features(text), random_weights((dilation, 1)))


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 23, 24, 25])
@pytest.mark.parametrize("dilation", [1, 5, 30])
def test_a_page_in_blocks_of_rows_gives_the_same_as_in_one(rows, dilation, monkeypatch):
    features, weights = line_features(PAGE), random_weights((dilation, 1, dilation))
    whole = line_states(features, weights)
    monkeypatch.setattr(network, "_ROWS", rows)
    assert np.allclose(line_states(features, weights), whole, rtol=1e-5, atol=1e-5)


def test_a_page_of_more_lines_than_are_multiplied_at_once(monkeypatch):
    text = "\n".join(f"line {number % 97} of a long page, " + "word " * (number % 13) for number in range(9_000))
    features, weights = line_features(text), random_weights((1, 16, 4_500))
    assert len(features.rows) > 2 * network._ROWS
    blocks = line_states(features, weights)
    monkeypatch.setattr(network, "_ROWS", 10_000)
    assert np.allclose(line_states(features, weights), blocks, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("value", [-128, 127])
def test_sums_of_the_fullest_line_do_not_overflow(value):
    weights = random_weights()
    weights = replace(weights, embedding=np.full_like(weights.embedding, value))
    features = line_features("word " * 500)
    assert len(features.buckets) == 65
    assert np.allclose(embed(features, weights), value * np.sqrt(65) * weights.embedding_scale)


@given(texts)
def test_the_words_of_a_line_are_added_up_exactly(text):
    features, weights = line_features(text), random_weights()
    bags = np.split(features.buckets, features.starts[1:]) if len(features.rows) else []
    sums = np.array([weights.embedding[bag].sum(axis=0, dtype=np.int16) for bag in bags], np.int16).reshape(
        -1, EMBEDDING
    )
    lengths = np.array([len(bag) for bag in bags], np.float32)
    if len(bags):
        expected = sums * weights.embedding_scale / np.sqrt(lengths)[:, None]
        assert embed(features, weights).tobytes() == expected.tobytes()


def test_the_same_page_gives_the_same_bits_again():
    features, weights = line_features(PAGE), random_weights()
    assert line_states(features, weights).tobytes() == line_states(line_features(PAGE), weights).tobytes()


def test_probabilities_of_any_logit_are_between_zero_and_one():
    probabilities = sigmoid(np.array([-1e30, -40, 0, 40, 1e30, -np.inf, np.inf], np.float32))
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert probabilities[2] == 0.5
    assert (np.diff(probabilities[:5]) >= 0).all()
