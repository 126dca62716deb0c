"""How fast the embedded tagger writes programs: the refiner alone, on one core.

Raw pages go in and drafts with program objects come out; nothing is read, executed, rendered or written. `both` is
what a run asks for: the document level, then the chunk level of the same pages, which reads each page once. Here every
page goes through both levels, while a run spares the dropped ones the second.

    python benchmarks/tagger_speed.py

prints one line of JSON: megabytes (10**6 bytes) of raw UTF-8 text a second, in the best of the rounds.
"""

import json
import os
import time

for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM"):
    os.environ[f"{library}_NUM_THREADS"] = "1"  # before anything imports numpy

from gold import Parser, enough, raw_pages, size  # noqa: E402
from prox.chunking import Chunk  # noqa: E402
from prox.refiners import Level  # noqa: E402
from prox.refiners.tagger import TaggerRefiner  # noqa: E402

BATCH = 64
"""Pages at once, as in a run."""

JOBS = {"document": [Level.DOCUMENT], "chunk": [Level.CHUNK], "both": [Level.DOCUMENT, Level.CHUNK]}


def main() -> None:
    parser = Parser(__doc__, "public")
    parser.add_argument("--megabytes", type=float, default=10, help="raw text a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    options = parser.parse()
    texts = enough(raw_pages(options.gold), options.megabytes)
    chunks = [Chunk(f"page-{number}", text, 0) for number, text in enumerate(texts)]
    batches = [chunks[first : first + BATCH] for first in range(0, len(chunks), BATCH)]
    refiners = {level: TaggerRefiner(level) for level in Level}
    for refiner in refiners.values():
        refiner.refine(batches[0])
    # The jobs take turns, so that noise hits them all.
    rounds = [
        {name: measure([refiners[level] for level in levels], batches) for name, levels in JOBS.items()}
        for _ in range(options.rounds)
    ]
    best = {name: min(seconds[name] for seconds in rounds) for name in JOBS}
    print(
        json.dumps(
            {
                "megabytes": round(size(texts), 1),
                "documents": len(texts),
                "mb_per_second": {name: round(size(texts) / seconds, 2) for name, seconds in best.items()},
            }
        )
    )


def measure(refiners: list[TaggerRefiner], batches: list[list[Chunk]]) -> float:
    """Seconds for all batches."""
    refiners[0].refine([Chunk("other", "", 0)])  # a tagger remembers its last batch: here none of these pages
    start = time.perf_counter()
    for batch in batches:
        for refiner in refiners:
            refiner.refine(batch)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
