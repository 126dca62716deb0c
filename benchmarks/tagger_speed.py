"""How fast the embedded tagger writes programs: the refiner alone, on one core.

Raw pages go in and drafts with program objects come out; nothing is read, executed, rendered or written. `both` is
what a run asks for: the document level, then the chunk level of the same pages, which reads each page once. Here every
page goes through both levels, while a run spares the dropped ones the second.

    python benchmarks/tagger_speed.py

prints one line of JSON: megabytes (10**6 bytes) of raw UTF-8 text a second of processor time, in the best of the
rounds, and what steps of it take: microseconds of processor time a line. `short` is the same for documents of 2.5 KB.
"""

import gzip
import json
import os
import time
from collections.abc import Callable
from typing import Any

for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM"):
    os.environ[f"{library}_NUM_THREADS"] = "1"  # before anything imports numpy

from gold import Parser, enough, raw_pages, size  # noqa: E402
from prox.chunking import Chunk  # noqa: E402
from prox.refiners import Level  # noqa: E402
from prox.refiners.tagger import TaggerRefiner  # noqa: E402
from prox.refiners.tagger.documents import keep_logit  # noqa: E402
from prox.refiners.tagger.features import pages_features  # noqa: E402
from prox.refiners.tagger.network import embed, line_states  # noqa: E402
from prox.refiners.tagger.refiner import embedded_tagger  # noqa: E402

BATCH = 64
"""Pages at once, as in a run."""

JOBS = {"document": [Level.DOCUMENT], "chunk": [Level.CHUNK], "both": [Level.DOCUMENT, Level.CHUNK]}


def main() -> None:
    parser = Parser(__doc__, "public")
    parser.add_argument("--megabytes", type=float, default=10, help="raw text a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    options = parser.parse()
    short = [
        json.loads(line)["text"]
        for path in sorted((options.gold / "documents").glob("*.jsonl.gz"))
        for line in gzip.decompress(path.read_bytes()).splitlines()
    ]
    result = speeds(enough(raw_pages(options.gold), options.megabytes), options.rounds)
    if short:
        result["short"] = speeds(enough(short, options.megabytes / 4), options.rounds)
    print(json.dumps(result))


def speeds(texts: list[str], rounds: int) -> dict[str, Any]:
    chunks = [Chunk(f"page-{number}", text, 0) for number, text in enumerate(texts)]
    batches = [chunks[first : first + BATCH] for first in range(0, len(chunks), BATCH)]
    refiners = {level: TaggerRefiner(level) for level in Level}
    for refiner in refiners.values():
        refiner.refine(batches[0])
    # The jobs take turns, so that noise hits them all.
    found = [
        {name: measure([refiners[level] for level in levels], batches) for name, levels in JOBS.items()}
        | {name: measure_step(step, batches) for name, step in STEPS.items()}
        for _ in range(rounds)
    ]
    best = {name: min(seconds[name] for seconds in found) for name in found[0]}
    lines = sum(text.count("\n") + 1 for text in texts)
    return {
        "megabytes": round(size(texts), 1),
        "documents": len(texts),
        "mb_per_second": {name: round(size(texts) / best[name], 2) for name in JOBS},
        "us_per_line": {name: round(best[name] / lines * 1e6, 2) for name in STEPS},
    }


def measure(refiners: list[TaggerRefiner], batches: list[list[Chunk]]) -> float:
    """Processor seconds for all batches: with one thread, seconds on a machine that does nothing else."""
    refiners[0].refine([Chunk("other", "", 0)])  # a tagger remembers its last batch: here none of these pages
    start = time.process_time()
    for batch in batches:
        for refiner in refiners:
            refiner.refine(batch)
    return time.process_time() - start


def _read_again(texts: list[str]) -> None:
    for _ in pages_features(texts):
        pass


TAGGER = embedded_tagger()
STEPS: dict[str, Callable[[list[str], list[Any]], object]] = {
    "features": lambda texts, pages: _read_again(texts),
    "embed": lambda texts, pages: [embed(page.features, TAGGER.weights.lines) for page in pages],
    "embed_and_network": lambda texts, pages: [line_states(page.features, TAGGER.weights.lines) for page in pages],
    "judge": lambda texts, pages: [keep_logit(page.features, page.noise, TAGGER.weights.documents) for page in pages],
}
"""Of a batch and its pages as they were read."""


def measure_step(step: Callable[[list[str], list[Any]], object], batches: list[list[Chunk]]) -> float:
    """Processor seconds for all batches."""
    used = 0.0
    for batch in batches:
        texts = [chunk.text for chunk in batch]
        pages = [page for pages in TAGGER.read(texts) for page in pages if len(page.features.rows)]
        begun = time.process_time()
        step(texts, pages)
        used += time.process_time() - begun
    return used


if __name__ == "__main__":
    main()
