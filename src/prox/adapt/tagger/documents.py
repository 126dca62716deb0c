"""Train the tagger's judge of documents, and measure it by cross-validation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from scipy.sparse import csr_matrix, diags, hstack, vstack
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import RepeatedStratifiedKFold, StratifiedGroupKFold
from sklearn.preprocessing import normalize

from prox.refiners.tagger.documents import (
    FADING,
    BoolArray,
    content_logit,
    counted,
    damped,
    document_statistics,
    judged_lines,
    judged_tokens,
)
from prox.refiners.tagger.features import BUCKETS, FloatArray, IntArray, LineFeatures, line_features
from prox.refiners.tagger.network import sigmoid

LineLogits = Callable[[LineFeatures], FloatArray]

STRENGTH = 5.0  # inverse of the regularisation of the judge of documents
STATISTICS_SHARE = 0.1  # how much the standardised statistics weigh against the words before regularisation
FEWEST_DOCUMENTS = 2  # a word that fewer documents have in common has no weight
MANY_DOCUMENTS = 2000  # from so many on, five folds once say what ten folds five times say of fewer
PLATEAU = 0.003  # of keep-F1; less of a difference between two thresholds is chance
SAMPLES = 200  # of the bootstrap
SLOPES = (0.25, 4.0)  # of the calibration
FEWEST_KNOWN = 0.1  # share of known words; documents with fewer words in common than that tell nothing by them
UNUSUAL = 0.003  # share of the training documents that may be strange to the judge; most of those are bad ones


@dataclass(frozen=True, slots=True)
class DocumentScores:
    """Cross-validated figures of the document judge.

    Attributes:
        threshold: The best one over all answers, for the judge that is trained on all documents.
        keep_f1: Mean over the repetitions; of every fold at the threshold that is best on the other folds.
        keep_f1_at_threshold: The same at `threshold`, which was chosen on these very answers and so flatters a little.
        keep_f1_interval, auc_interval: 95 % of the samples when the documents are drawn again (bootstrap).
        keep_f1_of_everything: That of keeping every document.
        slope, intercept: What makes probabilities of the logits of such a judge (Platt), see `calibrated`.
        by_site: Whether no site was on both sides; there may be too few of them for that.
    """

    documents: int
    threshold: float
    keep_f1: float
    keep_f1_at_threshold: float
    auc: float
    keep_f1_interval: tuple[float, float]
    auc_interval: tuple[float, float]
    keep_f1_of_everything: float
    slope: float
    intercept: float
    by_site: bool = True


@dataclass(frozen=True, slots=True)
class DocumentInputs:
    """What the judge sees of some documents: statistics (n, STATISTICS) and damped counts of tokens.

    Attributes:
        words: Sparse, two of (n, BUCKETS), one for each kind of tokens (see `judged_tokens`).
        content: (n,): what the lines alone say, see `content_logit`.
    """

    statistics: np.ndarray
    words: tuple[csr_matrix, csr_matrix]
    content: np.ndarray

    def take(self, chosen: np.ndarray) -> "DocumentInputs":
        words = (self.words[0][chosen], self.words[1][chosen])
        return DocumentInputs(self.statistics[chosen], words, self.content[chosen])


def document_inputs(
    texts: Sequence[str],
    logits_of: LineLogits,
    judged_lines: Callable[[FloatArray, IntArray], BoolArray] = judged_lines,
) -> DocumentInputs:
    """`judged_lines` says by which lines a document is judged, given their noise probabilities and words."""
    statistics: list[np.ndarray] = []
    content: list[float] = []
    rows: tuple[list[csr_matrix], list[csr_matrix]] = ([], [])
    for text in texts:
        features = line_features(text)
        noise = sigmoid(logits_of(features))
        judged = judged_lines(noise, features.words)
        statistics.append(document_statistics(features, noise, judged))
        content.append(content_logit(features, noise, judged))
        for kind, tokens in enumerate(judged_tokens(features, judged)):
            buckets, counts = counted(tokens)
            rows[kind].append(csr_matrix((damped(counts), buckets, [0, len(buckets)]), shape=(1, BUCKETS)))
    first, second = (vstack(of_kind, format="csr") for of_kind in rows)
    return DocumentInputs(np.array(statistics), (first, second), np.array(content))


def concatenate(first: DocumentInputs, second: DocumentInputs) -> DocumentInputs:
    words = [vstack(pair, format="csr") for pair in zip(first.words, second.words, strict=True)]
    statistics = np.concatenate([first.statistics, second.statistics])
    return DocumentInputs(statistics, (words[0], words[1]), np.concatenate([first.content, second.content]))


def every_line(noise: FloatArray, words: IntArray) -> BoolArray:
    """Training documents have been extracted: their noise tells the bad ones, and no page stands around them."""
    return np.ones(len(noise), bool)


def cross_validate_documents(
    whole: DocumentInputs, judged: DocumentInputs, keep: np.ndarray, sites: Sequence[str] | None = None
) -> DocumentScores:
    """Ten folds, five times. No judge has seen the documents that it judges, and no threshold was chosen on them.

    Two things reach across folds: slope and intercept come from all answers, and the answers that choose a fold's
    threshold are of judges that were trained on that fold.

    Args:
        whole: The documents as they are to train on.
        judged: The same as the judge will see them, to predict.
        keep: Their labels, 1 to keep.
        sites: Of each document; no site is on both sides, if without one the others still have documents of both kinds.
            None if every document has one of its own.
    """
    repeats, folds = (1, 5) if len(keep) >= MANY_DOCUMENTS else (5, 10)
    logits, trusted = np.zeros((repeats, len(keep))), np.zeros((repeats, len(keep)))
    splits = _splits_by_site(keep, sites, repeats, folds)
    by_site = splits is not None
    splits = splits or _splits(keep, repeats, folds)
    for repeat, train, test in splits:
        fitted = fit_documents(whole.take(train), keep[train])
        logits[repeat, test], trusted[repeat, test] = _logits_and_trust(judged.take(test), fitted)
    slope, intercept = _calibration(logits, keep)
    calibrated = slope * logits + intercept
    scores = sigmoid(trusted * calibrated + (1 - trusted) * np.maximum(calibrated, judged.content))
    kept = np.zeros(scores.shape, bool)
    for repeat, train, test in splits:
        kept[repeat, test] = scores[repeat, test] >= _best_threshold(keep[train], scores[repeat : repeat + 1, train])
    threshold = _best_threshold(keep, scores)
    return DocumentScores(
        documents=len(keep),
        threshold=threshold,
        keep_f1=float(np.mean([_f1(keep, row) for row in kept])),
        keep_f1_at_threshold=float(np.mean([_f1(keep, row >= threshold) for row in scores])),
        auc=_auc(keep, scores),
        keep_f1_interval=_interval(keep, lambda some: float(np.mean([_f1(keep[some], row[some]) for row in kept]))),
        auc_interval=_interval(keep, lambda some: _auc(keep[some], scores[:, some])),
        keep_f1_of_everything=float(2 * keep.mean() / (1 + keep.mean())),
        slope=slope,
        intercept=intercept,
        by_site=by_site,
    )


def _f1(keep: np.ndarray, kept: np.ndarray) -> float:
    right = int((kept & (keep == 1)).sum())
    return 2 * right / max(int(kept.sum()) + int(keep.sum()), 1)


def _auc(keep: np.ndarray, scores: np.ndarray) -> float:
    return float(np.mean([roc_auc_score(keep, row) for row in scores]))


def _best_threshold(keep: np.ndarray, scores: np.ndarray) -> float:
    """Where the mean keep-F1 over the rows of `scores` is best: the middle of what is as good, a peak is chance."""
    thresholds = np.arange(20, 81) / 100
    f1 = np.array([np.mean([_f1(keep, row >= threshold) for row in scores]) for threshold in thresholds])
    return round(float(thresholds[f1 >= f1.max() - PLATEAU].mean()), 2)


def _interval(keep: np.ndarray, figure: Callable[[np.ndarray], float]) -> tuple[float, float]:
    chance = np.random.default_rng(0)
    drawn = (chance.integers(0, len(keep), len(keep)) for _ in range(SAMPLES))
    low, high = np.quantile([figure(some) for some in drawn if len(set(keep[some].tolist())) == 2], [0.025, 0.975])
    return float(low), float(high)


def _calibration(logits: np.ndarray, keep: np.ndarray) -> tuple[float, float]:
    """Slope and intercept that fit the logits of judges to documents that these have not seen.

    The slope stays within bounds: a few documents that a judge tells apart without a fault do not make it sure of
    everything, and one that has learned nothing keeps its order.
    """
    platt = LogisticRegression().fit(logits.reshape(-1, 1), np.tile(keep, len(logits)))
    slope = float(np.clip(platt.coef_[0, 0], *SLOPES))
    return slope, float(platt.intercept_[0])


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
        "documents.familiar": np.float32(_familiar(inputs.words[0], frequency[0])),
        "documents.usual": np.float32(np.quantile(np.abs((statistics - mean) / scale).max(axis=1), 1 - UNUSUAL)),
    }


def _familiar(words: csr_matrix, frequency: np.ndarray) -> float:
    """The share of words that the others know of nearly every training document."""
    shares = _known_by_others(words, frequency)
    return max(float(np.quantile(shares, UNUSUAL)), FEWEST_KNOWN)


def _known_by_others(words: csr_matrix, frequency: np.ndarray) -> np.ndarray:
    """The share of each document's words that would be known without it: it is one of the documents that have them."""
    return _known(words, frequency > FEWEST_DOCUMENTS)


def calibrated(fitted: dict[str, np.ndarray], scores: DocumentScores) -> dict[str, np.ndarray]:
    """The judge whose logits are those of probabilities, with its threshold."""
    scaled = {name: fitted[name] * np.float32(scores.slope) for name in ("documents.words", "documents.statistics")}
    bias = np.array(fitted["documents.bias"] * scores.slope + scores.intercept, np.float32)
    return fitted | scaled | {"documents.bias": bias, "documents.threshold": np.array(scores.threshold)}


def document_logits(inputs: DocumentInputs, fitted: dict[str, np.ndarray]) -> np.ndarray:
    """What `keep_logit` says of each document."""
    logits, trusted = _logits_and_trust(inputs, fitted)
    tempered: np.ndarray = trusted * logits + (1 - trusted) * np.maximum(logits, inputs.content)
    return tempered


def _logits_and_trust(inputs: DocumentInputs, fitted: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Untempered logits, and `trust` in them."""
    standard = (inputs.statistics - fitted["documents.mean"]) / fitted["documents.scale"]
    tfidf = _tfidf(inputs.words, fitted["documents.idf"])
    by_words = sum(of_kind @ weights for of_kind, weights in zip(tfidf, fitted["documents.words"], strict=True))
    logits = standard @ fitted["documents.statistics"] + by_words + fitted["documents.bias"]
    lacking = 1 - _known(inputs.words[0], fitted["documents.idf"][0] > 0) / fitted["documents.familiar"]
    beyond = np.abs(standard).max(axis=1) / fitted["documents.usual"] - 1
    return logits, np.clip(1 - FADING * np.maximum(lacking, beyond), 0, 1)


def _known(words: csr_matrix, known: np.ndarray) -> np.ndarray:
    """The share of known words among those of each document (n,)."""
    counts = words.copy()
    counts.data = np.expm1(counts.data)
    return (counts @ known.astype(np.float32)) / np.maximum(counts.sum(axis=1).A1, 1)


def _tfidf(words: tuple[csr_matrix, csr_matrix], idf: np.ndarray) -> list[csr_matrix]:
    return [normalize(of_kind @ diags(weights)) for of_kind, weights in zip(words, idf, strict=True)]
