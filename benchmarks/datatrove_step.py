"""What prox costs as a step of a datatrove pipeline, beside the same refiner without datatrove.

Both refine the same pages with the embedded tagger, at both levels, in batches of the same size, in this process on one
core, in memory. `direct` calls refine_documents and does no more. `step` is ProxRefiner: it also checks every text,
hashes it, renders its program, writes metadata and keeps datatrove's figures. Reading and writing are in neither.

    pip install -e '.[datatrove]'
    python benchmarks/datatrove_step.py

prints one line of JSON: documents a second of processor time, which other work on the machine disturbs less, in the
best of the rounds, and `overhead`: the share of time that the step takes beyond direct calls, the median of the rounds.
"""

import json
import os
import statistics
import time

for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM"):
    os.environ[f"{library}_NUM_THREADS"] = "1"  # before anything imports numpy

from datatrove.data import Document as DatatroveDocument  # noqa: E402

from gold import Parser, enough, raw_pages, size  # noqa: E402
from prox.document import Document  # noqa: E402
from prox.integrations.datatrove import ProxRefiner  # noqa: E402
from prox.runs.recipe import load_stages, make_recipe  # noqa: E402
from prox.runs.stages import Stage, refine_documents  # noqa: E402
from prox.runs.worker import BATCH  # noqa: E402


def main() -> None:
    parser = Parser(__doc__, "public")
    parser.add_argument("--megabytes", type=float, default=10, help="raw text a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: %(default)s)")
    options = parser.parse()
    texts = enough(raw_pages(options.gold), options.megabytes)
    stages = load_stages(make_recipe(input=(), output=""))
    by_step(texts[:BATCH])
    # Both take turns, so that noise hits them alike.
    rounds = [(direct(texts, stages), by_step(texts)) for _ in range(options.rounds)]
    assert len({passed for pair in rounds for _, passed in pair}) == 1
    seconds = [(alone, step) for (alone, _), (step, _) in rounds]
    print(
        json.dumps(
            {
                "megabytes": round(size(texts), 1),
                "documents": len(texts),
                "documents_per_cpu_second": {
                    "direct": round(len(texts) / min(alone for alone, _ in seconds)),
                    "step": round(len(texts) / min(step for _, step in seconds)),
                },
                "overhead": round(statistics.median(step / alone for alone, step in seconds) - 1, 3),
            }
        )
    )


def direct(texts: list[str], stages: list[Stage]) -> tuple[float, int]:
    """Seconds of processor time, and how many documents were not dropped."""
    documents = [Document(str(number), text) for number, text in enumerate(texts)]
    start = time.process_time()
    passed = 0
    for first in range(0, len(documents), BATCH):
        passed += sum(each.text is not None for each in refine_documents(documents[first : first + BATCH], stages))
    return time.process_time() - start, passed


def by_step(texts: list[str]) -> tuple[float, int]:
    """The same of the step, loading the tagger included, as every task does."""
    documents = [DatatroveDocument(text, str(number)) for number, text in enumerate(texts)]
    start = time.process_time()
    passed = sum(1 for _ in ProxRefiner().run(documents))
    return time.process_time() - start, passed


if __name__ == "__main__":
    main()
