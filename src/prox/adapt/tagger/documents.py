"""Train the tagger's judge of documents, and measure it by cross-validation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold

from prox.refiners.tagger.documents import document_statistics, judged_lines, word_counts
from prox.refiners.tagger.features import FloatArray, LineFeatures, line_features
from prox.refiners.tagger.network import sigmoid

LineLogits = Callable[[LineFeatures], FloatArray]

DOCUMENT_STRENGTH = 5.0  # inverse of the regularisation of the judge of documents
STATISTICS_SHARE = 0.1  # how much the standardised statistics weigh against the words before regularisation
FEWEST_DOCUMENTS = 2  # a word that fewer documents have in common has no weight


@dataclass(frozen=True, slots=True)
class DocumentScores:
    """Cross-validated figures of the document judge at its threshold."""

    threshold: float
    keep_f1: float
    auc: float


def document_inputs(texts: Sequence[str], logits_of: LineLogits) -> tuple[np.ndarray, np.ndarray]:
    """Statistics and word counts of each document."""
    statistics, words = [], []
    for text in texts:
        features = line_features(text)
        noise = sigmoid(logits_of(features))
        judged = judged_lines(noise)
        statistics.append(document_statistics(features, noise, judged))
        words.append(word_counts(features, judged))
    return np.array(statistics), np.array(words)


def cross_validate_documents(
    statistics: np.ndarray, words: np.ndarray, keep: np.ndarray, strength: float = DOCUMENT_STRENGTH
) -> DocumentScores:
    """Ten folds, five times; the threshold is the one with the best mean keep-F1 over the repetitions."""
    repeats, folds = 5, 10
    scores = np.zeros((repeats, len(keep)))
    splits = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=0).split(statistics, keep)
    for number, (train, test) in enumerate(splits):
        fitted = fit_documents(statistics[train], words[train], keep[train], strength)
        scores[number // folds, test] = 1 / (1 + np.exp(-document_logits(statistics[test], words[test], fitted)))
    thresholds = np.arange(0.2, 0.81, 0.01)
    f1 = [np.mean([f1_score(keep, row >= threshold) for row in scores]) for threshold in thresholds]
    smooth = np.convolve(np.pad(f1, 3, mode="edge"), np.ones(7) / 7, mode="valid")
    best = int(np.argmax(smooth))
    auc = float(np.mean([roc_auc_score(keep, row) for row in scores]))
    return DocumentScores(round(float(thresholds[best]), 2), float(f1[best]), auc)


def fit_documents(
    statistics: np.ndarray, words: np.ndarray, keep: np.ndarray, strength: float = DOCUMENT_STRENGTH
) -> dict[str, np.ndarray]:
    """Logistic regression with L2 on L2-normalised TF-IDF and on standardised statistics."""
    frequency = (words > 0).sum(axis=0)
    idf = np.where(frequency >= FEWEST_DOCUMENTS, np.log((1 + len(words)) / (1 + frequency)) + 1, 0).astype(np.float32)
    mean, scale = statistics.mean(axis=0), statistics.std(axis=0) + 1e-6
    x = np.concatenate([_tfidf(words, idf), (statistics - mean) / scale * STATISTICS_SHARE], axis=1)
    judge = LogisticRegression(C=strength, max_iter=3000).fit(x, keep)
    weights = judge.coef_[0].astype(np.float32)
    return {
        "documents.words": weights[: words.shape[1]],
        "documents.idf": idf,
        "documents.statistics": weights[words.shape[1] :] * STATISTICS_SHARE,
        "documents.mean": mean.astype(np.float32),
        "documents.scale": scale.astype(np.float32),
        "documents.bias": judge.intercept_.astype(np.float32)[0],
    }


def document_logits(statistics: np.ndarray, words: np.ndarray, fitted: dict[str, np.ndarray]) -> np.ndarray:
    standard = (statistics - fitted["documents.mean"]) / fitted["documents.scale"]
    by_words = _tfidf(words, fitted["documents.idf"]) @ fitted["documents.words"]
    return standard @ fitted["documents.statistics"] + by_words + fitted["documents.bias"]


def _tfidf(words: np.ndarray, idf: np.ndarray) -> np.ndarray:
    weighted = words * idf
    return weighted / np.maximum(np.linalg.norm(weighted, axis=1, keepdims=True), 1e-9)
