"""The line network in PyTorch, for training only; `prox.refiners.tagger.network` runs the same in numpy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from prox.refiners.tagger.features import BUCKETS, NUMERIC, LineFeatures


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of the network; the weights file carries them."""

    embedding: int = 48
    hidden: int = 64
    near: int = 32
    mixed: int = 48
    context: int = 16
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 32, 1, 1)
    context_before: tuple[int, ...] = (2, 5)


@dataclass(frozen=True, slots=True)
class Batch:
    """Several pages, line after line."""

    numeric: Tensor
    buckets: Tensor
    known: Tensor  # (m,): 0 for words that training hides
    starts: Tensor
    scale: Tensor  # (n, 1): one over the square root of a line's buckets
    page_starts: Tensor  # (pages + 1,)
    page: Tensor  # (n,): page of each line


def make_batch(
    pages: Sequence[LineFeatures],
    drop: float = 0.0,
    unknown: float = 0.0,
    generator: np.random.Generator | None = None,
) -> Batch:
    """Join the lines of pages.

    Args:
        pages: With at least one visible line each.
        drop: In training, the share of buckets left out at random.
        unknown: In training, the chance of a page that most of its words, or all, are as if nobody knew them.
        generator: Draws them; without one, nothing is left out.
    """
    sizes = np.array([len(page.rows) for page in pages])
    shifts = np.cumsum([0] + [len(page.buckets) for page in pages[:-1]])
    starts = np.concatenate([page.starts + shift for page, shift in zip(pages, shifts, strict=True)])
    buckets = np.concatenate([page.buckets for page in pages])
    lengths = np.diff(starts, append=len(buckets))
    known = np.ones(len(buckets), np.float32)
    if unknown and generator is not None:
        known = np.concatenate([_known(page.buckets, unknown, generator) for page in pages])
    if drop and generator is not None:
        kept = generator.random(len(buckets)) >= drop
        kept[starts] = True
        lengths = np.add.reduceat(kept.astype(np.int64), starts)
        buckets, known = buckets[kept], known[kept]
        starts = np.cumsum(lengths) - lengths
    return Batch(
        numeric=torch.from_numpy(np.concatenate([page.numeric for page in pages])),
        buckets=torch.from_numpy(buckets),
        known=torch.from_numpy(known),
        starts=torch.from_numpy(starts),
        scale=torch.from_numpy((1 / np.sqrt(lengths)).astype(np.float32))[:, None],
        page_starts=torch.from_numpy(np.concatenate(([0], np.cumsum(sizes)))),
        page=torch.from_numpy(np.repeat(np.arange(len(pages)), sizes)),
    )


def _known(buckets: np.ndarray, unknown: float, generator: np.random.Generator) -> np.ndarray:
    """0 for the buckets of a page that are hidden: a word is known everywhere on a page or nowhere."""
    if generator.random() >= unknown:
        return np.ones(len(buckets), np.float32)
    share = min(1.0, 0.4 + 0.75 * generator.random())
    return (generator.random(BUCKETS) >= share).astype(np.float32)[buckets]


class LineNetwork(nn.Module):
    """Hashed words of a line and its numbers, then residual dilated convolutions over lines and page-wide contexts."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        d, k, m, c = shape.hidden, shape.near, shape.mixed, shape.context
        self.embedding = nn.EmbeddingBag(BUCKETS, shape.embedding, mode="sum")
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.register_buffer("known", torch.ones(BUCKETS))
        self.enter = nn.Linear(shape.embedding + NUMERIC, d)
        self.mix = nn.ModuleList(nn.Linear(k + d + k, m) for _ in shape.dilations)
        self.back = nn.ModuleList(nn.Linear(m, d) for _ in shape.dilations)
        self.gather = nn.ModuleList(nn.Linear(d, 2 * c) for _ in shape.context_before)
        self.spread = nn.ModuleList(nn.Linear(5 * c, d) for _ in shape.context_before)
        self.leave = nn.Linear(d, 1)
        for layer in [*self.back, *self.spread]:
            nn.init.normal_(layer.weight, std=0.2 / d**0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, batch: Batch, dropout: float = 0.0, line_dropout: float = 0.0) -> Tensor:
        """Logits of noise (n,)."""
        known = self.known[batch.buckets] * batch.known
        words = self.embedding(batch.buckets, batch.starts, per_sample_weights=known) * batch.scale
        words = words * nn.functional.dropout(torch.ones(len(words), 1), line_dropout, self.training)
        h = torch.relu(self.enter(torch.cat([words, batch.numeric], dim=1)))
        h = nn.functional.dropout(h, dropout, self.training)
        contexts = dict(zip(self.shape.context_before, zip(self.gather, self.spread, strict=True), strict=True))
        for i, dilation in enumerate(self.shape.dilations):
            if i in contexts:
                gather, spread = contexts[i]
                h = h + spread(page_context(torch.relu(gather(h)), batch))
            told = h[:, : self.shape.near]
            near = torch.cat([shifted(told, dilation, batch), h, shifted(told, -dilation, batch)], dim=1)
            z = nn.functional.dropout(torch.relu(self.mix[i](near)), dropout, self.training)
            h = h + self.back[i](z)
        logits: Tensor = self.leave(torch.relu(h))[:, 0]
        return logits


def shifted(h: Tensor, by: int, batch: Batch) -> Tensor:
    """Each line's state taken from `by` lines before it (after it when negative), zero beyond its page."""
    n = len(h)
    source = torch.arange(n) - by
    inside = (source >= batch.page_starts[batch.page]) & (source < batch.page_starts[batch.page + 1])
    return torch.where(inside[:, None], h[source.clamp(0, n - 1)], 0.0)


def page_context(told: Tensor, batch: Batch) -> Tensor:
    """What the page tells each line.

    Of the first half of the columns the mean over the lines before, after, and of the whole page; of the other half the
    greatest value before and after.
    """
    u, most = told.chunk(2, dim=1)
    total = torch.cumsum(torch.cat([torch.zeros_like(u[:1]), u]).double(), dim=0)
    first, end = batch.page_starts[batch.page], batch.page_starts[batch.page + 1]
    here = torch.arange(len(u))
    before = (total[here] - total[first]) / (here - first).clamp(min=1)[:, None]
    after = (total[end] - total[here + 1]) / (end - here - 1).clamp(min=1)[:, None]
    whole = (total[end] - total[first]) / (end - first)[:, None]
    return torch.cat([before.float(), after.float(), whole.float(), greatest(most, batch)], dim=1)


def greatest(told: Tensor, batch: Batch) -> Tensor:
    """The greatest value on the lines before each line of a page, and on those after it; 0 where there are none."""
    rows = []
    for page in told.split(batch.page_starts.diff().tolist()):
        none = torch.zeros_like(page[:1])
        before = torch.cat([none, page[:-1].cummax(dim=0).values])
        after = torch.cat([page[1:].flip(0).cummax(dim=0).values.flip(0), none])
        rows.append(torch.cat([before, after], dim=1))
    return torch.cat(rows)
