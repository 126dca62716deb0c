"""How well the embedded tagger finds noise on sites that it was not trained on, beside rules and doing nothing.

Line gold: pages of held-back sites (12 % of the sites, chosen by name, in no training set) whose gold is probably
complete (`suspect` <= 0.25), scored by the code of `prox score`. Beside the tagger stand, on the same pages:

    c4_rules            the line part of datatrove's C4QualityFilter; its rules for whole documents are left out
    remove_everything   every line is called noise
    remove_nothing      no line is

`public` are whole pages, `trafilatura` and `resiliparse` the same ones after these extractors. The figures:

    noise_f1            removed lines against noise lines, all lines together
    noise_f1_macro      the mean of the pages' F1
    noise_f1_noisy      the same over pages with at least one noise line
    content_f1          words on kept lines against words on content lines
    noise_found         share of the words on noise lines that are removed
    content_lost        share of the words on content lines that are removed
    partials_found      share of the characters of noise inside content lines that are removed; `partials_lost` is how
                        many other characters of content lines went with it

Document gold: the judge that ships has seen all of it, so judges of the same kind are trained on nine tenths and asked
about the last one, in turn (needs scikit-learn, of the extra `train`). The AUC is an honest one; the threshold is
chosen on the same answers as the keep-F1, which flatters that a little.

    python benchmarks/tagger_quality.py           one line of JSON
    python benchmarks/tagger_quality.py --table   the main figures for people
"""

import importlib.util
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gold import Parser
from prox.adapt.tagger.gold import part_of_site, read_gold
from prox.chunking import Chunk
from prox.document import split_lines
from prox.program import Operation, Program
from prox.refiners import Draft, Level, Refiner, load_refiner
from prox.refiners.tagger.lines import removals
from prox.runs.score import Scores, score_gold

MOST_SUSPECT = 0.25

Record = dict[str, Any]
Figures = dict[str, float | int | None]


class LineRule:
    """A refiner that removes each line for which a rule says so."""

    level = Level.CHUNK
    window = None

    def __init__(self, name: str, is_noise: Callable[[str], bool]) -> None:
        self.fingerprint = name
        self._is_noise = is_noise

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]:
        return [Draft(Program(self._removals(chunk))) for chunk in chunks]

    def _removals(self, chunk: Chunk) -> tuple[Operation, ...]:
        noise = np.array([self._is_noise(line) for line in split_lines(chunk.text)])
        return tuple(removals(noise, chunk.first_line))


_CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
_C4_PHRASES = (
    "lorem ipsum",
    "javascript",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)


def c4_removes(line: str) -> bool:
    """The rules of C4 for a line, as datatrove has them; no sentence of Chinese or Japanese passes them."""
    words = line.split()
    text = _CITATION.sub("", line.strip())
    return (
        not text.endswith((".", "?", "!", '"', "'"))
        or text.endswith("...")
        or len(words) < 3
        or any(len(word) > 1000 for word in words)
        or any(phrase in text.lower() for phrase in _C4_PHRASES)
    )


REFINERS: dict[str, Refiner] = {
    "tagger": load_refiner("tagger", Level.CHUNK),
    "c4_rules": LineRule("c4_rules", c4_removes),
    "remove_everything": LineRule("remove_everything", lambda line: True),
    "remove_nothing": LineRule("remove_nothing", lambda line: False),
}

LANGUAGES: dict[str, Callable[[Record], bool]] = {
    "all": lambda record: True,
    "english": lambda record: record["language"] == "en",
    "other": lambda record: record["language"] != "en",
}


def held_back(record: Record) -> bool:
    return part_of_site(record["site_key"]) == "held-back" and record["suspect"] <= MOST_SUSPECT


def noisy(record: Record) -> bool:
    neutral = set(record["neutral_lines"])
    return any(label and number not in neutral for number, label in enumerate(record["line_labels"]))


def line_quality(paths: Sequence[Path]) -> dict[str, dict[str, dict[str, Figures]]]:
    """Figures by group of pages (languages, then sources) and refiner."""
    groups: dict[str, dict[str, dict[str, Figures]]] = {"languages": {}, "sources": {}}
    for language, spoken in LANGUAGES.items():
        wanted = {
            "pages": lambda record, spoken=spoken: held_back(record) and spoken(record),
            "noisy": lambda record, spoken=spoken: held_back(record) and spoken(record) and noisy(record),
        }
        scores = {
            (name, pages): score_gold([str(path) for path in paths], lambda level, own=refiner: own, keep)
            for name, refiner in REFINERS.items()
            for pages, keep in wanted.items()
        }
        groups["languages"][language] = {
            name: figures(*(scores[key].overall for key in _keys(name))) for name in REFINERS
        }
        if language == "all":
            for source in scores["tagger", "pages"].sources:
                groups["sources"][source] = {
                    name: figures(*(scores[key].sources.get(source) for key in _keys(name))) for name in REFINERS
                }
    return groups


def _keys(name: str) -> list[tuple[str, str]]:
    return [(name, "pages"), (name, "noisy"), ("remove_nothing", "pages")]


def figures(scores: Scores, of_noisy: Scores | None, before: Scores) -> Figures:
    """The figures of a refiner on some pages; `before` are the scores of removing nothing from them.

    Let C and N be the words on content and noise lines, c and n those that are left. The scores say c / C (recall) and
    c / (c + n) (precision), and C / (C + N) (precision before), so n / N = (n / c) * (c / C) / (N / C).
    """
    assert scores.lines and scores.content_tokens and before.content_tokens
    content = scores.content_tokens
    noise_found = 1.0  # what keeps no content at all is "remove everything"
    if content.recall:
        noise_per_content = 1 / before.content_tokens.precision - 1
        noise_found -= (1 / content.precision - 1) * content.recall / noise_per_content if noise_per_content else 1
    partials = scores.partials
    return {
        "pages": scores.line_pages,
        "noise_f1": _rounded(scores.lines.f1),
        "noise_f1_macro": _rounded(scores.lines.macro_f1),
        "noise_f1_noisy": _rounded(of_noisy.lines.macro_f1 if of_noisy and of_noisy.lines else None),
        "content_f1": _rounded(content.f1),
        "noise_found": _rounded(noise_found),
        "content_lost": _rounded(1 - content.recall),
        "partials_found": _rounded(partials.found if partials else None),
        "partials_lost": partials.content_characters_lost if partials else 0,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def document_quality(paths: Sequence[Path]) -> dict[str, float | int | str | None]:
    """Keep or drop by judges that have not seen the document."""
    if not importlib.util.find_spec("sklearn"):
        return {"keep_f1": None, "auc": None, "note": "cross-validation needs scikit-learn: pip install '.[train]'"}
    from prox.adapt.tagger.documents import cross_validate_documents, document_inputs, every_line
    from prox.refiners.tagger.features import FloatArray, LineFeatures
    from prox.refiners.tagger.network import line_logits, line_states
    from prox.refiners.tagger.refiner import embedded_tagger

    weights = embedded_tagger().weights.lines
    records = [record for path in paths for record in read_gold(path)]
    keep = np.array([int(record["keep"]) for record in records])
    texts = [record["text"] for record in records]

    def logits_of(features: LineFeatures) -> FloatArray:
        return line_logits(line_states(features, weights), weights)

    judged = document_inputs(texts, logits_of)
    scores = cross_validate_documents(document_inputs(texts, logits_of, every_line), judged, keep)
    everything = 2 * keep.mean() / (1 + keep.mean())
    return {
        "documents": len(keep),
        "keep_f1": _rounded(scores.keep_f1),
        "auc": _rounded(scores.auc),
        "threshold": scores.threshold,
        "keep_f1_of_keeping_everything": _rounded(float(everything)),
    }


def print_table(result: dict[str, Any]) -> None:
    for gold, groups in result["lines"].items():
        for pages, refiners in {**groups["languages"], **groups["sources"]}.items():
            columns = list(refiners["tagger"])
            print(f"\n{f'{gold}, {pages}':<32}" + "".join(f"{column:>15}" for column in columns))
            for name, values in refiners.items():
                print(f"{name:<32}" + "".join(f"{_cell(values[column]):>15}" for column in columns))
    print()
    for name, value in result["documents"].items():
        print(f"documents, {name:<32}{_cell(value):>15}")


def _cell(value: float | int | str | None) -> str:
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = Parser(__doc__, "public", "extracted", "documents")
    parser.add_argument("--table", action="store_true", help="for people instead of JSON")
    options = parser.parse()
    gold: Path = options.gold
    files = {
        "public": sorted(gold.glob("public/*.jsonl.gz")),
        "trafilatura": sorted(gold.glob("extracted/trafilatura*.jsonl.gz")),
        "resiliparse": sorted(gold.glob("extracted/resiliparse*.jsonl.gz")),
    }
    result = {
        "lines": {name: line_quality(paths) for name, paths in files.items()},
        "documents": document_quality(sorted(gold.glob("documents/*.jsonl.gz"))),
    }
    if options.table:
        print_table(result)
    else:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
