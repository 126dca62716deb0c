"""Which part of the gold a site belongs to."""

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson


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
