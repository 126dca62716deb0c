"""Made parts: noise lines glued to content lines, and the judge that learns from them (needs scikit-learn)."""

import random
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="training the tagger needs the extra train: pip install '.[train]'")

from prox.adapt.tagger.parts import (
    MOST_LOST,
    choose_threshold,
    glued,
    labelled_parts,
    noise_phrases,
    part_matrix,
    train_parts,
    training_parts,
)


def no_opinion(features):
    return np.zeros(len(features.rows), np.float32)


def test_phrases_are_noise_on_several_sites_and_content_nowhere(pages):
    phrases = {phrase.text: phrase.sites for phrase in noise_phrases(pages)}
    assert {"Read more", "Log in", "Share this page"} <= phrases.keys()
    assert phrases["Read more"] == 30
    assert not any("river" in text for text in phrases)


def test_a_glued_page_says_exactly_where_its_phrases_stand(pages):
    phrases = noise_phrases(pages)
    for number, page in enumerate(pages):
        changed = glued(page, phrases, random.Random(number))
        assert changed is not None and 1 <= len(changed.partials) <= 2
        raw, lines = page.text.split("\n"), changed.text.split("\n")
        for line, start, end in changed.partials:
            assert page.labels[line] == 0
            assert lines[line][:start] == raw[line] and end == len(lines[line]) > start


def test_the_judge_learns_to_find_them_and_loses_nothing(pages):
    data = training_parts(pages, no_opinion, seed=0)
    arrays = train_parts(data)
    characters = sum(len(page.text) for page in pages)
    threshold = choose_threshold(data, arrays, characters)
    weights = np.concatenate([arrays["parts.words"].astype(np.float32), arrays["parts.context"]])
    found = part_matrix(data) @ weights + arrays["parts.bias"] > np.log(threshold / (1 - threshold))
    lengths = np.array([len(part.source) for part in data.parts])
    lost = lengths[found & (data.noise == 0)].sum()
    assert data.noise.sum() >= 30 and (found & (data.noise == 1)).sum() >= 0.9 * data.noise.sum()
    assert lost <= MOST_LOST * characters


def test_parts_that_the_gold_is_not_sure_of_are_left_out(pages):
    page = glued(pages[0], noise_phrases(pages), random.Random(0))
    assert page is not None
    lines = frozenset(line for line, _, _ in page.partials)
    assert labelled_parts([page], no_opinion).noise.sum() == len(lines)
    assert labelled_parts([replace(page, unsure_lines=lines)], no_opinion).noise.sum() == 0
