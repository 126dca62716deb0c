"""How fast rules write programs beside the same filters of datatrove, and whether they decide alike.

Each set of rules reads every page: raw pages go in, and drafts with program objects come out, at both levels where it
has both; nothing is read, executed or written. datatrove: the same filters with default settings, where there are
several one behind the other until one drops the document. RefinedWeb's corrections have no filter in datatrove.

`agree` counts the pages on which both keep or drop for the same reason, and leave the same text, which programs give
when they are executed; line breaks other than \\n, which datatrove makes \\n and a program leaves, count as equal.

    pip install -e '.[bench]'
    python benchmarks/rules_speed.py

prints one line of JSON: megabytes (10**6 bytes) of raw UTF-8 text a second of processor time, on one core, in the best
of the rounds, and how many times as fast the rules are; datatrove has one round. `--megabytes 0` takes every page once.
Without datatrove its figures are null.
"""

import importlib.util
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

for library in ("OMP", "OPENBLAS", "MKL", "VECLIB_MAXIMUM"):
    os.environ[f"{library}_NUM_THREADS"] = "1"  # before anything imports numpy

from gold import Parser, enough, raw_pages, size  # noqa: E402
from prox.chunking import Chunk  # noqa: E402
from prox.document import Document  # noqa: E402
from prox.refiners import Draft, load_refiner  # noqa: E402
from prox.refiners.rules.english import english  # noqa: E402
from prox.refiners.specs import levels_of_spec  # noqa: E402
from prox.runs.recipe import load_stages, make_recipe  # noqa: E402
from prox.runs.stages import refine_documents  # noqa: E402

BATCH = 64
"""Pages at once, as in a run."""

FILTERS = {
    "gopher-repetition": ["GopherRepetitionFilter"],
    "gopher-quality": ["GopherQualityFilter"],
    "gopher": ["GopherRepetitionFilter", "GopherQualityFilter"],
    "c4": ["C4QualityFilter"],
    "fineweb": ["FineWebQualityFilter"],
    "gopher+c4+fineweb": [
        "GopherRepetitionFilter",
        "GopherQualityFilter",
        "C4QualityFilter",
        "FineWebQualityFilter",
    ],
    "refinedweb": [],
}

Decision = tuple[str, str | None]
"""Why a page is dropped, or "" and what is left of it."""


def main() -> None:
    parser = Parser(__doc__, "public")
    parser.add_argument("--megabytes", type=float, default=4, help="raw text, 0 for every page (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="of the rules (default: %(default)s)")
    options = parser.parse()
    pages = raw_pages(options.gold)
    texts = enough(pages, options.megabytes) if options.megabytes else pages
    installed = all(map(importlib.util.find_spec, ("datatrove", "spacy")))
    result: dict[str, Any] = {"megabytes": round(size(texts), 1), "documents": len(texts)}
    for names, filters in FILTERS.items():
        ours = min(measure(names, texts) for _ in range(options.rounds))
        figures: dict[str, Any] = {"mb_per_second": round(size(texts) / ours, 2), "datatrove": None, "ratio": None}
        if installed and filters:
            theirs, decisions = measure_datatrove(filters, texts)
            figures["datatrove"] = round(size(texts) / theirs, 3)
            figures["ratio"] = round(theirs / ours, 1)
            figures["agree"] = sum(map(agree, decisions, decide(names, texts)))
            figures["dropped"] = sum(bool(reason) for reason, _ in decisions)
        result[names] = figures
    print(json.dumps(result))


def measure(names: str, texts: Sequence[str]) -> float:
    """Processor seconds of a new process, as far as words are remembered from page to page."""
    english.cache_clear()
    english()
    spec = f"rules:{names}"
    refiners = [load_refiner(spec, level) for level in levels_of_spec(spec)]
    chunks = [Chunk(f"page-{number}", text, 0) for number, text in enumerate(texts)]
    refiners[0].refine([Chunk("other", "", 0)])  # rules remember their last batch: here none of these pages
    begun = time.process_time()
    drafts: list[Draft] = []
    for first in range(0, len(chunks), BATCH):
        for refiner in refiners:
            drafts = refiner.refine(chunks[first : first + BATCH])
    seconds = time.process_time() - begun
    assert drafts
    return seconds


def measure_datatrove(names: Sequence[str], texts: Sequence[str]) -> tuple[float, list[Decision]]:
    from datatrove.data import Document as DatatroveDocument
    from datatrove.pipeline import filters

    chain = [getattr(filters, name)() for name in names]
    for each in chain:
        each.filter(DatatroveDocument(text=max(texts, key=len), id="warm-up"))  # loads the tokenizer
    decisions: list[Decision] = []
    begun = time.process_time()
    for text in texts:
        document = DatatroveDocument(text=text, id="page")
        reason = _first_reason([each.filter for each in chain], document)
        decisions.append((reason, None if reason else document.text))
    return time.process_time() - begun, decisions


def _first_reason(filters: Sequence[Callable[[Any], Any]], document: Any) -> str:
    for each in filters:
        result = each(document)
        if result is not True:
            return str(result[1])
    return ""


def decide(names: str, texts: Sequence[str]) -> list[Decision]:
    stages = load_stages(make_recipe(input=(), output="", stages=(f"rules:{names}",)))
    refined = refine_documents([Document(f"page-{number}", text) for number, text in enumerate(texts)], stages)
    return [("", each.text) if each.text is not None else (each.reason.partition(": ")[0], None) for each in refined]


def agree(one: Decision, other: Decision) -> bool:
    return one[0] == other[0] and (one[1] or "").splitlines() == (other[1] or "").splitlines()


if __name__ == "__main__":
    main()
