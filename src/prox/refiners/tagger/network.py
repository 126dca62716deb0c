"""The tagger's networks in numpy: what a page's lines are, from their features.

Every page is computed by itself, with the same shapes whatever its neighbours are, so the batch it came in cannot
change a bit of the result.
"""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from prox.refiners.tagger.features import FloatArray, LineFeatures

_ROWS = 4096  # lines multiplied at once, so that a very long page needs no matrix of all its neighbourhoods


@dataclass(frozen=True, slots=True)
class LineWeights:
    """The line network: hashed words and numbers, residual dilated convolutions over lines, one page-wide context.

    Shapes: e embedding columns, f numeric features, d hidden, c context; one entry of `mix` and `back` per layer.

    Attributes:
        embedding: (buckets, e) int8, to be multiplied by `embedding_scale`.
        embedding_scale: (e,).
        enter: (e + f, d) and (d,).
        mix: (3 d, d) and (d,): the line `dilation` before, the line itself, the line `dilation` after.
        back: (d, d) and (d,): added to the state.
        gather: (d, c) and (c,): what a line tells the page.
        spread: (3 c, d) and (d,): the mean of the lines before, of those after, and of the whole page.
        leave: (d,) and a number: the logit of noise.
        dilations: Lines between neighbours, layer by layer.
        context_after: The page-wide context enters before this layer.
        lanes: The embedding as `embed` adds it up: four columns a number, see `_lanes`.
    """

    embedding: npt.NDArray[np.int8]
    embedding_scale: FloatArray
    enter: tuple[FloatArray, FloatArray]
    mix: tuple[tuple[FloatArray, FloatArray], ...]
    back: tuple[tuple[FloatArray, FloatArray], ...]
    gather: tuple[FloatArray, FloatArray]
    spread: tuple[FloatArray, FloatArray]
    leave: tuple[FloatArray, float]
    dilations: tuple[int, ...]
    context_after: int
    lanes: npt.NDArray[np.uint64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lanes", _lanes(self.embedding))


def _lanes(embedding: npt.NDArray[np.int8]) -> npt.NDArray[np.uint64]:
    """Rows of 64-bit numbers with four columns each, 128 added to every one, so that no sum borrows from its neighbour.

    A line owns at most 2 * 32 + 1 buckets: its sums fit 16 bits.
    """
    rows, columns = embedding.shape
    wide = np.zeros((rows, -(-columns // 4) * 4), np.uint16)
    np.add(embedding, 128, out=wide[:, :columns], dtype=np.int16, casting="unsafe")
    return wide.view(np.uint64)


def embed(features: LineFeatures, weights: LineWeights) -> FloatArray:
    """The words of each line, (n, e): the sum of their rows over the square root of their number.

    Sums of int8 rows are exact, so their order cannot matter.
    """
    sums = np.add.reduceat(weights.lanes.take(features.buckets, axis=0), features.starts, axis=0)
    lengths = np.diff(features.starts, append=len(features.buckets))
    words = sums.view(np.uint16)[:, : len(weights.embedding_scale)]
    words -= (128 * lengths).astype(np.uint16)[:, None]
    scaled: FloatArray = words.view(np.int16) * weights.embedding_scale
    scaled /= np.sqrt(lengths.astype(np.float32))[:, None]
    return scaled


def line_states(features: LineFeatures, weights: LineWeights) -> FloatArray:
    """The hidden state of every visible line, (n, d)."""
    inputs = np.concatenate([embed(features, weights), features.numeric], axis=1)
    h = _dense(inputs, *weights.enter)
    np.maximum(h, 0, out=h)
    for layer, dilation in enumerate(weights.dilations):
        if layer == weights.context_after:
            h += _dense(_page_context(h, weights), *weights.spread)
        h += _convolve(h, dilation, weights.mix[layer], weights.back[layer])
    return h


def line_logits(states: FloatArray, weights: LineWeights) -> FloatArray:
    vector, bias = weights.leave
    return np.maximum(states, 0) @ vector + np.float32(bias)


def sigmoid(logits: FloatArray) -> FloatArray:
    chances = 1 / (1 + np.exp(-np.clip(logits, -30, 30)))
    return chances.astype(np.float32, copy=False)


def _dense(x: FloatArray, matrix: FloatArray, bias: FloatArray) -> FloatArray:
    out = x @ matrix
    out += bias
    return out


def _convolve(
    h: FloatArray, dilation: int, mix: tuple[FloatArray, FloatArray], back: tuple[FloatArray, FloatArray]
) -> FloatArray:
    n, d = h.shape
    out = np.empty_like(h)
    for first in range(0, n, _ROWS):
        end = min(first + _ROWS, n)
        near = np.zeros((end - first, 3 * d), np.float32)
        near[:, d : 2 * d] = h[first:end]
        above = max(first - dilation, 0)
        if end - dilation > above:
            near[above - first + dilation :, :d] = h[above : end - dilation]
        below = min(end + dilation, n)
        if below > first + dilation:
            near[: below - first - dilation, 2 * d :] = h[first + dilation : below]
        z = _dense(near, *mix)
        np.maximum(z, 0, out=z)
        out[first:end] = _dense(z, *back)
    return out


def _page_context(h: FloatArray, weights: LineWeights) -> FloatArray:
    n = len(h)
    told = _dense(h, *weights.gather)
    np.maximum(told, 0, out=told)
    total = np.cumsum(told, axis=0, dtype=np.float64)
    place = np.arange(n)[:, None]
    c = told.shape[1]
    out = np.empty((n, 3 * c), np.float32)
    out[:, :c] = (total - told) / np.maximum(place, 1)
    out[:, c : 2 * c] = (total[-1] - total) / np.maximum(n - 1 - place, 1)
    out[:, 2 * c :] = total[-1] / n
    return out
