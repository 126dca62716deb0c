"""Where the tagger errs on pages that it has not seen, and where the gold may be what errs.

The taggers are those of the folds of `tagger_quality.py`, from the same work folder. Two lists come out of it:

    --worst N         the N whole pages with the most words on wrongly removed or kept lines, each with its longest
                      stretches of errors, to be read one by one
    --doubtful FILE   pages (JSON Lines) on which a tagger that has not seen their site contradicts the labels of many
                      words with much confidence: golds that end too early, comments labelled the other way round, or
                      a tagger that is wrong and sure of it

Evaluation data is never changed: the figures are given with and without the doubtful pages, and only the first ones
are the tagger's.

    pip install -e '.[train]'
    python benchmarks/tagger_errors.py --worst 30
    python benchmarks/tagger_errors.py --doubtful doubtful.jsonl
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from gold import Parser
from prox.chunking import Chunk
from prox.refiners import Refiner
from prox.runs.gold import LineGold, parse_gold
from tagger_quality import GOLD, MOST_SUSPECT, SHORT, Record, figures, records, score, splits, tagger_for

CONFIDENT = 0.1
"""Of the probability that a label has, at most."""

MANY_WORDS, MANY_SHARE = 100, 0.2
"""Words on lines with such labels, and their share of the page."""


@dataclass(frozen=True, slots=True)
class Read:
    """A page with what a tagger says of its lines; neutral lines have no say."""

    record: Record
    lines: list[str]
    known: np.ndarray
    noise: np.ndarray
    chances: np.ndarray

    @property
    def words(self) -> np.ndarray:
        return np.array([len(line.split()) for line in self.lines])

    @property
    def wrong(self) -> np.ndarray:
        removed = self.chances >= 0.5
        return self.known & (removed != self.noise)

    @property
    def contradicted(self) -> np.ndarray:
        """Lines whose labels have next to no probability."""
        given = np.where(self.noise, self.chances, 1 - self.chances)
        return self.known & (given <= CONFIDENT)


def read_pages(refiner: Refiner, pages: Sequence[Record]) -> Iterator[Read]:
    for record in pages:
        gold = parse_gold(record, "")
        if not isinstance(gold, LineGold):
            continue
        lines = record["raw_text"].split("\n")
        (draft,) = refiner.refine([Chunk(record["id"], record["raw_text"], 0)])
        chances = np.frombuffer(draft.line_scores or b"", np.uint8) / 100
        known = np.array([number not in gold.neutral and line.strip() != "" for number, line in enumerate(lines)])
        yield Read(record, lines, known, np.array(gold.noise) == 1, chances)


def show(page: Read) -> None:
    wrong, words = page.wrong, page.words
    lost, left = (int(words[wrong & (page.noise == noise)].sum()) for noise in (False, True))
    record = page.record
    kind = f"{record['source']} {record.get('page_type') or ''} {record['language']}"
    print(f"\n{record['id']} ({kind}): content lost {lost}, noise left {left} words")
    stretches = []
    for (is_wrong, noise), group in groupby(range(len(page.lines)), lambda n: (bool(wrong[n]), bool(page.noise[n]))):
        numbers = list(group)
        if is_wrong:
            stretches.append((int(words[numbers].sum()), noise, numbers))
    for count, noise, numbers in sorted(stretches, reverse=True)[:5]:
        chance = page.chances[numbers].mean()
        what = f"{'noise that stays' if noise else 'content that goes'}, {count} words, noise at {chance:.2f}"
        ends = f"{page.lines[numbers[0]][:90]!r} … {page.lines[numbers[-1]][-60:]!r}"
        print(f"  lines {numbers[0]}-{numbers[-1]}, {what}: {ends}")


def main() -> None:
    parser = Parser(__doc__, *GOLD)
    parser.add_argument("--work", type=Path, default=Path("build/tagger-quality"), help="(default: %(default)s)")
    parser.add_argument("--worst", type=int, default=0, metavar="N")
    parser.add_argument("--doubtful", type=Path, metavar="FILE")
    options = parser.parse()
    public = options.gold / "public"
    read: list[Read] = []
    scored: list[Any] = []
    for split in splits():
        if split.is_fold:
            refiner = tagger_for(split, options.gold, options.work, SHORT)
            pages = [page for page in records(public) if split.unseen(page) and page.get("suspect", 0) <= MOST_SUSPECT]
            read += read_pages(refiner, pages)
            if options.doubtful:
                scored += score(refiner, public, split.unseen)
    for page in sorted(read, key=lambda page: -int(page.words[page.wrong].sum()))[: options.worst]:
        show(page)
    if options.doubtful:
        doubtful = {}
        for page in read:
            words, contradicted = page.words, page.contradicted
            count, total = int(words[contradicted].sum()), max(int(words[page.known].sum()), 1)
            if count >= MANY_WORDS and count >= MANY_SHARE * total:
                lines = np.flatnonzero(contradicted).tolist()
                doubtful[page.record["id"]] = {
                    "id": page.record["id"],
                    "source": page.record["source"],
                    "page_type": page.record.get("page_type"),
                    "words": total,
                    "words_contradicted": count,
                    "of_them_labelled_noise": int(words[contradicted & page.noise].sum()),
                    "lines_contradicted": lines,
                }
        options.doubtful.write_text("".join(json.dumps(each) + "\n" for each in doubtful.values()))
        english = [each for each in scored if each.record["language"] == "en"]
        print(
            json.dumps(
                {
                    "pages": len(read),
                    "doubtful": len(doubtful),
                    "english": figures(english),
                    "english_without_doubtful": figures([e for e in english if e.record["id"] not in doubtful]),
                }
            )
        )


if __name__ == "__main__":
    main()
