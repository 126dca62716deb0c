"""Gold pages for training and validation: reading, the split by site, and augmentation."""

import gzip
import hashlib
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson

NEUTRAL = -1
"""Label of a line that is left out of training and scoring."""


@dataclass(frozen=True, slots=True)
class GoldPage:
    """A page with a label for each line: 1 noise, 0 content, NEUTRAL unknown."""

    id: str
    source: str
    site: str
    language: str
    text: str
    labels: np.ndarray
    partials: tuple[tuple[int, int, int], ...]  # line, start, end of noise inside a content line
    unsure_lines: frozenset[int] = frozenset()  # lines with noise inside that the gold is not sure of

    @property
    def part(self) -> str:
        return part_of_site(self.site)


def part_of_site(site: str) -> str:
    """Which part of the gold a site belongs to: 12 % of the sites are held back, 6 % steer training, the rest train.

    All pages of a site go the same way, in every gold file and with every program, because only its name decides.
    """
    place = int.from_bytes(hashlib.sha256(site.encode()).digest()[:4], "big") % 100
    return "held-back" if place < 12 else "development" if place < 18 else "training"


def read_pages(paths: Iterable[Path], most_suspect: float = 0.25) -> Iterator[GoldPage]:
    """Line gold of several files (JSONL, gzip allowed), without pages whose gold is probably incomplete."""
    for path in paths:
        for record in read_gold(path):
            if record.get("suspect", 0) <= most_suspect:
                yield gold_page(record)


def read_gold(path: Path) -> Iterator[dict[str, Any]]:
    """The records of one gold file."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
        yield from map(orjson.loads, lines)


def gold_page(record: dict[str, Any]) -> GoldPage:
    labels = np.array(record["line_labels"], np.int64)
    labels[record.get("neutral_lines", [])] = NEUTRAL
    all_partials = record.get("partials", [])
    partials = [p for p in all_partials if p.get("conf", "high") == "high" and p.get("start") is not None]
    return GoldPage(
        id=str(record["id"]),
        source=record.get("extractor", "").split("==")[0] or record.get("source", ""),
        site=str(record.get("site_key") or record.get("site") or record["id"]),
        language=record.get("language") or "",
        text=record["raw_text"],
        labels=labels,
        partials=tuple((p["line"], p["start"], p["end"]) for p in partials),
        unsure_lines=frozenset(p["line"] for p in all_partials if p not in partials),
    )


def augmented(page: GoldPage, chance: random.Random) -> GoldPage:
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
