"""Marked and made parts, and the judge that learns from them (needs scikit-learn)."""

import random
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="training the tagger needs the extra train: pip install '.[train]'")

from prox.adapt.tagger.parts import (
    LEAST_FOUND,
    LOWEST_THRESHOLD,
    NEVER,
    choose_thresholds,
    cross_validate,
    cumulative_weights,
    fit_parts,
    found_and_lost,
    glued,
    labelled_parts,
    made_parts,
    noise_phrases,
    part_weights,
)
from prox.refiners.tagger.part_judge import part_scores
from prox.refiners.tagger.parts import KINDS, ROUND, SQUARE_NUMBER


@pytest.fixture
def marked(pages):
    """Each page ends two of its lines in a reference that is noise; its bracket "(on day 3)" is none."""
    out = []
    for number, page in enumerate(pages):
        lines = page.text.split("\n")
        partials = []
        for line in (5, 7):
            start = len(lines[line])
            lines[line] += f" [{number + line}]"
            partials.append((line, start, len(lines[line])))
        out.append(replace(page, text="\n".join(lines), partials=tuple(partials)))
    return out


def test_phrases_are_noise_on_several_sites_and_content_nowhere(pages):
    phrases = {phrase.text: phrase.sites for phrase in noise_phrases(pages)}
    assert {"Read more", "Log in", "Share this page"} <= phrases.keys()
    assert phrases["Read more"] == 30
    assert not any("river" in text for text in phrases)


def test_a_glued_page_says_exactly_where_its_phrases_stand(pages):
    phrases = noise_phrases(pages)
    for number, page in enumerate(pages):
        changed = glued(page, phrases, cumulative_weights(phrases), random.Random(number))
        assert changed is not None and 1 <= len(changed.partials) <= 2
        raw, lines = page.text.split("\n"), changed.text.split("\n")
        for line, start, end in changed.partials:
            assert page.labels[line] == 0
            assert lines[line][:start] == raw[line] and end == len(lines[line]) > start


def test_the_judge_finds_the_noise_of_unseen_sites_and_loses_nothing(marked):
    real, made = labelled_parts(marked), made_parts(marked, 0)
    probabilities = cross_validate(marked, real, made)
    thresholds = choose_thresholds(real, probabilities, [page.site for page in marked])
    found, lost = found_and_lost(real, probabilities, thresholds)
    assert found.sum() >= 0.95 * real.marked[real.noise == 1].sum() > 0
    assert lost.sum() == 0


def test_a_kind_that_nothing_or_one_site_alone_speaks_for_is_never_removed(marked):
    real = labelled_parts(marked)
    sites = [page.site for page in marked]
    right = (real.noise == 1).astype(np.float32)
    thresholds = choose_thresholds(real, right, sites)
    assert (thresholds[SQUARE_NUMBER], thresholds[ROUND]) == (np.float32(LOWEST_THRESHOLD), NEVER)
    assert choose_thresholds(real, np.full(len(real.parts), 0.9), sites)[ROUND] == NEVER  # removed, and never rightly
    few = labelled_parts(marked[:2])
    assert few.marked.sum() < LEAST_FOUND
    assert (choose_thresholds(few, (few.noise == 1).astype(np.float32), sites[:2]) == NEVER).all()


def test_a_site_with_very_many_parts_does_not_decide_alone(marked):
    real = labelled_parts(marked)
    own, references = real.pages == 0, real.features.kinds == SQUARE_NUMBER
    visible = real.visible * np.where(own, 10_000, 100)  # one site has far more of them than all others together …
    one = replace(real, marked=visible * own, visible=visible)  # … and marks them, the others do not
    assert one.marked[references].sum() > visible[references].sum() / 2
    thresholds = choose_thresholds(one, np.full(len(real.parts), 0.9), [page.site for page in marked])
    assert thresholds[SQUARE_NUMBER] == NEVER


def test_cross_validation_asks_no_judge_that_has_seen_the_site(marked):
    """Of the only site with another sort of noise, no judge can know anything."""
    line = "The valley lay in the fog for most of the morning (so they say)"
    text = marked[0].text + "\n" + line
    labels, place = np.append(marked[0].labels, 0), text.count("\n")
    partials = (*marked[0].partials, (place, line.index(" ("), len(line)))
    pages = [replace(marked[0], text=text, labels=labels, partials=partials), *marked[1:]]
    real, made = labelled_parts(pages), made_parts(pages, 0)
    probabilities = cross_validate(pages, real, made)
    (part,) = [
        i for i, (page, part) in enumerate(zip(real.pages, real.parts, strict=True)) if (page, part.line) == (0, place)
    ]
    assert real.noise[part] == 1 and probabilities[part] < 0.5


def test_the_arrays_are_those_of_a_weights_file_and_training_repeats_itself(marked):
    arrays = fit_parts(marked, seed=0)
    assert arrays is not None
    assert {name: array.dtype for name, array in arrays.items()} == {
        **dict.fromkeys(["parts.table", "parts.words", "parts.words_before"], np.int16),
        "parts.thresholds": np.float32,
    }
    again = fit_parts(marked, seed=0)
    assert again is not None and all(np.array_equal(arrays[name], again[name]) for name in arrays)
    real = labelled_parts(marked)
    noisy = part_scores(real.features, part_weights(arrays)) >= arrays["parts.thresholds"][real.features.kinds]
    assert (noisy == (real.noise == 1)).all()


def test_without_marked_parts_only_made_ones_are_noise(pages):
    assert (labelled_parts(pages).noise == 0).all()
    assert (made_parts(pages, 0).noise == 1).any()
    assert fit_parts([replace(page, labels=np.zeros_like(page.labels)) for page in pages], seed=0) is None


def test_parts_that_the_gold_is_not_sure_of_are_left_out(pages):
    phrases = noise_phrases(pages)
    page = glued(pages[0], phrases, cumulative_weights(phrases), random.Random(0))
    assert page is not None
    lines = frozenset(line for line, _, _ in page.partials)
    assert (labelled_parts([page]).noise == 1).sum() >= len(lines)
    assert not {part.line for part in labelled_parts([replace(page, unsure_lines=lines)]).parts} & lines


def test_of_overlapping_parts_only_the_surest_is_counted(marked):
    real = labelled_parts(marked)
    half = np.full(KINDS, 0.5)
    found, lost = found_and_lost(real, np.full(len(real.parts), 0.9), half)
    assert found.sum() <= sum(len(p) for p in [real.marked[real.noise == 1]]) * real.visible.max()
    assert found_and_lost(real, np.zeros(len(real.parts)), half)[0].sum() == 0
    assert (found + lost <= sum(len(page.text) for page in marked)).all()


CODE = [
    "for i in range(10): print(rows[0], rows[1])",
    "value = lines[12] + table[3][4]  # see lines[0]",
    r"\left( \frac{a}{b} \right) = f(x) [0, 1] \sum_{n} a_n (2)",
    "$f(x) = [0] + (n-1)!$ for all n [2]",
    "| 1 | (2) | [3] |",
]


def test_indices_in_code_and_brackets_in_formulas_stay(marked):
    """Story: an index of an array looks like a reference."""
    others = [
        replace(page, text="\n".join([*page.text.split("\n"), *CODE]), labels=np.append(page.labels, [0] * len(CODE)))
        for page in marked
    ]
    arrays = fit_parts(others, seed=0)
    assert arrays is not None
    unseen = [
        "while rows[0] != rows[7]: rows = next(rows[2])",
        r"\left( \frac{c}{d} \right) = g(y) [0, 2] \sum_{m} b_m (3)",
        "| 7 | (5) | [8] |",
    ]
    page = replace(others[0], text="\n".join(unseen), labels=np.zeros(len(unseen), np.int64), partials=())
    data = labelled_parts([page])
    assert len(data.parts) >= 6
    assert (part_scores(data.features, part_weights(arrays)) < arrays["parts.thresholds"][data.features.kinds]).all()
