"""Train the tagger's judge of documents, and measure it by cross-validation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.sparse import csr_matrix, diags, hstack, vstack
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score, roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedGroupKFold
from sklearn.preprocessing import normalize

from prox.refiners.tagger.documents import BoolArray, counted, damped, document_statistics, judged_lines, judged_tokens
from prox.refiners.tagger.features import BUCKETS, FloatArray, IntArray, LineFeatures, line_features
from prox.refiners.tagger.network import sigmoid

LineLogits = Callable[[LineFeatures], FloatArray]

STRENGTH = 5.0  # inverse of the regularisation of the judge of documents
STATISTICS_SHARE = 0.1  # how much the standardised statistics weigh against the words before regularisation
FEWEST_DOCUMENTS = 2  # a word that fewer documents have in common has no weight
MANY_DOCUMENTS = 2000  # from so many on, five folds once say what ten folds five times say of fewer


@dataclass(frozen=True, slots=True)
class DocumentScores:
    """Cross-validated figures of the document judge at its threshold.

    Attributes:
        keep_f1: Mean over the repetitions; the threshold was chosen on the same answers, which flatters it a little.
        keep_f1_of_everything: That of keeping every document.
        by_site: Whether no site was on both sides; there may be too few of them for that.
    """

    documents: int
    threshold: float
    keep_f1: float
    auc: float
    keep_f1_of_everything: float
    by_site: bool = True


@dataclass(frozen=True, slots=True)
class DocumentInputs:
    """What the judge sees of some documents: statistics (n, STATISTICS) and damped counts of tokens.

    Attributes:
        words: Sparse, two of (n, BUCKETS), one for each kind of tokens (see `judged_tokens`).
    """

    statistics: np.ndarray
    words: tuple[csr_matrix, csr_matrix]

    def take(self, chosen: np.ndarray) -> "DocumentInputs":
        return DocumentInputs(self.statistics[chosen], (self.words[0][chosen], self.words[1][chosen]))


def document_inputs(
    texts: Sequence[str],
    logits_of: LineLogits,
    judged_lines: Callable[[FloatArray, IntArray], BoolArray] = judged_lines,
) -> DocumentInputs:
    """`judged_lines` says by which lines a document is judged, given their noise probabilities and words."""
    statistics: list[np.ndarray] = []
    rows: tuple[list[csr_matrix], list[csr_matrix]] = ([], [])
    for text in texts:
        features = line_features(text)
        noise = sigmoid(logits_of(features))
        judged = judged_lines(noise, features.words)
        statistics.append(document_statistics(features, noise, judged))
        for kind, tokens in enumerate(judged_tokens(features, judged)):
            buckets, counts = counted(tokens)
            rows[kind].append(csr_matrix((damped(counts), buckets, [0, len(buckets)]), shape=(1, BUCKETS)))
    first, second = (vstack(of_kind, format="csr") for of_kind in rows)
    return DocumentInputs(np.array(statistics), (first, second))


def concatenate(first: DocumentInputs, second: DocumentInputs) -> DocumentInputs:
    words = [vstack(pair, format="csr") for pair in zip(first.words, second.words, strict=True)]
    return DocumentInputs(np.concatenate([first.statistics, second.statistics]), (words[0], words[1]))


def every_line(noise: FloatArray, words: IntArray) -> BoolArray:
    """Training documents have been extracted: their noise tells the bad ones, and no page stands around them."""
    return np.ones(len(noise), bool)


def cross_validate_documents(
    whole: DocumentInputs, judged: DocumentInputs, keep: np.ndarray, sites: Sequence[str] | None = None
) -> DocumentScores:
    """Ten folds, five times; the threshold is the one with the best mean keep-F1 over the repetitions.

    Args:
        whole: The documents as they are to train on.
        judged: The same as the judge will see them, to predict.
        keep: Their labels, 1 to keep.
        sites: Of each document; no site is on both sides, if without one the others still have documents of both kinds.
            None if every document has one of its own.
    """
    repeats, folds = (1, 5) if len(keep) >= MANY_DOCUMENTS else (5, 10)
    scores = np.zeros((repeats, len(keep)))
    splits = _splits_by_site(keep, sites, repeats, folds)
    by_site = splits is not None
    for repeat, train, test in splits or _splits(keep, repeats, folds):
        fitted = fit_documents(whole.take(train), keep[train])
        scores[repeat, test] = sigmoid(document_logits(judged.take(test), fitted))
    thresholds = np.arange(0.2, 0.81, 0.01)
    f1 = [np.mean([f1_score(keep, row >= threshold) for row in scores]) for threshold in thresholds]
    best = int(np.argmax(f1))
    auc = float(np.mean([roc_auc_score(keep, row) for row in scores]))
    everything = float(2 * keep.mean() / (1 + keep.mean()))
    return DocumentScores(len(keep), round(float(thresholds[best]), 2), float(f1[best]), auc, everything, by_site)


Split: TypeAlias = tuple[int, np.ndarray, np.ndarray]
"""Repetition, documents to train on, documents to predict."""


def _splits_by_site(keep: np.ndarray, sites: Sequence[str] | None, repeats: int, folds: int) -> list[Split] | None:
    """None if some documents could not be predicted: the others are all of their sites, or all of one kind."""
    if sites is None or (count := len(set(sites))) == len(sites):
        return _splits(keep, repeats, folds)
    if count < 2:
        return None
    splits: list[Split] = []
    for repeat in range(repeats):
        grouped = StratifiedGroupKFold(n_splits=min(folds, count), shuffle=True, random_state=repeat)
        splits += [(repeat, train, test) for train, test in grouped.split(keep, keep, sites) if len(test)]
    return splits if all(len(set(keep[train].tolist())) == 2 for _, train, _ in splits) else None


def _splits(keep: np.ndarray, repeats: int, folds: int) -> list[Split]:
    alone = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=0)
    return [(number // folds, train, test) for number, (train, test) in enumerate(alone.split(keep, keep))]


def fit_documents(inputs: DocumentInputs, keep: np.ndarray) -> dict[str, np.ndarray]:
    """Logistic regression with L2 on two L2-normalised TF-IDF vectors and on standardised statistics."""
    statistics = inputs.statistics
    count = len(statistics)
    frequency = np.stack([np.bincount(of_kind.indices, minlength=BUCKETS) for of_kind in inputs.words])
    idf = np.where(frequency >= FEWEST_DOCUMENTS, np.log((1 + count) / (1 + frequency)) + 1, 0).astype(np.float32)
    mean, scale = statistics.mean(axis=0), statistics.std(axis=0) + 1e-6
    known = idf > 0  # the others have no weight; without them the fit takes a tenth of the time
    words = [of_kind[:, some] for of_kind, some in zip(_tfidf(inputs.words, idf), known, strict=True)]
    x = hstack([*words, csr_matrix((statistics - mean) / scale * STATISTICS_SHARE)], format="csr")
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
    tfidf = _tfidf(inputs.words, fitted["documents.idf"])
    by_words = sum(of_kind @ weights for of_kind, weights in zip(tfidf, fitted["documents.words"], strict=True))
    logits: np.ndarray = standard @ fitted["documents.statistics"] + by_words + fitted["documents.bias"]
    return logits


def _tfidf(words: tuple[csr_matrix, csr_matrix], idf: np.ndarray) -> list[csr_matrix]:
    return [normalize(of_kind @ diags(weights)) for of_kind, weights in zip(words, idf, strict=True)]
