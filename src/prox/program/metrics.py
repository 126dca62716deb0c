"""How good programs are: F1 over documents, lines and words, ranking quality, and failures (ProX, section 3 and 4).

Wherever nothing was to be found and nothing was found, precision, recall and F1 are 1.0: leaving a clean page alone is
right. An average over pages would otherwise punish a refiner for clean pages, and a sum would hide it.
"""

import math
from collections.abc import Collection, Iterable, Sequence, Set
from dataclasses import dataclass

from prox.program.executor import Outcome
from prox.program.operations import Program


@dataclass(frozen=True, slots=True)
class Counts:
    """True positives, false positives, false negatives; sums of counts give micro averages."""

    tp: int = 0
    fp: int = 0
    fn: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)

    @property
    def precision(self) -> float:
        """The right ones among the found; with nothing found, whether that is right (1.0) or not (0.0)."""
        return self.tp / (self.tp + self.fp) if self.tp + self.fp else float(not self.fn)

    @property
    def recall(self) -> float:
        """The found ones among those to find; with nothing to find, whether nothing was found."""
        return self.tp / (self.tp + self.fn) if self.tp + self.fn else float(not self.fp)

    @property
    def f1(self) -> float:
        total = 2 * self.tp + self.fp + self.fn
        return 2 * self.tp / total if total else 1.0


def line_counts(predicted: Set[int], labelled: Set[int], neutral: Set[int] = frozenset()) -> Counts:
    """Compare sets of removed line numbers; neutral lines are left out (ProX, section 3: chunk F1).

    >>> line_counts({0, 1, 7}, {0, 1, 2}, neutral={7})
    Counts(tp=2, fp=0, fn=1)
    """
    predicted, labelled = predicted - neutral, labelled - neutral
    return Counts(len(predicted & labelled), len(predicted - labelled), len(labelled - predicted))


def macro_f1(pages: Iterable[Counts]) -> float:
    """The mean of the pages' F1, each page with the same weight; not a number for no pages."""
    scores = [page.f1 for page in pages]
    return math.fsum(scores) / len(scores) if scores else math.nan


def content_counts(
    words: Sequence[int], kept: Sequence[int], noise: Sequence[bool | int], neutral: Collection[int] = ()
) -> Counts:
    """Judge what is kept by its content, in words: content kept, noise kept, content removed.

    Args:
        words: Words of each line of a page, `len(line.split())`.
        kept: How many of them the refined page still has, line by line.
        noise: Whether each line is noise.
        neutral: Numbers of the lines to leave out.

    >>> content_counts(words=[5, 40, 3], kept=[0, 38, 3], noise=[True, False, True])
    Counts(tp=38, fp=3, fn=2)
    """
    tp = fp = fn = 0
    for number, (total, left, is_noise) in enumerate(zip(words, kept, noise, strict=True)):
        if number in neutral:
            continue
        if is_noise:
            fp += left
        else:
            tp += left
            fn += total - left
    return Counts(tp, fp, fn)


@dataclass(frozen=True, slots=True)
class DocumentScore:
    """Keep or drop as a binary task, seen from both sides."""

    keep: Counts
    drop: Counts

    @property
    def accuracy(self) -> float:
        """The share of right decisions; not a number for no documents."""
        right = self.keep.tp + self.drop.tp
        total = right + self.keep.fp + self.keep.fn
        return right / total if total else math.nan


def document_score(kept: Sequence[bool | int], labelled: Sequence[bool | int]) -> DocumentScore:
    """Compare decisions to keep with labels (true or 1 is keep).

    >>> score = document_score([1, 1, 0, 0], [1, 0, 0, 0])
    >>> score.keep.f1, score.drop.f1, score.accuracy
    (0.6666666666666666, 0.8, 0.75)
    """
    pairs = [(bool(ours), bool(theirs)) for ours, theirs in zip(kept, labelled, strict=True)]
    wrongly_kept = pairs.count((True, False))
    wrongly_dropped = pairs.count((False, True))
    return DocumentScore(
        keep=Counts(pairs.count((True, True)), wrongly_kept, wrongly_dropped),
        drop=Counts(pairs.count((False, False)), wrongly_dropped, wrongly_kept),
    )


def auc(scores: Sequence[float], labels: Sequence[bool | int]) -> float:
    """The chance that a positive scores above a negative, ties counted half: the area under the ROC curve.

    By the rank sum of the positives (Mann–Whitney), tied scores sharing their mean rank. Not a number if a class is
    missing or a score is not a number.

    >>> auc([0.1, 0.4, 0.4, 0.8], [0, 0, 1, 1])
    0.875
    """
    pairs = sorted(zip(scores, map(bool, labels), strict=True))
    positives = sum(label for _, label in pairs)
    negatives = len(pairs) - positives
    if not positives or not negatives or any(math.isnan(score) for score in scores):
        return math.nan
    doubled_ranks = 0  # of the positives; doubled, so that mean ranks stay whole numbers
    start = 0
    while start < len(pairs):
        stop = start
        tied_positives = 0
        while stop < len(pairs) and pairs[stop][0] == pairs[start][0]:
            tied_positives += pairs[stop][1]
            stop += 1
        doubled_ranks += tied_positives * (start + 1 + stop)
        start = stop
    return (doubled_ranks - positives * (positives + 1)) / (2 * positives * negatives)


def failure_ratio(outcomes: Iterable[Outcome]) -> float:
    """The share of programs with a parse error or a rejected operation; one outcome a program, 0.0 for none."""
    failures = [bool(outcome.errors or outcome.rejected) for outcome in outcomes]
    return sum(failures) / len(failures) if failures else 0.0


def mean_calls(programs: Iterable[Program]) -> float:
    """Operations per program, those that could not be read left out; 0.0 for no programs."""
    sizes = [len(program.operations) for program in programs]
    return sum(sizes) / len(sizes) if sizes else 0.0
