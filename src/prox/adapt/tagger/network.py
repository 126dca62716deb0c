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
    hidden: int = 96
    context: int = 32
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16, 1)
    context_after: int = 2


@dataclass(frozen=True, slots=True)
class Batch:
    """Several pages, line after line."""

    numeric: Tensor
    buckets: Tensor
    starts: Tensor
    scale: Tensor  # (n, 1): one over the square root of a line's buckets
    page_starts: Tensor  # (pages + 1,)
    page: Tensor  # (n,): page of each line


def make_batch(pages: Sequence[LineFeatures], drop: float = 0.0, generator: np.random.Generator | None = None) -> Batch:
    """Join the lines of pages; `drop` is the share of buckets left out at random (training)."""
    sizes = np.array([len(page.rows) for page in pages])
    shifts = np.cumsum([0] + [len(page.buckets) for page in pages[:-1]])
    starts = np.concatenate([page.starts + shift for page, shift in zip(pages, shifts, strict=True)])
    buckets = np.concatenate([page.buckets for page in pages])
    lengths = np.diff(starts, append=len(buckets))
    if drop and generator is not None:
        kept = generator.random(len(buckets)) >= drop
        kept[starts] = True
        lengths = np.add.reduceat(kept.astype(np.int64), starts)
        buckets = buckets[kept]
        starts = np.cumsum(lengths) - lengths
    return Batch(
        numeric=torch.from_numpy(np.concatenate([page.numeric for page in pages])),
        buckets=torch.from_numpy(buckets),
        starts=torch.from_numpy(starts),
        scale=torch.from_numpy((1 / np.sqrt(lengths)).astype(np.float32))[:, None],
        page_starts=torch.from_numpy(np.concatenate(([0], np.cumsum(sizes)))),
        page=torch.from_numpy(np.repeat(np.arange(len(pages)), sizes)),
    )


class LineNetwork(nn.Module):
    """Hashed words of a line and its numbers, then residual dilated convolutions over lines and a page-wide context."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        d, c = shape.hidden, shape.context
        self.embedding = nn.EmbeddingBag(BUCKETS, shape.embedding, mode="sum")
        nn.init.normal_(self.embedding.weight, std=0.1)
        self.register_buffer("known", torch.ones(BUCKETS))
        self.enter = nn.Linear(shape.embedding + NUMERIC, d)
        self.mix = nn.ModuleList(nn.Linear(3 * d, d) for _ in shape.dilations)
        self.back = nn.ModuleList(nn.Linear(d, d) for _ in shape.dilations)
        self.gather = nn.Linear(d, c)
        self.spread = nn.Linear(3 * c, d)
        self.leave = nn.Linear(d, 1)
        for layer in [*self.back, self.spread]:
            nn.init.normal_(layer.weight, std=0.2 / d**0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, batch: Batch, dropout: float = 0.0, line_dropout: float = 0.0) -> Tensor:
        """Logits of noise (n,)."""
        words = self.embedding(batch.buckets, batch.starts, per_sample_weights=self.known[batch.buckets]) * batch.scale
        words = words * nn.functional.dropout(torch.ones(len(words), 1), line_dropout, self.training)
        h = torch.relu(self.enter(torch.cat([words, batch.numeric], dim=1)))
        h = nn.functional.dropout(h, dropout, self.training)
        for i, dilation in enumerate(self.shape.dilations):
            if i == self.shape.context_after:
                h = h + self.spread(page_context(torch.relu(self.gather(h)), batch))
            near = torch.cat([shifted(h, dilation, batch), h, shifted(h, -dilation, batch)], dim=1)
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


def page_context(u: Tensor, batch: Batch) -> Tensor:
    """Mean over the lines before, the lines after, and the whole page."""
    total = torch.cumsum(torch.cat([torch.zeros_like(u[:1]), u]).double(), dim=0)
    first, end = batch.page_starts[batch.page], batch.page_starts[batch.page + 1]
    here = torch.arange(len(u))
    before = (total[here] - total[first]) / (here - first).clamp(min=1)[:, None]
    after = (total[end] - total[here + 1]) / (end - here - 1).clamp(min=1)[:, None]
    whole = (total[end] - total[first]) / (end - first)[:, None]
    return torch.cat([before, after, whole], dim=1).float()
