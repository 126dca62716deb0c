"""Pages for training and validation: the split by site, and augmentation."""

import gzip
import hashlib
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from prox.adapt.labels import LabelledPage


def part_of_site(site: str) -> str:
    """Which part of the gold a site belongs to: 12 % of the sites are held back, 6 % steer training, the rest train.

    All pages of a site go the same way, in every gold file and with every program, because only its name decides.
    """
    place = int.from_bytes(hashlib.sha256(site.encode()).digest()[:4], "big") % 100
    return "held-back" if place < 12 else "development" if place < 18 else "training"


def read_gold(path: Path) -> Iterator[dict[str, Any]]:
    """The records of one gold file as they are."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        yield from map(orjson.loads, lines)


def augmented(page: LabelledPage, chance: random.Random) -> LabelledPage:
    """A page as another crawler or extractor might have left it: cut, partly cleaned, without bullets or capitals."""
    lines = page.text.split("\n")
    labels = page.labels
    keep = np.ones(len(lines), bool)
    kind = chance.random()
    if kind < 0.12 and len(lines) > 8:
        length = chance.randint(len(lines) // 4, len(lines))
        first = chance.randint(0, len(lines) - length)
        keep[:] = False
        keep[first : first + length] = True
    elif kind < 0.27:
        # Another extractor's work: most noise is gone already, some of it in whole blocks.
        share = chance.random()
        block = max(1, chance.choice((1, 3, 10)))
        for first in range(0, len(lines), block):
            if chance.random() < share:
                span = slice(first, first + block)
                keep[span] &= labels[span] == 0
    if not keep.any():
        keep[:] = True
    texts = [line for line, kept in zip(lines, keep, strict=True) if kept]
    if chance.random() < 0.3:
        texts = [line.removeprefix("• ") for line in texts]
    if chance.random() < 0.03:
        texts = [line.lower() for line in texts]
    return replace(page, text="\n".join(texts), labels=labels[keep], partials=())
