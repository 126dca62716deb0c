"""The cheap student of another refiner: a tagger trained from its programs alone, and how much of it the student is.

The teacher's programs for the pages of most sites are written as labels and train a tagger from scratch, as `prox adapt
tagger --from scratch` does. Teacher and student are then scored by the code of `prox score` against human gold, on the
sites that were held back (12 %, chosen by name). The student sees no human label, and nothing of these sites.

    teacher, student    line_f1 (removed lines against noise lines; line_f1_macro is the mean over pages) and content_f1
                        (words on kept lines against words on content lines), against human gold
    ratio               the student's figures over the teacher's; 0.95 is what a student should reach
    agreement           the student against the teacher's programs instead of the human gold, on the same pages
    seconds             of training, on one core

The teacher is C4's line rules (Raffel et al. 2020, section 2.2): a line stays if it ends in a terminal punctuation
mark, has at least five words, and does not speak of javascript or cookies. Any other refiner can be it:

    prox refine gold/public/*.jsonl.gz taught --refiner SPEC --level chunk --text-field raw_text
    python benchmarks/student.py --teacher-programs taught/programs

    pip install -e '.[train]'
    python benchmarks/student.py            one line of JSON, after some minutes on one core
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from gold import Parser
from prox.adapt.labels import NEUTRAL, LabelledPage, PassedOver, labelled_page, read_labels, read_run, sort_out
from prox.adapt.tagger.fit import Settings, fit_tagger
from prox.adapt.tagger.folder import Sources, score_held_back, write_tagger
from prox.adapt.tagger.gold import part_of_site, read_gold
from prox.chunking import Chunk
from prox.document import split_lines
from prox.program import Program
from prox.program.from_labels import program_from_labels
from prox.refiners import Draft, Level, load_refiner
from prox.refiners.tagger.lines import removals

TERMINAL = (".", "?", "!", '"')
UNWANTED = ("javascript", "cookie", "privacy policy", "terms of use")
FEWEST_WORDS = 5


def c4_keeps(line: str) -> bool:
    text = line.strip()
    return (
        text.endswith(TERMINAL)
        and not text.endswith("...")
        and len(text.split()) >= FEWEST_WORDS
        and not any(word in text.lower() for word in UNWANTED)
    )


def c4_program(text: str) -> Program:
    noise = np.array([not c4_keeps(line) and not line.isspace() and line != "" for line in split_lines(text)])
    return Program(tuple(removals(noise, 0)))


def c4_labels(records: Sequence[dict[str, Any]]) -> Iterator[LabelledPage | PassedOver]:
    """The records with the programs of the rules in the place of all that people said of them."""
    for record in records:
        unlabelled = {name: record[name] for name in ("id", "source", "site_key", "language", "raw_text")}
        yield labelled_page({**unlabelled, "program": c4_program(record["raw_text"]).render()}, record["id"])


class Replayed:
    """The teacher once more: writes the programs that its labels are."""

    level = Level.CHUNK
    window = None
    fingerprint = "teacher"

    def __init__(self, pages: Sequence[LabelledPage]) -> None:
        self._pages = {page.id: page for page in pages}

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]:
        return [Draft(self._program(self._pages[chunk.document_id])) for chunk in chunks]

    def _program(self, page: LabelledPage) -> Program:
        partials: dict[int, list[tuple[int, int]]] = {}
        for line, start, end in page.partials:
            partials.setdefault(line, []).append((start, end))
        unknown = np.flatnonzero(page.labels == NEUTRAL).tolist()
        return program_from_labels(split_lines(page.text), page.labels.tolist(), frozenset(unknown), partials)


def main() -> None:
    parser = Parser(__doc__, "public")
    parser.add_argument(
        "--teacher-programs", metavar="PATH", help="programs/ of a run over the public gold, or a file of labels"
    )
    parser.add_argument("--epochs", type=int, help="as prox adapt tagger has them if not given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("student"), help="a folder for the student (%(default)s)")
    options = parser.parse()
    paths = sorted(options.gold.glob("public/*.jsonl.gz"))
    records = [record for path in paths for record in read_gold(path)]
    if options.teacher_programs is None:
        taught = sort_out(c4_labels(records))
    elif Path(options.teacher_programs).is_dir():
        taught = sort_out(read_run(options.teacher_programs, list(map(str, paths)), text_field="raw_text"))
    else:
        taught = sort_out(read_labels(options.teacher_programs))
    unseen = {
        record["id"]: labelled_page(record, record["id"])
        for record in records
        if part_of_site(record["site_key"]) == "held-back"
    }
    lessons = [page for page in taught.pages if part_of_site(page.site) != "held-back"]
    examined = [page for page in taught.pages if page.has_lines and isinstance(unseen.get(page.id), LabelledPage)]
    human = [unseen[page.id] for page in examined]

    settings = Settings("scratch", options.epochs, options.seed, threads=1)
    started = time.monotonic()
    fitted = fit_tagger([], lessons, settings)
    seconds = time.monotonic() - started
    options.output.mkdir(parents=True, exist_ok=True)
    sources = Sources((), options.teacher_programs or "C4 line rules", (), sort_out([]), replace(taught, pages=lessons))
    record = write_tagger(options.output, fitted, sources, settings, seconds)
    student = load_refiner(f"tagger:{options.output}", Level.CHUNK)

    by_people = {"teacher": score_held_back(human, Replayed(examined)), "student": score_held_back(human, student)}
    by_teacher = score_held_back(examined, student)
    measures = ("line_f1", "line_f1_macro", "content_f1")
    overall = {name: {key: scores[key] for key in measures} for name, scores in by_people.items()}
    result = {
        "teacher_programs": options.teacher_programs or "C4 line rules",
        "training_pages": len(lessons),
        "held_back_pages": len(human),
        "held_back_sites": len({page.site for page in human}),
        **overall,
        "ratio": {key: round(overall["student"][key] / overall["teacher"][key], 4) for key in measures},
        "agreement": {key: by_teacher[key] for key in measures},
        "documents": record["documents"],
        "epochs": fitted.epochs,
        "seconds": round(seconds),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
