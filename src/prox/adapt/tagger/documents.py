"""Train the tagger's judge of documents, and measure it by cross-validation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold

from prox.refiners.tagger.documents import BoolArray, damped, document_statistics, judged_lines, judged_tokens
from prox.refiners.tagger.features import BUCKETS, FloatArray, IntArray, LineFeatures, line_features
from prox.refiners.tagger.network import sigmoid

LineLogits = Callable[[LineFeatures], FloatArray]

STRENGTH = 5.0  # inverse of the regularisation of the judge of documents
STATISTICS_SHARE = 0.1  # how much the standardised statistics weigh against the words before regularisation
FEWEST_DOCUMENTS = 2  # a word that fewer documents have in common has no weight


@dataclass(frozen=True, slots=True)
class DocumentScores:
    """Cross-validated figures of the document judge at its threshold."""

    threshold: float
    keep_f1: float
    auc: float


@dataclass(frozen=True, slots=True)
class DocumentInputs:
    """What the judge sees of some documents: statistics (n, STATISTICS) and damped counts of tokens (n, 2, BUCKETS)."""

    statistics: np.ndarray
    words: np.ndarray

    def take(self, chosen: np.ndarray) -> "DocumentInputs":
        return DocumentInputs(self.statistics[chosen], self.words[chosen])


def document_inputs(
    texts: Sequence[str],
    logits_of: LineLogits,
    judged_lines: Callable[[FloatArray, IntArray], BoolArray] = judged_lines,
) -> DocumentInputs:
    """`judged_lines` says by which lines a document is judged, given their noise probabilities and words."""
    statistics, words = [], []
    for text in texts:
        features = line_features(text)
        noise = sigmoid(logits_of(features))
        judged = judged_lines(noise, features.words)
        statistics.append(document_statistics(features, noise, judged))
        tokens = judged_tokens(features, judged)
        words.append([damped(np.bincount(of_kind, minlength=BUCKETS)) for of_kind in tokens])
    return DocumentInputs(np.array(statistics), np.array(words))


def every_line(noise: FloatArray, words: IntArray) -> BoolArray:
    """Training documents have been extracted: their noise tells the bad ones, and no page stands around them."""
    return np.ones(len(noise), bool)


def cross_validate_documents(whole: DocumentInputs, judged: DocumentInputs, keep: np.ndarray) -> DocumentScores:
    """Ten folds, five times; the threshold is the one with the best mean keep-F1 over the repetitions.

    Args:
        whole: The documents by every line, to train on.
        judged: The same as the judge will see them, to predict.
        keep: Their labels, 1 to keep.
    """
    repeats, folds = 5, 10
    scores = np.zeros((repeats, len(keep)))
    splits = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=0).split(whole.statistics, keep)
    for number, (train, test) in enumerate(splits):
        fitted = fit_documents(whole.take(train), keep[train])
        scores[number // folds, test] = sigmoid(document_logits(judged.take(test), fitted))
    thresholds = np.arange(0.2, 0.81, 0.01)
    f1 = [np.mean([f1_score(keep, row >= threshold) for row in scores]) for threshold in thresholds]
    best = int(np.argmax(f1))
    auc = float(np.mean([roc_auc_score(keep, row) for row in scores]))
    return DocumentScores(round(float(thresholds[best]), 2), float(f1[best]), auc)


def fit_documents(inputs: DocumentInputs, keep: np.ndarray) -> dict[str, np.ndarray]:
    """Logistic regression with L2 on two L2-normalised TF-IDF vectors and on standardised statistics."""
    statistics, words = inputs.statistics, inputs.words
    frequency = (words > 0).sum(axis=0)
    idf = np.where(frequency >= FEWEST_DOCUMENTS, np.log((1 + len(words)) / (1 + frequency)) + 1, 0).astype(np.float32)
    mean, scale = statistics.mean(axis=0), statistics.std(axis=0) + 1e-6
    known = idf > 0  # the others have no weight; without them the fit takes a tenth of the time
    x = np.concatenate([_tfidf(words, idf)[:, known], (statistics - mean) / scale * STATISTICS_SHARE], axis=1)
    judge = LogisticRegression(C=STRENGTH, max_iter=3000).fit(x, keep)
    coefficients = judge.coef_[0].astype(np.float32)
    weights = np.zeros_like(idf)
    weights[known] = coefficients[: known.sum()]
    return {
        "documents.words": weights,
        "documents.idf": idf,
        "documents.statistics": coefficients[known.sum() :] * STATISTICS_SHARE,
        "documents.mean": mean.astype(np.float32),
        "documents.scale": scale.astype(np.float32),
        "documents.bias": judge.intercept_.astype(np.float32)[0],
    }


def document_logits(inputs: DocumentInputs, fitted: dict[str, np.ndarray]) -> np.ndarray:
    standard = (inputs.statistics - fitted["documents.mean"]) / fitted["documents.scale"]
    by_words = (_tfidf(inputs.words, fitted["documents.idf"]) * fitted["documents.words"]).sum(axis=(1, 2))
    return standard @ fitted["documents.statistics"] + by_words + fitted["documents.bias"]


def _tfidf(words: np.ndarray, idf: np.ndarray) -> np.ndarray:
    weighted = words * idf
    return weighted / np.maximum(np.linalg.norm(weighted, axis=2, keepdims=True), 1e-9)
