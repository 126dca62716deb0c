"""How sure a figure is: intervals by resampling, and differences between refiners on the same pages.

Pages of a site share menus and footers, so what is drawn, with replacement, are sites with all their pages (a cluster
bootstrap); a page whose record names no site is drawn alone. All refiners meet the same draws, so that differences are
paired: what makes a page hard for both of them cancels out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prox.errors import RunError
from prox.program import Counts
from prox.runs.score_pages import DocumentFigures, LineFigures, PageFigures
from prox.runs.score_tally import NAMES

RESAMPLES = 1000
SEED = 20240917
CELLS = 4_000_000
"""Numbers that are held at once, about: 32 MB."""

FloatArray = npt.NDArray[np.float64]
Figures = dict[str, FloatArray]


@dataclass(frozen=True, slots=True)
class Interval:
    """The middle 95 % of what resampling gave."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of a refiner less that of the first one; if the interval is on one side of 0, they are not alike.

    `low` and `high` are None where there is no interval.
    """

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """What resampling says of each refiner, by the names of `NAMES`.

    Attributes:
        resamples: How often pages were drawn.
        clusters: What could be drawn: sites, and pages that name none.
        sites: How many of them are sites.
        intervals: One mapping for each refiner; empty where there are fewer than two clusters.
        differences: One mapping for each; that of the first is empty.
    """

    resamples: int
    clusters: int
    sites: int
    intervals: tuple[Mapping[str, Interval], ...]
    differences: tuple[Mapping[str, Difference], ...]


def bootstrap(refiners: Sequence[Sequence[PageFigures]], resamples: int = RESAMPLES) -> Bootstrap:
    """Resample the pages of refiners that were scored on the same gold, each in the same order.

    Raises:
        RunError: They were not: the gold has changed meanwhile.
    """
    first = refiners[0]
    if any([_key(page) for page in first] != [_key(page) for page in other] for other in refiners[1:]):
        raise RunError("the refiners were not scored on the same pages: has the gold changed? Score it again")
    clusters, sites = _clusters(first)
    count = int(clusters.max()) + 1
    tables = [_Table(pages, clusters, count) for pages in refiners]
    plain = [table.figures(np.ones((1, count))) for table in tables]
    if count < 2:  # every draw would be the same
        resamples = 0
    drawn = _drawn(tables, count, max(len(first), count), resamples)
    differences = [_differences(plain[0], drawn[0], *own) for own in zip(plain[1:], drawn[1:], strict=True)]
    return Bootstrap(resamples, count, sites, tuple(map(_intervals, drawn)), ({}, *differences))


def _key(page: PageFigures) -> tuple[object, ...]:
    return page.level, page.source, page.site, page.words_before


def _clusters(pages: Sequence[PageFigures]) -> tuple[npt.NDArray[np.int64], int]:
    """The number of each page's cluster, from 0, and how many are sites."""
    sites: dict[str, int] = {}
    for page in pages:
        if page.site is not None:
            sites.setdefault(page.site, len(sites))
    alone = len(sites)
    numbers = []
    for page in pages:
        numbers.append(alone if page.site is None else sites[page.site])
        alone += page.site is None
    return np.array(numbers, np.int64), len(sites)


def _drawn(tables: "Sequence[_Table]", clusters: int, width: int, resamples: int) -> list[Figures]:
    """The figures of each refiner, a value for each resample."""
    random = np.random.default_rng(SEED)
    blocks: list[list[Figures]] = [[] for _ in tables]
    at_once = max(1, CELLS // width)
    for start in range(0, max(resamples, 1), at_once):
        rows = min(at_once, resamples - start)
        picked = random.integers(0, clusters, (rows, clusters)) + np.arange(rows)[:, None] * clusters
        weights = np.bincount(picked.ravel(), minlength=rows * clusters).reshape(rows, clusters).astype(np.float64)
        for own, table in zip(blocks, tables, strict=True):
            own.append(table.figures(weights))
    return [{name: np.concatenate([block[name] for block in own]) for name in own[0]} for own in blocks]


def _intervals(drawn: Figures) -> dict[str, Interval]:
    return {name: Interval(*bounds) for name, values in drawn.items() if (bounds := _middle(values))}


def _differences(first: Figures, first_drawn: Figures, own: Figures, own_drawn: Figures) -> dict[str, Difference]:
    return {
        name: Difference(float(value), *(_middle(own_drawn[name] - first_drawn[name]) or (None, None)))
        for name in own
        if not np.isnan(value := own[name][0] - first[name][0])
    }


def _middle(values: FloatArray) -> tuple[float, float] | None:
    """The middle 95 %, of the resamples in which there is a figure at all."""
    there = values[~np.isnan(values)]
    if not len(there):
        return None
    low, high = np.percentile(there, [2.5, 97.5])
    return float(low), float(high)


_LINES = ("pages", "tp", "fp", "fn", "f1", "noisy", "noisy_f1", "content_tp", "content_fp", "content_fn", "noise_words")
_DOCUMENTS = ("documents", "kept_rightly", "kept_wrongly", "dropped_wrongly", "dropped_rightly")
_ALL = ("programs", "failures", "calls")
_WORDS = ("line_words", "line_words_left", "document_words", "document_words_left")


class _Table:
    """A refiner's pages, added up by cluster, so that a resample is a product with its weights."""

    def __init__(self, pages: Sequence[PageFigures], clusters: npt.NDArray[np.int64], count: int) -> None:
        rows = np.array([_row(page) for page in pages], np.float64)
        sums = np.zeros((count, rows.shape[1]))
        np.add.at(sums, clusters, rows)
        self._sums = sums
        scored = [
            (each.probability, each.keep, cluster)
            for page, cluster in zip(pages, clusters, strict=True)
            if isinstance(each := page.judged, DocumentFigures) and each.probability is not None
        ]
        scored.sort(key=lambda each: each[0])
        probabilities = np.array([each[0] for each in scored])
        self._keep = np.array([each[1] for each in scored], bool)
        self._scored = np.array([each[2] for each in scored], np.int64)
        self._ties = np.flatnonzero(np.diff(probabilities, prepend=-np.inf))
        self._ranked = bool(scored) and not np.isnan(probabilities).any()

    def figures(self, weights: FloatArray) -> Figures:
        """All figures under weights of the clusters, one row a resample; not a number where there is none."""
        sums = dict(zip(_LINES + _DOCUMENTS + _ALL + _WORDS, (weights @ self._sums).T, strict=True))
        lines, documents = sums["pages"] > 0, sums["documents"] > 0
        kept, dropped = sums["kept_rightly"], sums["dropped_rightly"]
        wrong = (sums["kept_wrongly"], sums["dropped_wrongly"])
        content = sums["content_tp"], sums["content_fp"], sums["content_fn"]
        figures = {
            "lines.f1": _where(lines, _f1(sums["tp"], sums["fp"], sums["fn"])),
            "lines.macro_f1": _ratio(sums["f1"], sums["pages"]),
            "lines.noisy_macro_f1": _ratio(sums["noisy_f1"], sums["noisy"]),
            "content_tokens.f1": _where(lines, _f1(*content)),
            "lines.noise_words_found": 1 - _ratio(sums["content_fp"], sums["noise_words"]),
            "lines.content_words_lost": _ratio(sums["content_fn"], sums["content_tp"] + sums["content_fn"]),
            "lines.words_kept": _ratio(sums["line_words_left"], sums["line_words"]),
            "documents.keep_f1": _where(documents, _f1(kept, *wrong)),
            "documents.drop_f1": _where(documents, _f1(dropped, *wrong)),
            "documents.accuracy": _ratio(kept + dropped, sums["documents"]),
            "documents.auc": self._auc(weights),
            "documents.words_kept": _ratio(sums["document_words_left"], sums["document_words"]),
            "programs.failure_ratio": _ratio(sums["failures"], sums["programs"]),
            "programs.calls_mean": _ratio(sums["calls"], sums["programs"]),
        }
        return {name: figures[name] for name in NAMES}

    def _auc(self, weights: FloatArray) -> FloatArray:
        """As `prox.program.auc`, with weights: the chance that a document to keep scores above one to drop."""
        if not self._ranked:
            return np.full(len(weights), np.nan)
        own = weights[:, self._scored]
        keep = np.add.reduceat(own * self._keep, self._ties, axis=1)
        drop = np.add.reduceat(own * ~self._keep, self._ties, axis=1)
        below = np.cumsum(drop, axis=1) - drop / 2
        return _ratio((keep * below).sum(axis=1), keep.sum(axis=1) * drop.sum(axis=1))


def _row(page: PageFigures) -> tuple[float, ...]:
    every = (page.programs, page.failures, page.calls)
    words = (page.words_before, page.words_after)
    if isinstance(page.judged, LineFigures):
        lines, content = page.judged.lines, page.judged.content
        noisy = lines.tp + lines.fn > 0
        of_lines = (1, *_counts(lines), lines.f1, noisy, noisy * lines.f1, *_counts(content), page.judged.noise_words)
        return (*of_lines, *[0] * len(_DOCUMENTS), *every, *words, 0, 0)
    kept, keep = page.judged.kept, page.judged.keep
    decision = (1, kept and keep, kept and not keep, keep and not kept, not kept and not keep)
    return (*[0] * len(_LINES), *decision, *every, 0, 0, *words)


def _counts(counts: Counts) -> tuple[int, int, int]:
    return counts.tp, counts.fp, counts.fn


def _f1(tp: FloatArray, fp: FloatArray, fn: FloatArray) -> FloatArray:
    total = 2 * tp + fp + fn
    return np.where(total > 0, 2 * tp / np.where(total > 0, total, 1), 1.0)


def _ratio(part: FloatArray, whole: FloatArray) -> FloatArray:
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)


def _where(there: npt.NDArray[np.bool_], values: FloatArray) -> FloatArray:
    return np.where(there, values, np.nan)
