"""Train the line network of the embedded tagger."""

import copy
import logging
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from prox.adapt.labels import NEUTRAL, LabelledPage
from prox.adapt.tagger.augmentation import Frames, augmented, collect_frames
from prox.adapt.tagger.network import LineNetwork, Shape, make_batch
from prox.refiners.tagger.features import BUCKETS, LineFeatures, line_features

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how fast to train."""

    epochs: int = 10
    lines_per_batch: int = 4000
    learning_rate: float = 3e-3
    weight_decay: float = 0.02
    dropout: float = 0.25
    bucket_dropout: float = 0.3
    line_dropout: float = 0.2
    unknown_words: float = 0.15
    fewest_sites: int = 8
    extracted_weight: float = 0.6
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    features: LineFeatures
    labels: np.ndarray  # per visible line
    weights: np.ndarray


def make_example(page: LabelledPage, scale: float) -> Example | None:
    """None where nothing can be learned from the page."""
    features = line_features(page.text)
    labels = page.labels[features.rows]
    known = labels != NEUTRAL
    if not known.any():
        return None
    # A line counts for itself and for the words it carries; a long page does not count as much as many short ones.
    weights = (0.2 + 0.8 * np.minimum(features.words, 80) / 10) * known
    return Example(features, labels, (scale * weights / known.sum() ** 0.4).astype(np.float32))


def train(
    pages: Sequence[LabelledPage],
    development: Sequence[LabelledPage],
    shape: Shape,
    plan: Plan,
    start: LineNetwork | None = None,
) -> LineNetwork:
    """Weights averaged over the last part of training.

    Args:
        pages: To learn from.
        development: To tell of after every epoch; they change nothing.
        shape: Of a new network.
        plan: How long and how fast.
        start: The network to go on from instead of a new one; it learns words that it did not know.
    """
    torch.manual_seed(plan.seed)
    chance, generator = random.Random(plan.seed), np.random.default_rng(plan.seed)
    known = known_buckets(pages, plan.fewest_sites)
    frames = collect_frames(pages)
    if start is None:
        network = LineNetwork(shape)
    else:
        network = copy.deepcopy(start)
        known = torch.maximum(known, network.known)
    network.known.copy_(known)
    decayed = [p for name, p in network.named_parameters() if p.dim() == 2 and "embedding" not in name]
    others = [p for name, p in network.named_parameters() if p.dim() != 2 or "embedding" in name]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": plan.weight_decay}, {"params": others, "weight_decay": 0.0}],
        lr=plan.learning_rate,
    )
    total = max(1, sum(len(page.labels) for page in pages) // plan.lines_per_batch) * plan.epochs
    warm_up = min(200, 1 + total // 10)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda i: min(1, (i + 1) / warm_up) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1, i / total)))),
    )
    average = copy.deepcopy(network)
    step = 0
    for epoch in range(plan.epochs):
        network.train()
        started, losses = time.time(), []
        for batch in batches(pages, frames, plan, chance):
            loss = batch_loss(network, batch, plan, generator)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            losses.append(loss.item())
            decay = min(0.995, step / (step + 20))
            with torch.no_grad():
                for kept, new in zip(average.parameters(), network.parameters(), strict=True):
                    kept.lerp_(new, 1 - decay)
        log.info(
            "epoch %d of %d: loss %.4f, %.0f s; %s",
            epoch + 1,
            plan.epochs,
            np.mean(losses or [math.nan]),
            time.time() - started,
            measure(average, development),
        )
    return average


def known_buckets(pages: Sequence[LabelledPage], fewest_sites: int) -> Tensor:
    """1 for each bucket that occurs on at least so many sites: what only one site says cannot be learned from it."""
    sites: dict[str, list[np.ndarray]] = {}
    for page in pages:
        sites.setdefault(page.site, []).append(np.unique(line_features(page.text).buckets))
    counts = np.zeros(BUCKETS, np.int64)
    for found in sites.values():
        counts[np.unique(np.concatenate(found))] += 1
    return torch.from_numpy(counts >= fewest_sites).float()


def batches(pages: Sequence[LabelledPage], frames: Frames, plan: Plan, chance: random.Random) -> list[list[Example]]:
    """One epoch, augmented anew, in batches of about `lines_per_batch` lines."""
    order = list(pages)
    chance.shuffle(order)
    out: list[list[Example]] = [[]]
    size = 0
    for page in order:
        scale = plan.extracted_weight if page.source in ("trafilatura", "resiliparse") else 1.0
        example = make_example(augmented(page, frames, chance), scale)
        if example is None:
            continue
        if size > plan.lines_per_batch:
            out.append([])
            size = 0
        out[-1].append(example)
        size += len(example.features.rows)
    return [batch for batch in out if batch]


def batch_loss(network: LineNetwork, examples: Sequence[Example], plan: Plan, generator: np.random.Generator) -> Tensor:
    batch = make_batch([example.features for example in examples], plan.bucket_dropout, plan.unknown_words, generator)
    logits = network(batch, plan.dropout, plan.line_dropout)
    labels = torch.from_numpy(np.concatenate([np.maximum(example.labels, 0) for example in examples])).float()
    weights = torch.from_numpy(np.concatenate([example.weights for example in examples]))
    losses = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return (losses * weights).sum() / weights.sum()


@torch.no_grad()
def predict(network: LineNetwork, page: LabelledPage) -> np.ndarray:
    """Noise probability of every line; blank lines get NaN."""
    network.eval()
    features = line_features(page.text)
    out = np.full(features.line_count, np.nan)
    if len(features.rows):
        out[features.rows] = torch.sigmoid(network(make_batch([features]))).numpy()
    return out


def measure(network: LineNetwork, pages: Sequence[LabelledPage], threshold: float = 0.5) -> str:
    """Figures for each kind of page in one line, for a person who watches."""
    groups: dict[str, list[tuple[np.ndarray, LabelledPage]]] = {}
    for page in pages:
        extracted = page.source in ("trafilatura", "resiliparse")
        name = page.source if extracted else "en" if page.language == "en" else "other"
        groups.setdefault(name, []).append((predict(network, page), page))
    shown = {name: figures(rows, threshold) for name, rows in sorted(groups.items())}
    return "; ".join(shown.values() if len(shown) == 1 else [f"{name}: {told}" for name, told in shown.items()])


def figures(rows: Sequence[tuple[np.ndarray, LabelledPage]], threshold: float) -> str:
    counts = np.zeros(3)
    tokens = np.zeros(3)
    pages = []
    for scores, page in rows:
        known = (page.labels != NEUTRAL) & ~np.isnan(scores)
        guess, truth = scores[known] >= threshold, page.labels[known] == 1
        words = np.array([len(line.split()) for line in page.text.split("\n")])[known]
        c = np.array([(guess & truth).sum(), (guess & ~truth).sum(), (~guess & truth).sum()])
        pages.append(f1(c))
        counts += c
        tokens += [words[~guess & ~truth].sum(), words[~guess & truth].sum(), words[guess & ~truth].sum()]
    return f"line F1 {f1(counts):.3f}, mean of pages {np.mean(pages):.3f}, content-word F1 {f1(tokens):.3f}"


def f1(counts: np.ndarray) -> float:
    tp, fp, fn = counts
    return 1.0 if tp + fp + fn == 0 else 2 * tp / (2 * tp + fp + fn)
