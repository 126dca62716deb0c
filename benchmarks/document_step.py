"""Keep or drop in one forward step, beside generating the answer: the same prompts, the same engine.

    python benchmarks/document_step.py --engine transformers --model smollm2

prints one line of JSON: seconds for both, and how many times faster the comparison of the two answers is. What is saved
are the steps in which tokens are written one by one. In a large batch they are cheap beside reading the documents,
above all without a GPU, and the longer the documents, the less they weigh: see `--together` and `--characters`.
"""

import argparse
import json
import os
import statistics
import time
from pathlib import Path

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")

from prox.chunking import Chunk
from prox.refiners import Level
from prox.refiners.language_model.loading import ModelOptions, close_engines, load_language_model, parse_spec
from small_models import engine_options, folder_of

PAGES = Path(__file__).resolve().parents[1] / "examples/pages.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["transformers", "vllm"], default="transformers")
    parser.add_argument("--model", default="smollm2", help="tiny, smollm2 or a folder (default: %(default)s)")
    parser.add_argument("--documents", type=int, default=16, help="(default: %(default)s)")
    parser.add_argument("--characters", type=int, default=1000, help="of each document (default: %(default)s)")
    parser.add_argument("--together", type=int, default=16, help="documents at once (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    options = parser.parse_args()
    spec = parse_spec(f"{options.engine}:{folder_of(options.model)}")
    assert spec is not None
    refiner = load_language_model(
        spec, Level.DOCUMENT, ModelOptions("prox-document", engine=engine_options(options.engine))
    )
    pages = [json.loads(line)["text"] for line in PAGES.read_text(encoding="utf-8").splitlines()]
    texts = [pages[number % len(pages)][: options.characters] for number in range(options.documents)]
    seconds: dict[str, list[float]] = {"step": [], "generation": []}
    for number in range(options.rounds + 1):
        # Other documents in every round, so that no cache of prefixes knows them.
        requests = [refiner.request(Chunk(str(place), f"{number} {text}", 0)) for place, text in enumerate(texts)]
        others = [refiner.request(Chunk(str(place), f"{number}. {text}", 0)) for place, text in enumerate(texts)]
        start = time.perf_counter()
        parts = range(0, len(texts), options.together)
        comparisons = [
            each
            for first in parts
            for each in refiner.engine.compare(requests[first : first + options.together], refiner.family.answers)
        ]
        middle = time.perf_counter()
        completions = [
            each for first in parts for each in refiner.engine.generate(others[first : first + options.together])
        ]
        end = time.perf_counter()
        assert not any(each.error for each in [*comparisons, *completions])
        if number:
            seconds["step"].append(middle - start)
            seconds["generation"].append(end - middle)
    step, generation = (statistics.median(seconds[name]) for name in ("step", "generation"))
    print(
        json.dumps(
            {
                "engine": options.engine,
                "model": options.model,
                "documents": len(texts),
                "characters": options.characters,
                "together": options.together,
                "tokens_generated_mean": round(statistics.mean(each.tokens_out for each in completions), 1),
                "step_seconds": round(step, 3),
                "generation_seconds": round(generation, 3),
                "times_faster": round(generation / step, 2),
            }
        )
    )
    close_engines()


if __name__ == "__main__":
    main()
