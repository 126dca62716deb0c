"""What a run costs beside its refiners: reading, decoding, executing, counting words, writing, committing.

The tagger's drafts are written down before; then a worker refines one file in this process with refiners that know
them by heart. Once with raw pages, and once with short documents of about 2.5 KB, repeated.

    python benchmarks/run_cost.py

prints one line of JSON: milliseconds of processor time for a megabyte (10**6 bytes) of raw UTF-8 text, in the best of
the rounds, with the share of what takes most. Waiting for the disk is not in it.
"""

import gc
import gzip
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM"):
    os.environ[f"{library}_NUM_THREADS"] = "1"  # before anything imports numpy

import orjson  # noqa: E402
import pyarrow as pa  # noqa: E402

from gold import Parser, enough, raw_pages, size  # noqa: E402
from prox.chunking import Chunk  # noqa: E402
from prox.corpora import corpus_file, part_schema, recognise  # noqa: E402
from prox.corpora.records import WHOLE  # noqa: E402
from prox.refiners import Draft, Level  # noqa: E402
from prox.refiners.tagger import TaggerRefiner  # noqa: E402
from prox.runs import stages as stages_module  # noqa: E402
from prox.runs import worker as worker_module  # noqa: E402
from prox.runs.ledger import make_aside  # noqa: E402
from prox.runs.plan import Unit  # noqa: E402
from prox.runs.recipe import Recipe  # noqa: E402
from prox.runs.stages import Stage  # noqa: E402

BATCH = 64


class KnowsByHeart:
    """The drafts of a refiner, by text."""

    window = None

    def __init__(self, level: Level, texts: Sequence[str]) -> None:
        self.level, self.fingerprint = level, "known"
        refiner, different = TaggerRefiner(level), list(dict.fromkeys(texts))
        self.drafts: dict[str, Draft] = {}
        for first in range(0, len(different), BATCH):
            batch = different[first : first + BATCH]
            self.drafts |= dict(zip(batch, refiner.refine([Chunk("page", text, 0) for text in batch]), strict=True))

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]:
        return [self.drafts[chunk.text] for chunk in chunks]


def main() -> None:
    parser = Parser(__doc__, "public", "documents")
    parser.add_argument("--megabytes", type=float, default=20, help="raw text of each kind (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(default: %(default)s)")
    options = parser.parse()
    pa.set_cpu_count(1)
    short = [json.loads(line)["text"] for line in _lines(options.gold / "documents")]
    kinds = {"pages": raw_pages(options.gold), "documents": short}
    result = {name: measure(enough(texts, options.megabytes), options.rounds) for name, texts in kinds.items()}
    print(json.dumps({"megabytes": options.megabytes, "ms_per_mb": result}))


def _lines(folder: Path) -> list[bytes]:
    return [
        line for path in sorted(folder.glob("*.jsonl.gz")) for line in gzip.decompress(path.read_bytes()).splitlines()
    ]


def measure(texts: list[str], rounds: int) -> dict[str, float]:
    stages = [Stage("tagger", KnowsByHeart(level, texts)) for level in Level]
    gc.freeze()
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "pages.jsonl")
        with path.open("wb") as file:
            for number, text in enumerate(texts):
                file.write(
                    orjson.dumps({"id": f"page-{number}", "text": text, "url": f"https://a.org/{number}"}) + b"\n"
                )
        found = []
        for number in range(rounds):
            output = Path(name, f"refined-{number}")
            output.mkdir()
            recipe = Recipe(input=(str(path),), output=str(output), workers=0)
            source, preset = corpus_file(str(path)), recognise([{"id": "", "text": "", "url": ""}])
            worker = worker_module.Worker(recipe, part_schema([source], preset), make_aside(str(output)), stages)
            found.append(_timed(partial(worker.refine, Unit(0, 0, source, preset, WHOLE))))
    best = min(found, key=lambda seconds: seconds["all"])
    return {name: round(seconds / size(texts) * 1e3, 2) for name, seconds in best.items()}


PARTS = {
    "decode": (worker_module, "decode"),
    "stages": (worker_module, "refine_documents"),
    "count_words": (stages_module, "count_words"),
    "execute": (stages_module, "execute"),
    "program_rows": (worker_module, "program_rows"),
    "write": (worker_module._Parts, "close"),
}
"""`count_words` and `execute` belong to `stages`; `write` is what is written last, which most is."""


def _timed(work: Callable[[], Any]) -> dict[str, float]:
    seconds: Counter[str] = Counter()
    originals = {name: getattr(*place) for name, place in PARTS.items()}

    def watched(name: str) -> Callable[..., Any]:
        def call(*values: Any, **options: Any) -> Any:
            begun = time.process_time()
            try:
                return originals[name](*values, **options)
            finally:
                seconds[name] += time.process_time() - begun

        return call

    for name, (owner, attribute) in PARTS.items():
        setattr(owner, attribute, watched(name))
    begun = time.process_time()
    try:
        work()
    finally:
        seconds["all"] = time.process_time() - begun
        for name, (owner, attribute) in PARTS.items():
            setattr(owner, attribute, originals[name])
    return {name: seconds[name] for name in ("all", *PARTS)}


if __name__ == "__main__":
    main()
