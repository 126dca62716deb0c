"""What prox adds to an engine: a whole run from file to file, beside the bare engine with the same prompts.

The run reads JSON Lines, cuts documents into chunks, renders prompts, generates, reads programs, executes them and
writes Parquet. The bare engine gets the rendered prompts as texts, all at once: `generate` of transformers in batches
by length of the same size, or vLLM's `LLM.generate`. Loading is not counted; both take turns.

    python benchmarks/engine_overhead.py --engine transformers --model tiny

prints one line of JSON: seconds of both (medians of the rounds) and `overhead`, the share of the bare engine's time
that comes on top.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")

from prox.chunking import chunk_document
from prox.document import Document
from prox.refiners import Level
from prox.refiners.language_model.engine import Request
from prox.refiners.language_model.loading import ModelOptions, close_engines, load_language_model, parse_spec
from prox.runs.recipe import Recipe
from prox.runs.refine import refine_corpus
from small_models import engine_options, folder_of

PAGES = Path(__file__).resolve().parents[1] / "examples/pages.jsonl"
FAMILY = "prox-chunk"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=["transformers", "vllm"], default="transformers")
    parser.add_argument("--model", default="tiny", help="tiny, smollm2 or a folder (default: %(default)s)")
    parser.add_argument("--documents", type=int, default=544, help="(default: %(default)s)")
    parser.add_argument("--characters", type=int, default=500, help="of each document (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    options = parser.parse_args()
    spec = f"{options.engine}:{folder_of(options.model)}"
    pages = [json.loads(line) for line in PAGES.read_text(encoding="utf-8").splitlines()]
    texts = [
        pages[number % len(pages)]["text"][: options.characters] + f"\nPage {number}"
        for number in range(options.documents)
    ]
    parsed = parse_spec(spec)
    assert parsed is not None
    refiner = load_language_model(parsed, Level.CHUNK, ModelOptions(FAMILY, engine=engine_options(options.engine)))
    chunks = [
        chunk
        for number, text in enumerate(texts)
        for chunk in chunk_document(Document(str(number), text), refiner.window)
        if not chunk.skipped
    ]
    requests = [refiner.request(chunk) for chunk in chunks]
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "pages.jsonl"
        corpus.write_text("".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(texts)))
        counts = iter(range(1000))

        def run() -> None:
            recipe = Recipe(
                input=(str(corpus),),
                output=f"{folder}/{next(counts)}",
                stages=(spec,),
                family=FAMILY,
                engine=engine_options(options.engine),
                workers=2,
                most_unusable=1,
            )
            assert refine_corpus(recipe).record["records"] == len(texts)

        if options.engine == "transformers":
            bare = _bare_transformers(refiner.engine, requests)
            jobs = {"bare": bare, "prox": run}
            for job in jobs.values():
                job()
            rounds = [{name: _seconds(job) for name, job in jobs.items()} for _ in range(options.rounds)]
            seconds = {name: statistics.median(each[name] for each in rounds) for name in jobs}
        else:  # one engine at a time
            run()
            seconds = {"prox": statistics.median(_seconds(run) for _ in range(options.rounds))}
            close_engines()
            bare = _bare_vllm(spec.partition(":")[2], requests)
            bare()
            seconds["bare"] = statistics.median(_seconds(bare) for _ in range(options.rounds))
    print(
        json.dumps(
            {
                "engine": options.engine,
                "model": options.model,
                "documents": len(texts),
                "prompts": len(requests),
                "bare_seconds": round(seconds["bare"], 3),
                "prox_seconds": round(seconds["prox"], 3),
                "overhead": round(seconds["prox"] / seconds["bare"] - 1, 4),
            }
        )
    )
    close_engines()


def _seconds(job: Callable[[], None]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


def _bare_transformers(engine: Any, requests: list[Request]) -> Callable[[], None]:
    """As a script would do it that knows the model: tokenize, pad on the left, generate, decode."""
    import torch

    model, tokenizer = engine._model, engine._tokenizer
    tokenizer.padding_side = "left"
    tokenizer.pad_token_id = engine._padding
    new = requests[0].max_new_tokens

    @torch.inference_mode()
    def run() -> None:
        ids = [tokenizer(each.begin + each.prompt, add_special_tokens=False).input_ids for each in requests]
        ids = sorted((each for each in ids if len(each) + new <= engine.context), key=len, reverse=True)
        while ids:
            size = max(1, engine._batch_tokens // (len(ids[0]) + new))
            batch, ids = ids[:size], ids[size:]
            padded = tokenizer.pad({"input_ids": batch}, return_tensors="pt")
            out = model.generate(
                **padded, do_sample=False, max_new_tokens=new, pad_token_id=engine._padding, eos_token_id=engine._ends
            )
            tokenizer.batch_decode(out[:, padded["input_ids"].shape[1] :], skip_special_tokens=True)

    # In the thread in which prox computes: pools of threads that take turns would slow down both.
    return lambda: engine._thread.submit(run).result()


def _bare_vllm(model: str, requests: list[Request]) -> Callable[[], None]:
    import vllm

    engine = vllm.LLM(model, disable_log_stats=True, enable_prefix_caching=True, seed=0, **engine_options("vllm"))
    sampling = vllm.SamplingParams(temperature=0.0, max_tokens=requests[0].max_new_tokens)
    tokenizer = engine.get_tokenizer()

    def run() -> None:
        engine.reset_prefix_cache()
        prompts = [
            {"prompt_token_ids": tokenizer.encode(each.begin + each.prompt, add_special_tokens=False)}
            for each in requests
        ]
        fitting = [each for each in prompts if len(each["prompt_token_ids"]) + requests[0].max_new_tokens <= 2048]
        engine.generate(fitting, sampling, use_tqdm=False)

    return run


if __name__ == "__main__":
    main()
