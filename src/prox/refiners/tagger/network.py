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
    """The line network: hashed words and numbers, residual dilated convolutions over lines, page-wide contexts.

    Shapes: e embedding columns, f numeric features, d hidden, k shared with neighbours, m mixed, c context; one entry
    of `mix` and `back` per layer, one of `gather` and `spread` per context.

    Attributes:
        embedding: (buckets, e) int8, to be multiplied by `embedding_scale`.
        embedding_scale: (e,).
        enter: (e + f, d) and (d,).
        mix: (k + d + k, m) and (m,): the first k columns of the line `dilation` before, the line itself, the first k
            columns of the line `dilation` after.
        back: (m, d) and (d,): added to the state.
        gather: (d, 2 c) and (2 c,): what a line tells the page.
        spread: (5 c, d) and (d,): what `_page_context` gives.
        leave: (d,) and a number: the logit of noise.
        dilations: Lines between neighbours, layer by layer.
        context_before: A page-wide context enters before each of these layers.
        lanes: The embedding as `embed` adds it up: four columns a number, see `_lanes`.
    """

    embedding: npt.NDArray[np.int8]
    embedding_scale: FloatArray
    enter: tuple[FloatArray, FloatArray]
    mix: tuple[tuple[FloatArray, FloatArray], ...]
    back: tuple[tuple[FloatArray, FloatArray], ...]
    gather: tuple[tuple[FloatArray, FloatArray], ...]
    spread: tuple[tuple[FloatArray, FloatArray], ...]
    leave: tuple[FloatArray, float]
    dilations: tuple[int, ...]
    context_before: tuple[int, ...]
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
    contexts = dict(zip(weights.context_before, zip(weights.gather, weights.spread, strict=True), strict=True))
    for layer, dilation in enumerate(weights.dilations):
        if layer in contexts:
            gather, spread = contexts[layer]
            h += _dense(_page_context(h, gather), *spread)
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
    k = (len(mix[0]) - d) // 2
    out = np.empty_like(h)
    for first in range(0, n, _ROWS):
        end = min(first + _ROWS, n)
        near = np.zeros((end - first, k + d + k), np.float32)
        near[:, k : k + d] = h[first:end]
        above = max(first - dilation, 0)
        if end - dilation > above:
            near[above - first + dilation :, :k] = h[above : end - dilation, :k]
        below = min(end + dilation, n)
        if below > first + dilation:
            near[: below - first - dilation, k + d :] = h[first + dilation : below, :k]
        z = _dense(near, *mix)
        np.maximum(z, 0, out=z)
        np.matmul(z, back[0], out=out[first:end])
    out += back[1]
    return out


def _page_context(h: FloatArray, gather: tuple[FloatArray, FloatArray]) -> FloatArray:
    """What the page tells a line, (n, 5 c).

    Of the first c columns that lines tell, the mean of the lines before, of those after, and of the whole page; of the
    others the greatest before and after: that there was a "Leave a comment" somewhere above is still true far below.
    """
    n = len(h)
    told = _dense(h, *gather)
    np.maximum(told, 0, out=told)
    c = told.shape[1] // 2
    mean, most = told[:, :c], told[:, c:]
    total = np.cumsum(mean, axis=0, dtype=np.float64)
    place = np.arange(n)[:, None]
    out = np.zeros((n, 5 * c), np.float32)
    out[:, :c] = (total - mean) / np.maximum(place, 1)
    out[:, c : 2 * c] = (total[-1] - total) / np.maximum(n - 1 - place, 1)
    out[:, 2 * c : 3 * c] = total[-1] / n
    np.maximum.accumulate(most[:-1], axis=0, out=out[1:, 3 * c : 4 * c])
    out[:-1, 4 * c :] = np.maximum.accumulate(most[:0:-1], axis=0)[::-1]
    return out
