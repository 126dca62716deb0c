"""Constrained decoding: what it costs, and what it saves from failing.

The same chunks are edited with and without the grammar. A program fails if there is none in the output, if a part of it
cannot be read, or if an operation cannot be carried out under the limits of the dialect (insertions and replacements
allowed). An untrained model is the worst case: all that it writes by itself is noise.

    python benchmarks/constrained_decoding.py --engine transformers --model tiny

prints one line of JSON: failure ratio, share of programs that were cut off, seconds a token, and seconds in all.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")

from prox.chunking import Chunk, chunk_document
from prox.document import Document
from prox.program import Policy, execute
from prox.refiners import Level
from prox.refiners.language_model.loading import ModelOptions, close_engines, load_language_model, parse_spec
from prox.refiners.language_model.refiner import LanguageModelRefiner
from small_models import engine_options, folder_of

PAGES = Path(__file__).resolve().parents[1] / "examples/pages.jsonl"
POLICY = Policy(errors_allowed=None, least_share=None, least_words=None, deletions_only=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["transformers", "vllm"], default="transformers")
    parser.add_argument("--model", default="tiny", help="tiny, smollm2 or a folder (default: %(default)s)")
    parser.add_argument("--family", default=None, help="prox-chunk for tiny, else instruct")
    parser.add_argument("--documents", type=int, default=40, help="(default: %(default)s)")
    parser.add_argument("--characters", type=int, default=1500, help="of each document (default: %(default)s)")
    options = parser.parse_args()
    spec = parse_spec(f"{options.engine}:{folder_of(options.model)}")
    assert spec is not None
    family = options.family or ("prox-chunk" if options.model == "tiny" else "instruct")
    free, bound = (
        load_language_model(
            spec, Level.CHUNK, ModelOptions(family, constrain=constrain, engine=engine_options(options.engine))
        )
        for constrain in (False, True)
    )
    pages = [json.loads(line)["text"] for line in PAGES.read_text(encoding="utf-8").splitlines()]
    texts = [pages[number % len(pages)][: options.characters] for number in range(options.documents)]
    chunks = [
        (text, chunk)
        for number, text in enumerate(texts)
        for chunk in chunk_document(Document(str(number), text), free.window)
        if not chunk.skipped
    ]
    warm = [Chunk("warm", "one line\nand one more", 0)]
    free.refine(warm), bound.refine(warm)
    print(
        json.dumps(
            {
                "engine": options.engine,
                "model": options.model,
                "family": family,
                "chunks": len(chunks),
                "free": _measured(free, chunks),
                "constrained": _measured(bound, chunks),
            }
        )
    )
    close_engines()


def _measured(refiner: LanguageModelRefiner, chunks: list[tuple[str, Chunk]]) -> dict[str, Any]:
    start = time.perf_counter()
    drafts = refiner.refine([chunk for _, chunk in chunks])
    seconds = time.perf_counter() - start
    failed = 0
    for (text, _), draft in zip(chunks, drafts, strict=True):
        outcome = execute(text, draft.program, POLICY)
        failed += bool(draft.errors or outcome.errors or outcome.rejected)
    tokens = sum(draft.tokens_out for draft in drafts)
    return {
        "failure_ratio": round(failed / len(chunks), 4),
        "cut_off": round(sum(draft.finish_reason == "length" for draft in drafts) / len(chunks), 4),
        "tokens_out": tokens,
        "ms_a_token": round(1e3 * seconds / max(1, tokens), 2),
        "seconds": round(seconds, 2),
    }


if __name__ == "__main__":
    main()
