"""What the judge of parts looks at: for each part the same, whatever pages and parts are judged beside it."""

import numpy as np
import pytest
from hypothesis import given
from part_texts import pages

from prox.refiners.tagger.features import BUCKETS
from prox.refiners.tagger.part_judge import (
    ANY,
    BINS,
    ROWS,
    SCALE,
    WORDS_BEFORE,
    PartWeights,
    part_features,
    part_scores,
)
from prox.refiners.tagger.parts import find_parts


def random_weights(seed=0):
    chance = np.random.default_rng(seed)
    table, words, before = (chance.integers(-90, 90, shape) for shape in ((ROWS, BINS), BUCKETS, WORDS_BEFORE))
    return PartWeights(table.astype(np.float32), words.astype(np.float32), before.astype(np.float32), 0.5)


def bins_of(*lines):
    return part_features([(lines, find_parts(lines))]).bins


@given(pages)
def test_every_part_has_one_bin_of_every_measure_and_a_score(lines):
    """Story: a tail of zero-width spaces behind a sentence is a part without a visible character, and has no row."""
    parts = find_parts(lines)
    features = part_features([(lines, parts)])
    assert features.kinds.tolist() == [part.kind for part in parts]
    assert ((features.bins >= 0) & (features.bins < BINS)).all()
    assert (np.diff(features.bins, axis=1) > 0).all()
    assert (features.bins[:, 0] < ANY).all()
    scores = part_scores(features, random_weights())
    assert scores.shape == (len(parts),)
    assert ((scores >= 0) & (scores <= 1)).all()


@given(pages, pages)
def test_scores_do_not_depend_on_the_pages_beside(lines, others):
    weights = random_weights()
    page, other = (lines, find_parts(lines)), (others, find_parts(others))
    alone = part_scores(part_features([page]), weights)
    together = part_scores(part_features([other, page, other]), weights)
    n = len(other[1])
    assert together[n : len(together) - n].tobytes() == alone.tobytes()


def test_without_parts_there_are_no_scores():
    assert len(part_scores(part_features([([], []), (["a"], [])]), random_weights())) == 0


def test_weights_add_up_to_the_logit():
    lines = ["The river rose [1]"]
    features = part_features([(lines, find_parts(lines))])
    table = np.zeros((ROWS, BINS), np.float32)
    zero = PartWeights(table, np.zeros(BUCKETS, np.float32), np.zeros(WORDS_BEFORE, np.float32), 0.5)
    assert part_scores(features, zero) == 0.5
    table[features.kinds[0], features.bins[0, 3]] = 40
    table[-1, :ANY] = 24
    assert part_scores(features, zero) == pytest.approx(1 / (1 + np.exp(-64 * SCALE)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["One [edit]"], ["One [edit]", "Two [edit]", "Three [edit]"]),  # repeated on the page
        (["It rose (by much) in the night"], ["let rose (by much) = x[0]; {night}"]),  # in code
        (["See git-config [1] for more"], ["See git-config[1] for more"]),  # glued to what stands before it
        (["It rose [1]"], ["It rose [1] again"]),  # at the end of its line
        (["Smith, River (2001) [1]"], ["Smith, River (2nd) [1]"]),  # in a reference
    ],
)
def test_what_tells_parts_apart(one, other):
    assert bins_of(*one)[0].tolist() != bins_of(*other)[0].tolist()
