"""How sure a figure is, and whether two models differ: items, tasks and seeds.

A figure is a ratio of sums, of items' scores to their number, or of documents' bits to their bytes; where items fall
into strata, as the subjects of MMLU, it is the mean of the strata's ratios. Intervals are the middle 95 % of what
resampling items within their strata gives. The p value of a difference comes from flipping the signs of the items'
differences: how often chance alone gives one as large.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prox.runs.bootstrap import CELLS, RESAMPLES, SEED, Interval

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What was measured, item by item.

    Attributes:
        values: An item's score, or a document's bits.
        weights: 1, or the document's bytes.
        strata: The number of each item's stratum, from 0.
    """

    values: FloatArray
    weights: FloatArray
    strata: npt.NDArray[np.int64]

    @property
    def value(self) -> float:
        """The figure; not a number where there is nothing to divide by."""
        return float(_ratios(*_sums(self)).mean()) if len(self.values) else math.nan

    @property
    def standard_error(self) -> float | None:
        """By the items' scatter, within strata; None with fewer than two items in a stratum."""
        values, weights = _sums(self)
        counts = np.bincount(self.strata) if len(self.strata) else np.zeros(0)
        if not len(counts) or counts.min() < 2 or weights.min() <= 0:
            return None
        scatter = self.values - (values / weights)[self.strata] * self.weights
        squares = np.bincount(self.strata, scatter**2)
        variances = squares * counts / (counts - 1) / weights**2
        return float(math.sqrt(variances.sum()) / len(counts))


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A figure, or a difference of two, with what chance would make of it.

    Attributes:
        value: The figure.
        standard_error: None where there are too few items.
        draws: The figure in each resample of the items; empty where there are too few.
        flips: Of a difference: what it is with random signs; empty for a figure.
    """

    value: float
    standard_error: float | None
    draws: FloatArray
    flips: FloatArray

    @property
    def interval(self) -> Interval | None:
        there = self.draws[~np.isnan(self.draws)]
        if not len(there):
            return None
        low, high = np.percentile(there, [2.5, 97.5])
        return Interval(float(low), float(high))

    @property
    def p(self) -> float | None:
        """Two-sided; never below 1 in the number of flips."""
        if not len(self.flips):
            return None
        as_large = np.abs(self.flips) >= abs(self.value) * (1 - 1e-9) - 1e-15
        return float((1 + as_large.sum()) / (1 + len(self.flips)))


def estimate(sample: Sample, stream: int = 0) -> Estimate:
    """A figure with its interval; figures of different tasks take different streams of chance."""
    error = sample.standard_error
    draws = np.zeros(0) if error is None else _resampled([sample], stream)[0]
    return Estimate(sample.value, error, draws, np.zeros(0))


def difference(base: Sample, other: Sample, stream: int = 0) -> Estimate:
    """`other` less `base`, on the same items in the same order.

    What makes an item hard for both cancels out: the difference is surer than the two figures.
    """
    weights = np.bincount(base.strata, base.weights)
    apart = Sample(other.values - base.values, base.weights, base.strata)
    error = apart.standard_error
    value = other.value - base.value
    if error is None:
        return Estimate(value, None, np.zeros(0), np.zeros(0))
    first, second = _resampled([base, other], stream)
    shares = apart.values / weights[base.strata] / len(weights)
    return Estimate(value, error, second - first, _flipped(shares, stream))


def mean(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of the figures of several tasks, whose items are independent of each other."""
    errors = [each.standard_error for each in estimates]
    known = [error for error in errors if error is not None]
    whole = len(known) == len(estimates)
    return Estimate(
        float(np.mean([each.value for each in estimates])),
        math.sqrt(sum(error**2 for error in known)) / len(known) if whole else None,
        np.mean([each.draws for each in estimates], axis=0) if whole else np.zeros(0),
        np.mean([each.flips for each in estimates], axis=0) if whole else np.zeros(0),
    )


@dataclass(frozen=True, slots=True)
class Seeds:
    """Models that differ in their seed alone.

    Attributes:
        mean: Of their figures, or of the differences between two groups position by position.
        deviation: Standard deviation between them (n − 1); None for one model.
        standard_error: Of the mean.
        interval: Student's t, 95 %.
        models: How many there are.
    """

    mean: float
    deviation: float | None
    standard_error: float | None
    interval: Interval | None
    models: int


def over_seeds(values: Sequence[float]) -> Seeds:
    """Mean and spread of a figure over the seeds of a group."""
    count, centre = len(values), float(np.mean(values))
    if count < 2:
        return Seeds(centre, None, None, None, count)
    from scipy.stats import t

    deviation = float(np.std(values, ddof=1))
    error = deviation / math.sqrt(count)
    reach = float(t.ppf(0.975, count - 1)) * error
    return Seeds(centre, deviation, error, Interval(centre - reach, centre + reach), count)


def _sums(sample: Sample) -> tuple[FloatArray, FloatArray]:
    """Values and weights, added up by stratum."""
    values, weights = np.bincount(sample.strata, sample.values), np.bincount(sample.strata, sample.weights)
    return values.astype(np.float64), weights.astype(np.float64)


def _ratios(values: FloatArray, weights: FloatArray) -> FloatArray:
    return np.where(weights > 0, values / np.where(weights > 0, weights, 1), np.nan)


def _resampled(samples: Sequence[Sample], stream: int) -> list[FloatArray]:
    """The figure of each sample in each resample; all of them meet the same draws."""
    random = np.random.default_rng([SEED, stream])
    strata = samples[0].strata
    totals = [np.zeros(RESAMPLES) for _ in samples]
    count = int(strata.max()) + 1
    for stratum in range(count):
        members = np.flatnonzero(strata == stratum)
        at_once = max(1, CELLS // len(members))
        for start in range(0, RESAMPLES, at_once):
            rows = min(at_once, RESAMPLES - start)
            picked = members[random.integers(0, len(members), (rows, len(members)))]
            for total, sample in zip(totals, samples, strict=True):
                ratios = _ratios(sample.values[picked].sum(1), sample.weights[picked].sum(1))
                total[start : start + rows] += ratios / count
    return totals


def _flipped(shares: FloatArray, stream: int) -> FloatArray:
    """The sum of the shares with random signs."""
    random = np.random.default_rng([SEED, stream, 1])
    shares = shares[shares != 0]
    flips = np.zeros(RESAMPLES)
    at_once = max(1, CELLS // max(1, len(shares)))
    for start in range(0, RESAMPLES, at_once):
        rows = min(at_once, RESAMPLES - start)
        signs = random.integers(0, 2, (rows, len(shares)), np.int8) * 2 - 1
        flips[start : start + rows] = signs @ shares
    return flips
