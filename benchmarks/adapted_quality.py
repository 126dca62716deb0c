"""How good an adapted language model is on sites that it never saw, beside C4's line rules and the embedded tagger.

Draws pages of the sites that are held back by name, by the same rule as all training here, and has every refiner write
its programs for them. Figures are those of `prox score`, with intervals over sites and differences to C4's rules.

    python benchmarks/adapted_quality.py FOLDER                           full pages; one line of JSON
    python benchmarks/adapted_quality.py FOLDER --part extracted          pages after an extractor
    python benchmarks/adapted_quality.py FOLDER --base smollm2            and the base model, asked in the same way
"""

import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gold import Parser
from prox.adapt.labels import MOST_SUSPECT
from prox.adapt.tagger.gold import part_of_site, read_gold
from prox.adapt.whole_files import JsonLinesFile
from prox.chunking import Chunk
from prox.document import split_lines
from prox.errors import RunError
from prox.program import Program
from prox.refiners import Draft, Level, Refiner, load_refiner
from prox.refiners.language_model.loading import ModelOptions
from prox.refiners.tagger.lines import removals
from prox.runs.bootstrap import Difference, Interval, bootstrap
from prox.runs.score import GoldScore, score_gold
from prox.runs.score_tally import figure
from small_models import engine_options, folder_of
from student import c4_program

SHOWN = (
    "lines.f1",
    "lines.macro_f1",
    "lines.noisy_macro_f1",
    "lines.noise_words_found",
    "lines.content_words_lost",
    "content_tokens.f1",
)
SHARES = ("lines.noise_words_found", "lines.content_words_lost")


class Rule:
    """A rule that sees the text alone, as a refiner."""

    level = Level.CHUNK
    window = None

    def __init__(self, name: str, program: Callable[[str], Program]) -> None:
        self.fingerprint = name
        self._program = program

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]:
        return [Draft(self._program(chunk.text)) for chunk in chunks]


def short_lines(words: int, ends: int | None) -> Callable[[str], Program]:
    """Removes lines of fewer words; only among the first and last so many lines, if `ends` is given."""

    def program(text: str) -> Program:
        lines = split_lines(text)
        noise = np.array([line.strip() != "" and len(line.split()) < words for line in lines])
        if ends is not None:
            noise[ends : max(ends, len(lines) - ends)] = False
        return Program(tuple(removals(noise, 0)))

    return program


def best_rule(gold: str, most_lost: float) -> dict[str, Any]:
    """Of C4's rules and of short lines, what finds most noise while it loses no more of the content."""
    rules = [("C4 line rules", c4_program)]
    for ends in (1, 2, 3, 5, 10, 20, None):
        where = "" if ends is None else f" among the first and last {ends}"
        rules += [(f"lines under {words} words{where}", short_lines(words, ends)) for words in range(2, 31)]
    best: dict[str, Any] = {"rule": None, "found": 0.0, "lost": 0.0}
    for name, program in rules:
        found, lost = _shares(gold, Rule(name, program))
        if lost is not None and found is not None and lost <= most_lost and found > best["found"]:
            best = {"rule": name, "found": round(found, 4), "lost": round(lost, 4)}
    return best


def held_back_pages(files: Sequence[Path], language: str | None, longest: int, count: int) -> Iterator[dict[str, Any]]:
    """Gold records of held-back sites in a fixed random order."""
    pages = [
        record
        for file in files
        for record in read_gold(file)
        if part_of_site(record["site_key"]) == "held-back"
        and len(record["raw_text"]) <= longest
        and language in (None, record["language"])
        and (record.get("suspect") or 0) <= MOST_SUSPECT
    ]
    random.Random(0).shuffle(pages)
    yield from pages[:count]


def _shares(gold: str, refiner: Refiner) -> tuple[float | None, ...]:
    scores = score_gold([gold], lambda level: refiner).overall
    return tuple(figure(scores, key) for key in SHARES)


def main() -> None:
    parser = Parser(__doc__, "public")
    parser.add_argument("model", nargs="?", help="an adapted folder; without it, what stands beside it")
    parser.add_argument("--engine", choices=["transformers", "vllm"], default="transformers")
    parser.add_argument("--base", help="a model that is asked as the adapted one is: smollm2, tiny, or a folder")
    parser.add_argument("--part", choices=["public", "extracted"], default="public")
    parser.add_argument("--pages", type=int, default=100)
    parser.add_argument("--longest", type=int, default=12_000, help="characters of a page (default: %(default)s)")
    parser.add_argument("--language", default="en", help="of the pages; `any` for all (default: %(default)s)")
    parser.add_argument("--tagger", default="tagger", help="the tagger beside it (default: %(default)s)")
    options = parser.parse()
    files = sorted(options.gold.glob(f"{options.part}/*.jsonl.gz"))
    language = None if options.language == "any" else options.language

    with tempfile.TemporaryDirectory() as folder:
        gold = Path(folder) / "gold.jsonl"
        with JsonLinesFile(str(gold)) as file:
            for record in held_back_pages(files, language, options.longest, options.pages):
                file.write(record)
            file.finish()
        scores: dict[str, GoldScore] = {}
        useless = None
        seconds: dict[str, float] = {}

        def score(name: str, refiner: Refiner) -> None:
            started = time.monotonic()
            scores[name] = score_gold([str(gold)], lambda level: refiner)
            seconds[name] = round(time.monotonic() - started, 1)
            print(name, seconds[name], "s", scores[name].overall, file=sys.stderr, flush=True)

        score("c4_line_rules", Rule("c4-lines", c4_program))
        score("tagger", load_refiner(options.tagger, Level.CHUNK))
        if options.model is not None:
            score("adapted", _model(options.engine, options.model))
        if options.model is not None and options.base is not None:
            try:
                score("base", _model(options.engine, folder_of(options.base), family=options.model))
            except RunError as error:  # not one program that can be used, as a model writes that was never taught
                useless = f"{error}"
        sure = bootstrap([each.pages for each in scores.values()])
        last = scores["adapted" if options.model is not None else "tagger"].overall
        lost = figure(last, "lines.content_words_lost")
        rule = best_rule(str(gold), lost or 0.0)

    result: dict[str, Any] = {
        "part": options.part,
        "pages": last.line_pages,
        "sites": sure.sites,
        "longest": options.longest,
        "model": options.model,
        "engine": options.engine,
        "best_rule_at_equal_loss": rule,
    }
    for (name, each), intervals, differences in zip(scores.items(), sure.intervals, sure.differences, strict=True):
        result[name] = {
            **{key: _with_interval(each, intervals[key], key) for key in SHOWN if key in intervals},
            **{f"{key} less C4": _difference(differences[key]) for key in SHOWN if key in differences},
            "failure_ratio": round(each.overall.programs.failure_ratio, 4),
            "calls_mean": round(each.overall.programs.calls_mean, 2),
            "seconds": seconds[name],
        }
    if useless is not None:
        result["base"] = {"failure_ratio": 1.0, "error": useless}
    print(json.dumps(result))


def _model(engine: str, model: str, family: str | None = None) -> Refiner:
    return load_refiner(
        f"{engine}:{model}", Level.CHUNK, options=ModelOptions(family=family, engine=engine_options(engine))
    )


def _with_interval(score: GoldScore, interval: Interval, name: str) -> list[float | None]:
    return _rounded(figure(score.overall, name), interval.low, interval.high)


def _difference(difference: Difference) -> list[float | None]:
    return _rounded(difference.value, difference.low, difference.high)


def _rounded(*figures: float | None) -> list[float | None]:
    return [None if each is None else round(each, 3) for each in figures]


if __name__ == "__main__":
    main()
