"""Second opinions: who gives them, and what they do to labels (needs PyTorch)."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch", reason="training the tagger needs the extra train: pip install '.[train]'")

from prox.adapt.labels import NEUTRAL
from prox.adapt.tagger import opinions
from prox.adapt.tagger.network import Shape
from prox.adapt.tagger.opinions import SHARE, softened, with_second_opinions
from prox.adapt.tagger.train import Plan

SMALL = Shape(embedding=4, hidden=8, near=4, mixed=8, context=4, dilations=(1, 2), context_before=(1,))


@given(st.lists(st.tuples(st.sampled_from([0, 1, NEUTRAL]), st.floats(0, 1) | st.just(float("nan"))), min_size=1))
def test_an_opinion_moves_a_label_by_its_share_and_never_to_the_other_side(pairs):
    labels, opinion = (np.array(column) for column in zip(*pairs, strict=True))
    soft = softened(labels, opinion)
    for label, chance, changed in zip(labels, opinion, soft, strict=True):
        if label == NEUTRAL or np.isnan(chance):
            assert changed == label
        else:
            assert changed == pytest.approx(label + SHARE * (chance - label))
            assert (changed >= 0.5) == (label == 1)


def test_nobody_gives_an_opinion_of_a_site_that_it_was_taught(pages, monkeypatch):
    pages = [replace(page, site=f"site-{number // 2}") for number, page in enumerate(pages)]
    taught, asked = [], []

    def train(some, development, shape, plan):
        taught.append({page.site for page in some})
        return len(taught)

    def predict(network, page):
        asked.append(page.site)
        assert page.site not in taught[network - 1]
        return np.full(len(page.labels), 0.5)

    monkeypatch.setattr(opinions, "train", train)
    monkeypatch.setattr(opinions, "predict", predict)
    soft = with_second_opinions(pages, SMALL, Plan())
    assert [page.id for page in soft] == [page.id for page in pages]
    assert sorted(asked) == sorted(page.site for page in pages)
    assert len(taught) == opinions.PARTS and set.union(*taught) == {page.site for page in pages}


def test_opinions_are_those_of_networks_that_learned_something(pages):
    pages = pages * 4
    soft = with_second_opinions(pages, SMALL, Plan(epochs=6, lines_per_batch=60, fewest_sites=2, learning_rate=2e-2))
    for before, after in zip(pages, soft, strict=True):
        assert before.text == after.text and len(after.labels) == len(before.labels)
        known = before.labels != NEUTRAL
        assert (after.labels[~known] == NEUTRAL).all()
        assert ((after.labels[known] >= 0.5) == (before.labels[known] == 1)).all()
    labels, changed = (np.concatenate([page.labels for page in some]) for some in (pages, soft))
    known = labels != NEUTRAL
    agreed = np.abs(changed[known] - labels[known]) < SHARE / 2
    assert agreed.mean() > 0.9
