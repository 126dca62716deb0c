"""The cascade: quality against the share of words that the second refiner is asked about.

The tagger decides what it is sure of; the second refiner sees the rest. `--second oracle` takes the human labels for
it: the curve that a perfect model would give, and so the most that a cascade can gain at each share. `--second MODEL`
asks a language model (`smollm2` or a folder), once for every chunk: the curve is then reckoned from its answers.

The pages are those of sites that the tagger's training held back.

    python benchmarks/cascade_curve.py --second oracle --table

prints one line of JSON, or a table: for each range of uncertain scores, the share of words sent, noise-line F1 (micro
and macro) and content-word F1. With a range of 0 to 1 all pages are sent.
"""

import json
from collections.abc import Sequence
from typing import Any

from gold import Parser
from prox.adapt.tagger.gold import part_of_site, read_gold
from prox.chunking import Chunk, chunk_document
from prox.document import Document, split_lines
from prox.program import (
    Counts,
    Policy,
    Program,
    RemoveLines,
    content_counts,
    count_words,
    execute,
    line_counts,
    macro_f1,
)
from prox.refiners import Draft, Level
from prox.refiners.cascade import CascadeRefiner, Uncertain
from prox.refiners.language_model.loading import ModelOptions, load_language_model, parse_spec
from prox.refiners.tagger import TaggerRefiner
from small_models import engine_options, folder_of

RANGES = [None, (0.45, 0.55), (0.4, 0.6), (0.3, 0.7), (0.2, 0.8), (0.1, 0.9), (0.05, 0.95), (0.02, 0.98), (0.0, 1.0)]
MOST_SUSPECT = 0.25
POLICY = Policy(errors_allowed=1, least_share=None, least_words=None)


class Oracle:
    """Removes the lines that people have labelled as noise."""

    level = Level.CHUNK
    window = 1500
    fingerprint = "labels"

    def __init__(self, labels: dict[str, Sequence[int]]) -> None:
        self._labels = labels

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]:
        drafts = []
        for chunk in chunks:
            labels = self._labels[chunk.document_id]
            noise = [n for n in range(chunk.first_line, chunk.last_line + 1) if labels[n]]
            drafts.append(Draft(Program(tuple(RemoveLines(n, n) for n in noise))))
        return drafts


class Remembered:
    """Asks a refiner once for each chunk."""

    level = Level.CHUNK
    fingerprint = "remembered"

    def __init__(self, refiner: Any) -> None:
        self._refiner, self.window = refiner, refiner.window
        self._known: dict[tuple[str, int], Draft] = {}

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]:
        new = [chunk for chunk in chunks if (chunk.document_id, chunk.first_line) not in self._known]
        for chunk, draft in zip(new, self._refiner.refine(new), strict=True):
            self._known[chunk.document_id, chunk.first_line] = draft
        return [self._known[chunk.document_id, chunk.first_line] for chunk in chunks]


def main() -> None:
    parser = Parser(__doc__, "public")
    parser.add_argument("--second", default="oracle", help="oracle, smollm2 or a model's folder (default: %(default)s)")
    parser.add_argument("--engine", choices=["transformers", "vllm"], default="transformers")
    parser.add_argument("--pages", type=int, default=0, help="at most so many, 0 for all (default: %(default)s)")
    parser.add_argument("--most-words", type=int, default=10**9, help="of a page (default: %(default)s)")
    parser.add_argument("--table", action="store_true", help="a table instead of JSON")
    options = parser.parse()
    records = [
        record
        for path in sorted(options.gold.glob("public/*.jsonl.gz"))
        for record in read_gold(path)
        if record["language"] == "en"
        and part_of_site(record["site_key"]) == "held-back"
        and record["suspect"] <= MOST_SUSPECT
        and count_words(record["raw_text"]) <= options.most_words
    ]
    records = records[:: max(1, len(records) // options.pages)][: options.pages] if options.pages else records
    second: Any = Oracle({record["id"]: record["line_labels"] for record in records})
    if options.second != "oracle":
        spec = parse_spec(f"{options.engine}:{folder_of(options.second)}")
        assert spec is not None
        model = load_language_model(
            spec, Level.CHUNK, ModelOptions(constrain=True, engine=engine_options(options.engine))
        )
        second = Remembered(model)
        second.refine([chunk for record in records for chunk in _chunks(record, model.window)])
    tagger = TaggerRefiner(Level.CHUNK)
    rows = [_row(records, tagger, second, each) for each in RANGES]
    if options.table:
        print(f"{len(records)} pages, second refiner: {options.second}")
        print("uncertain     sent   micro F1  macro F1  content F1")
        for row in rows:
            figures = " ".join(f"{row[name]:9.3f}" for name in ("micro", "macro", "content"))
            print(f"{row['uncertain']:12} {row['sent']:6.1%} {figures}")
    else:
        print(json.dumps({"pages": len(records), "second": options.second, "curve": rows}))


def _chunks(record: dict[str, Any], window: Any) -> list[Chunk]:
    document = Document(record["id"], record["raw_text"])
    return [chunk for chunk in chunk_document(document, window) if not chunk.skipped]


def _row(
    records: list[dict[str, Any]], first: Any, second: Any, uncertain: tuple[float, float] | None
) -> dict[str, Any]:
    refiner = first if uncertain is None else CascadeRefiner(first, second, Uncertain(*uncertain))
    pages: list[Counts] = []
    content = Counts()
    sent = words_in_all = 0
    for record in records:
        text = record["raw_text"]
        (draft,) = refiner.refine([Chunk(record["id"], text, 0)])
        outcome = execute(text, draft.program, POLICY)
        removed = {
            number
            for operation in outcome.applied
            if isinstance(operation, RemoveLines)
            for number in range(operation.first, operation.last + 1)
        }
        labels = record["line_labels"]
        neutral = set(record.get("neutral_lines") or ())
        pages.append(line_counts(removed, {n for n, label in enumerate(labels) if label}, neutral))
        words = [len(line.split()) for line in split_lines(text)]
        kept = [0 if n in removed else count for n, count in enumerate(words)]
        content += content_counts(words, kept, labels, neutral)
        sent += draft.words_sent or 0
        words_in_all += count_words(text)
    return {
        "uncertain": "tagger alone" if uncertain is None else f"{uncertain[0]}..{uncertain[1]}",
        "sent": round(sent / max(1, words_in_all), 4),
        "micro": round(sum(pages, Counts()).f1, 4),
        "macro": round(macro_f1(pages), 4),
        "content": round(content.f1, 4),
    }


if __name__ == "__main__":
    main()
