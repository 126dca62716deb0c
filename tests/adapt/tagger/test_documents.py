"""The judge of documents: that it is measured honestly, calibrated, and judges at run time as it did in training."""

import random

import pytest

pytest.importorskip("torch", reason="training the tagger needs the extra train: pip install '.[train]'")
pytest.importorskip("sklearn", reason="training the tagger needs the extra train: pip install '.[train]'")

import numpy as np

from prox.adapt.tagger import documents
from prox.adapt.tagger.documents import (
    calibrated,
    cross_validate_documents,
    document_inputs,
    document_logits,
    every_line,
    fit_documents,
)
from prox.refiners.tagger.documents import DocumentWeights, keep_logit
from prox.refiners.tagger.features import line_features
from prox.refiners.tagger.network import sigmoid

ENGLISH = ["river", "night", "bridge", "town", "water", "road", "field", "winter", "letter", "house", "friend", "song"]
GERMAN = ["Fluss", "Nacht", "Brücke", "Stadt", "Wasser", "Straße", "Feld", "Winter", "Brief", "Haus", "Freund", "Lied"]
GOOD, BAD = ["lesson", "physics", "history"], ["cheap", "buy", "offer"]


def no_noise(features):
    return np.full(len(features.rows), -3.0, np.float32)


def made(count, words=ENGLISH, doubt=0.0, seed=0):
    """Documents to keep (1) and to drop (0); `doubt`: how often a document has the label of the other kind."""
    chance = random.Random(seed)
    texts, keep = [], []
    for number in range(count):
        of_kind = GOOD if number % 2 else BAD
        lines = []
        for _ in range(chance.randint(2, 6)):
            sentence = [chance.choice(words) for _ in range(chance.randint(6, 14))] + [chance.choice(of_kind)]
            chance.shuffle(sentence)
            lines.append(" ".join(sentence).capitalize() + ".")
        texts.append("\n".join(lines))
        keep.append(number % 2 if chance.random() >= doubt else 1 - number % 2)
    return texts, np.array(keep)


def trained(texts, keep):
    inputs = document_inputs(texts, no_noise, every_line)
    scores = cross_validate_documents(inputs, inputs, keep)
    return calibrated(fit_documents(inputs, keep), scores), scores


def weights_of(arrays):
    """As a weights file gives them back."""
    fields = {name.removeprefix("documents."): value for name, value in arrays.items()}
    return DocumentWeights(**{name: value if np.ndim(value) else float(value) for name, value in fields.items()})


def logit(text, arrays):
    features = line_features(text)
    return keep_logit(features, sigmoid(no_noise(features)), weights_of(arrays))


@pytest.fixture(scope="module")
def judge():
    texts, keep = made(120, doubt=0.25)
    return trained(texts, keep)


@pytest.fixture(scope="module")
def german_judge():
    return trained(*made(60, GERMAN))


def test_the_judge_says_at_run_time_what_it_said_in_training(judge):
    texts = [*made(20, seed=1)[0], *made(5, GERMAN, seed=2)[0], "?", "x = 1; y = 2; z = {3}\n" * 5, "河水上涨" * 20]
    inputs = document_inputs(texts, no_noise)
    assert [logit(text, judge[0]) for text in texts] == pytest.approx(document_logits(inputs, judge[0]), abs=1e-4)


def test_scores_are_probabilities(judge):
    """Of doubtful labels a sure judge would be wrong: a quarter of them say the opposite."""
    texts, keep = made(400, doubt=0.25, seed=3)
    scores = sigmoid(document_logits(document_inputs(texts, no_noise), judge[0]))
    for sure in (scores >= 0.5, scores < 0.5):
        assert scores[sure].mean() == pytest.approx(keep[sure].mean(), abs=0.08)


def test_calibration_changes_no_order(judge):
    texts, keep = made(120, doubt=0.25)
    inputs = document_inputs(texts, no_noise)
    plain, ready = fit_documents(inputs, keep), judge[0]
    order = np.argsort(document_logits(inputs, plain | {"documents.familiar": np.float32(0.01)}))
    again = np.argsort(document_logits(inputs, ready | {"documents.familiar": np.float32(0.01)}))
    assert (order == again).mean() > 0.95  # equal but for rounding


def test_labels_that_say_nothing_get_no_praise():
    texts, _ = made(60)
    keep = np.array([random.Random(number).randint(0, 1) for number in range(60)])
    scores = trained(texts, keep)[1]
    assert 0.3 < scores.auc < 0.7
    assert scores.keep_f1 < scores.keep_f1_of_everything + 0.05


def test_every_judge_and_every_threshold_is_made_without_the_fold_that_it_decides_on(monkeypatch):
    texts, keep = made(40, doubt=0.2)
    inputs = document_inputs(texts, no_noise)
    trains = []

    def recorded(some, labels):
        trains.append((some.content.shape[0], labels.sum()))
        return fit_documents(some, labels)

    monkeypatch.setattr(documents, "fit_documents", recorded)
    chosen = []
    best = documents._best_threshold
    monkeypatch.setattr(documents, "_best_threshold", lambda k, s: chosen.append(len(k)) or best(k, s))
    cross_validate_documents(inputs, inputs, keep)
    assert len(trains) == 50 and {size for size, _ in trains} == {36}
    assert chosen == [36] * 50 + [40]


def test_intervals_hold_the_figures(judge):
    scores = judge[1]
    assert scores.keep_f1_interval[0] <= scores.keep_f1 <= scores.keep_f1_interval[1]
    assert scores.auc_interval[0] <= scores.auc <= scores.auc_interval[1]


def test_a_judge_of_another_language_knows_that_language_alone(german_judge):
    arrays, scores = german_judge
    assert scores.auc > 0.9 and arrays["documents.familiar"] > 0.5
    (worthless, worth), _ = made(2, GERMAN, seed=4)
    assert logit(worthless, arrays) < 0 < logit(worth, arrays)
    english, _ = made(10, seed=5)
    assert all(logit(text, arrays) > 0 for text in english)


def test_documents_without_a_word_in_common_can_be_judged_by_their_shape():
    chance = random.Random(0)
    words = ["".join(chance.choice("abcdefghijklmnop") for _ in range(8)) for _ in range(4000)]
    texts = [" ".join(words[50 * n : 50 * n + (40 if n % 2 else 3)]) for n in range(60)]
    arrays, scores = trained(texts, np.arange(60) % 2)
    assert scores.auc > 0.9 and np.isfinite(document_logits(document_inputs(texts, no_noise), arrays)).all()
    assert 0 < arrays["documents.familiar"] <= 1


@pytest.mark.parametrize(
    ("scores", "threshold"), [([0.1, 0.2, 0.3, 0.7, 0.8, 0.9], 0.5), ([0.1, 0.2, 0.58, 0.62, 0.8, 0.9], 0.6)]
)
def test_the_threshold_lies_in_the_middle_of_the_best(scores, threshold):
    keep = np.array([0, 0, 0, 1, 1, 1])
    assert documents._best_threshold(keep, np.array([scores])) == pytest.approx(threshold, abs=0.02)
