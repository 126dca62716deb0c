"""What the benchmarks have in common: the option that says where the gold is, and raw pages from it.

Gold is real web text with human labels and not part of the repository; benchmarks/README.md says what it holds.
"""

import argparse
import random
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

from prox.adapt.tagger.gold import read_gold

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "gold"


class Parser(argparse.ArgumentParser):
    """A parser with --gold that ends with exit code 2 where there is no gold."""

    def __init__(self, description: str | None, *folders: str) -> None:
        """`folders`: those of the gold that the benchmark needs."""
        super().__init__(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.folders = folders
        self.add_argument(
            "--gold",
            type=Path,
            default=BESIDE,
            help="folder with public/, extracted/ and documents/ (default: %(default)s)",
        )

    def parse(self) -> argparse.Namespace:
        options = self.parse_args()
        for folder in self.folders:
            if not any((options.gold / folder).glob("*.jsonl.gz")):
                self.error(f"no gold: {options.gold / folder} has no *.jsonl.gz. Say where it is with --gold FOLDER")
        return options


def raw_pages(gold: Path, language: str | None = None) -> list[str]:
    """The raw text of all public pages, in one shuffled order, so that every beginning of it is a fair sample."""
    records = [record for path in sorted(gold.glob("public/*.jsonl.gz")) for record in read_gold(path)]
    texts = [record["raw_text"] for record in records if language in (None, record["language"])]
    random.Random(0).shuffle(texts)
    return texts


def enough(texts: list[str], megabytes: float) -> list[str]:
    """Texts of about so many megabytes of UTF-8, from the first on and over again if there are too few."""
    return list(_until(texts, megabytes * 1e6))


def _until(texts: list[str], limit: float) -> Iterator[str]:
    total = 0
    for text in cycle(texts):
        yield text
        total += len(text.encode())
        if total >= limit:
            return


def size(texts: list[str]) -> float:
    """Megabytes (10**6 bytes) of UTF-8."""
    return sum(len(text.encode()) for text in texts) / 1e6
