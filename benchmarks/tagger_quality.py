"""How right the embedded tagger is on sites, languages, sources and page types that its training has not seen.

The weights that ship have seen most of the gold. So taggers of the same kind are trained here, each on a part of it,
and scored on the rest by the code of `prox score`:

    folds        the sites are dealt into folds by their names: every page is scored by a tagger that has seen nothing
                 of its site, whole pages and the same ones after an extractor
    languages    a tagger has seen no page in some languages, and is scored on these
    sources      the same with who labelled the pages and had an opinion of what noise is
    page types   the same with the page types of WCXB

They are trained for six epochs and without second opinions, in a quarter of the time that the training of what ships
takes, and are a little worse for it. `--as-shipped` trains them like that one.

Training one takes some minutes. What it gave stays in the work folder, so that a second call goes on where the first
one ended. On the pages of the folds, C4's line rules and removing everything stand beside it. The figures:

    noise_f1, macro, noisy    removed lines against noise lines: all together, the mean of pages, that of noisy ones
    content_f1                words on kept lines against words on content lines
    found, lost               share of the words on noise lines, and of those on content lines, that are removed
    found_at_1, threshold     the share found at the noise threshold that loses 1 % of the content words
    partials_found, _lost     share of the characters of marked noise inside content lines that are removed, and share
                              of the other characters of content lines that go with them
    calibration_error         the mean difference between noise scores and shares of noise words, in ten bins of scores
    found_and_lost_from       what is found and lost at other noise thresholds
    keep_f1, auc              of the judge of documents, in cross-validation

Intervals are the middle 95 % of 1,000 bootstrap samples of sites. Pages whose gold is probably incomplete
(`suspect` > 0.25) are left out, neutral lines too.

    pip install -e '.[train]'
    python benchmarks/tagger_quality.py            one line of JSON, after an hour and a half on one core
    python benchmarks/tagger_quality.py --table    the tables of the model card
    python benchmarks/tagger_quality.py --held-back --table    the weights that ship on the 12 % of the sites that their
                                                               training held back, after a minute
"""

import hashlib
import json
import re
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gold import Parser
from line_rules import RULES
from prox.adapt.labels import LabelledPage, read_labels, sort_out, with_titles
from prox.adapt.tagger.documents import cross_validate_documents, document_inputs, every_line
from prox.adapt.tagger.export import line_arrays, write_weights
from prox.adapt.tagger.fit import NOISE_THRESHOLD
from prox.adapt.tagger.gold import part_of_site, read_gold
from prox.adapt.tagger.network import LineNetwork, Shape
from prox.adapt.tagger.opinions import with_second_opinions
from prox.adapt.tagger.parts import fit_parts
from prox.adapt.tagger.train import Plan, train
from prox.chunking import Chunk
from prox.errors import UsageError
from prox.refiners import Draft, Level, Refiner
from prox.refiners.tagger import TaggerRefiner
from prox.refiners.tagger.features import FloatArray, LineFeatures
from prox.refiners.tagger.network import line_logits, line_states
from prox.refiners.tagger.refiner import embedded_tagger, load_tagger
from prox.runs.bootstrap import bootstrap
from prox.runs.gold import LineGold, parse_gold
from prox.runs.score import score_gold
from prox.runs.score_pages import LineFigures, PageFigures
from prox.runs.score_tally import tally

MOST_SUSPECT = 0.25
MOST_LOST = 0.01
FOLDS = 5
SAMPLES = 1000
THRESHOLDS = (20, 30, 40, 50, 60, 70, 80, 90, 95, 98)
"""Noise thresholds in per cent for which found and lost words are told."""

FEWEST_PAGES = 10
"""Of a group that gets a row of its own."""

GOLD = ("public", "extracted", "segments")

UNSEEN: dict[str, dict[str, tuple[str, ...]]] = {
    "language": {"zh, ru": ("zh", "ru"), "pl, el": ("pl", "el"), "de": ("de",)},
    "source": {
        "wcxb": ("wcxb",),
        "cleaneval": ("cleaneval",),
        "daniel": ("daniel",),
        "newspaper4k, canola": ("newspaper4k_dataset", "canola"),
        "fundus, segments": ("fundus_tests", "trafilatura_segments"),
    },
    "page_type": {
        "forum, product": ("forum", "product"),
        "collection, listing": ("collection", "listing"),
        "documentation, service": ("documentation", "service"),
    },
}
"""What a tagger has not seen: a field of the gold, and its values, those of one training run together."""

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Split:
    """Pages that a tagger has not seen, and is scored on."""

    name: str
    unseen: Callable[[Record], bool]

    @property
    def is_fold(self) -> bool:
        return self.name.startswith("fold")


@dataclass(frozen=True, slots=True)
class Effort:
    """How long a tagger is trained."""

    plan: Plan
    second_opinions: bool

    def train(self, pages: Sequence[LabelledPage]) -> LineNetwork:
        opinions = with_second_opinions(pages, Shape(), self.plan) if self.second_opinions else pages
        return train(opinions, [], Shape(), self.plan).eval()


SHORT = Effort(Plan(epochs=6), second_opinions=False)
AS_SHIPPED = Effort(Plan(), second_opinions=True)


def fold_of(site: str) -> int:
    return int.from_bytes(hashlib.sha256(f"fold {site}".encode()).digest()[:4], "big") % FOLDS


def splits() -> list[Split]:
    folds = [
        Split(f"fold {number}", lambda record, number=number: fold_of(record["site_key"]) == number)  # type: ignore[misc]
        for number in range(FOLDS)
    ]
    return folds + [
        Split(f"without {name}", lambda record, field=field, values=values: record.get(field) in values)  # type: ignore[misc]
        for field, groups in UNSEEN.items()
        for name, values in groups.items()
    ]


@dataclass(frozen=True, slots=True)
class Scored:
    """A page, and what a refiner did that has not seen it.

    Attributes:
        words: (2, 101): words on content and on noise lines, by the noise score of their line in per cent.
        characters: Visible ones on content lines.
    """

    record: Record
    figures: PageFigures
    words: np.ndarray
    characters: int


def tagger_for(split: Split, gold: Path, work: Path, effort: Effort) -> Refiner:
    """The tagger that has not seen the pages of a split; it is trained unless it lies in the work folder."""
    folder = work / re.sub(r"\W+", "-", split.name)
    if not folder.exists():
        seen = seen_pages(split, gold)
        keep_weights(folder, line_arrays(effort.train(seen), NOISE_THRESHOLD) | (fit_parts(seen, 0) or {}))
    return TaggerRefiner(Level.CHUNK, tagger=load_tagger(str(folder)))


def seen_pages(split: Split, gold: Path) -> list[LabelledPage]:
    unseen = {record["id"] for part in GOLD for record in records(gold / part) if split.unseen(record)}
    pages = sort_out(read_labels([str(gold / part) for part in GOLD])).pages
    return [with_titles(page) for page in pages if page.id not in unseen]


def keep_weights(folder: Path, arrays: dict[str, np.ndarray]) -> None:
    """In a folder that appears whole."""
    begun = folder.with_name(f"{folder.name}.part")
    begun.mkdir(parents=True, exist_ok=True)
    write_weights(begun / "weights.npz", arrays)
    begun.rename(folder)


def records(folder: Path) -> Iterable[Record]:
    for path in sorted(folder.glob("*.jsonl.gz")):
        yield from read_gold(path)


class Watched:
    """A refiner, and the scores of lines that it gave last, by the number of the page."""

    def __init__(self, refiner: Refiner) -> None:
        self._refiner = refiner
        self.level, self.window, self.fingerprint = Level.CHUNK, refiner.window, refiner.fingerprint
        self.scores: dict[str, bytes | None] = {}

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]:
        drafts = self._refiner.refine(chunks)
        for chunk, draft in zip(chunks, drafts, strict=True):
            self.scores[chunk.document_id] = draft.line_scores
        return drafts


def score(refiner: Refiner, folder: Path, unseen: Callable[[Record], bool]) -> list[Scored]:
    """The unseen pages of one or several files."""
    wanted: list[Record] = []

    def keep(record: Record) -> bool:
        if record.get("suspect", 0) > MOST_SUSPECT or not unseen(record):
            return False
        wanted.append(record)
        return True

    scored = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        watched = Watched(refiner)
        wanted.clear()
        try:
            pages = score_gold(str(path), lambda level, own=watched: own, keep).pages  # type: ignore[misc]
        except UsageError:
            continue  # none of its pages is wanted
        judged = [record for record in wanted if isinstance(parse_gold(record, ""), LineGold)]
        for record, figures in zip(judged, pages, strict=True):
            words, characters = by_score(record, watched.scores.get(record["id"]))
            scored.append(Scored(slim(record), figures, words, characters))
    return scored


def slim(record: Record) -> Record:
    """What the tables group pages by."""
    names = ("id", "source", "language", "page_type", "extractor", "site_key")
    return {name: record.get(name) or "" for name in names}


def by_score(record: Record, scores: bytes | None) -> tuple[np.ndarray, int]:
    gold = parse_gold(record, "")
    assert isinstance(gold, LineGold)
    lines = record["raw_text"].split("\n")
    known = [number for number in range(len(lines)) if number not in gold.neutral]
    noise = np.array(gold.noise)[known]
    words = np.array([len(lines[number].split()) for number in known])
    out = np.zeros((2, 101))
    if scores:
        np.add.at(out, (noise, np.frombuffer(scores, np.uint8)[known]), words)
    return out, sum(len("".join(lines[number].split())) for number in known if not gold.noise[number])


def figures(pages: Sequence[Scored]) -> Record:
    """All figures of some pages, with intervals."""
    drawn = bootstrap([[each.figures for each in pages]])
    plain = tally([each.figures for each in pages])
    lines, content = plain.lines, plain.content_tokens
    assert lines and content
    values: dict[str, float | None] = {
        "noise_f1": lines.f1,
        "macro": lines.macro_f1,
        "noisy": lines.noisy_macro_f1,
        "content_f1": content.f1,
        "found": lines.noise_words_found,
        "lost": lines.content_words_lost,
    }
    intervals = {
        name: [round(bounds.low, 4), round(bounds.high, 4)]
        for name, of in NAMES.items()
        if (bounds := drawn.intervals[0].get(of)) is not None
    }
    own, own_intervals = other_figures(pages)
    content, noise = np.sum([each.words for each in pages], axis=0)[:, ::-1].cumsum(axis=1)[:, ::-1]
    known = {name: round(value, 4) for name, value in (values | own).items() if value is not None}
    return {
        "pages": len(pages),
        "sites": len({each.record["site_key"] for each in pages}),
        **known,
        "found_and_lost_from": {
            f"{percent / 100:g}": [round(float(each[percent] / max(each[0], 1)), 4) for each in (noise, content)]
            for percent in THRESHOLDS
        },
        "intervals": intervals | own_intervals,
    }


NAMES = {
    "noise_f1": "lines.f1",
    "macro": "lines.macro_f1",
    "noisy": "lines.noisy_macro_f1",
    "content_f1": "content_tokens.f1",
    "found": "lines.noise_words_found",
    "lost": "lines.content_words_lost",
}
"""What `prox.runs.bootstrap` calls these figures."""


def other_figures(pages: Sequence[Scored]) -> tuple[dict[str, float], dict[str, list[float]]]:
    """Those that `prox score` does not give, with intervals."""
    sites: dict[str, list[Scored]] = {}
    for each in pages:
        sites.setdefault(each.record["site_key"], []).append(each)
    rows = np.array([_row(some) for some in sites.values()])
    chance = np.random.default_rng(0)
    drawn = [_others(rows[chance.integers(0, len(rows), len(rows))].sum(axis=0)) for _ in range(SAMPLES)]
    plain = _others(rows.sum(axis=0))
    bounds = {
        name: np.quantile([each[name] for each in drawn if name in each], [0.025, 0.975]).round(4).tolist()
        for name in plain
        if name != "threshold"
    }
    return plain, bounds


def _row(pages: Sequence[Scored]) -> np.ndarray:
    judged = [each.figures.judged for each in pages if isinstance(each.figures.judged, LineFigures)]
    partial = (
        sum(each.partial_noise for each in judged),
        sum(each.partial_found for each in judged),
        sum(each.content_characters_lost for each in judged),
        sum(each.characters for each in pages),
    )
    return np.concatenate([partial, sum(each.words for each in pages).ravel()])  # type: ignore[union-attr]


def _others(row: np.ndarray) -> dict[str, float]:
    noise, found, lost, characters = row[:4].tolist()
    values: dict[str, float] = {}
    if noise:
        values |= {"partials_found": found / noise, "partials_lost": lost / max(characters - noise, 1)}
    by_score = row[4:].reshape(2, 101)
    if by_score.sum():
        said = (by_score.sum(axis=0) * np.arange(101) / 100)[:100].reshape(10, 10).sum(axis=1)
        true = by_score[1, :100].reshape(10, 10).sum(axis=1)
        values["calibration_error"] = float(np.abs(said - true).sum() / by_score.sum())
    content, marked = by_score[:, ::-1].cumsum(axis=1)  # removed at the threshold 100 %, 99 %, …
    if content[-1] and marked[-1]:
        place = int(np.searchsorted(content, MOST_LOST * content[-1], side="right")) - 1
        values |= {
            "found_at_1": float(marked[place] / marked[-1]) if place >= 0 else 0.0,
            "threshold": 1 - max(place, 0) / 100,
        }
    return values


Groups = Mapping[str, Callable[[Record], bool]]


def groups_of(pages: Sequence[Scored]) -> Groups:
    """The rows of a table: languages together, then each source, each page type and each language with enough pages."""
    wanted: dict[str, Callable[[Record], bool]] = {
        "English": lambda record: record["language"] == "en",
        "English, without CleanEval": lambda record: record["language"] == "en" and record["source"] != "cleaneval",
        "other languages": lambda record: record["language"] != "en",
    }
    for field in ("source", "page_type", "language"):
        values = Counter(each.record[field] for each in pages)
        for value, count in sorted(values.items()):
            if value and count >= FEWEST_PAGES:
                wanted[f"{field.replace('_', ' ')} {value}"] = lambda r, field=field, value=value: r[field] == value  # type: ignore[misc]
    return wanted


def report(pages: Sequence[Scored], rules: Mapping[str, Sequence[Scored]], groups: Groups) -> dict[str, Any]:
    result = {}
    for name, wanted in groups.items():
        chosen = [each for each in pages if wanted(each.record)]
        if chosen:
            result[name] = figures(chosen)
            for rule, of_rule in rules.items():
                others = [each for each in of_rule if wanted(each.record)]
                plain = tally([each.figures for each in others])
                assert plain.lines and plain.content_tokens
                result[name][rule] = {
                    "noise_f1": round(plain.lines.f1, 4),
                    "macro": round(plain.lines.macro_f1, 4),
                    "content_f1": round(plain.content_tokens.f1, 4),
                }
    return result


def documents(gold: Path) -> Record:
    """The judge of documents in cross-validation, on the line network that ships: no document taught that one."""
    weights = embedded_tagger().weights.lines

    def logits_of(features: LineFeatures) -> FloatArray:
        return line_logits(line_states(features, weights), weights)

    pages = sort_out(read_labels(str(gold / "documents"))).pages
    texts = [page.text for page in pages]
    keep = np.array([int(bool(page.keep)) for page in pages])
    whole, judged = document_inputs(texts, logits_of, every_line), document_inputs(texts, logits_of)
    return asdict(cross_validate_documents(whole, judged, keep))


COLUMNS = (
    "noise_f1",
    "macro",
    "noisy",
    "content_f1",
    "found",
    "lost",
    "found_at_1",
    "partials_found",
    "partials_lost",
    "calibration_error",
)


def print_tables(result: Mapping[str, Any]) -> None:
    for name, groups in result.items():
        if name == "documents":
            print(f"\nDocuments: {groups}")
            continue
        print(f"\n## {name}\n\n| | pages (sites) | {' | '.join(COLUMNS)} | C4 line rules | removing everything |")
        print("| --- " * (len(COLUMNS) + 4) + "|")
        for group, values in groups.items():
            cells = [_cell(values, column) for column in COLUMNS]
            rules = [_rule(values.get(rule)) for rule in RULES]
            print(
                f"| {group} | {values['pages']:,} ({values['sites']:,}) | {' | '.join(cells)} | {' | '.join(rules)} |"
            )
        head = [f"{percent / 100:g}" for percent in THRESHOLDS]
        print(f"\n| found / lost from | {' | '.join(head)} |\n{'| --- ' * (len(head) + 1)}|")
        for group, values in list(groups.items())[:3]:
            cells = [f"{found:.3f} / {lost:.3f}" for found, lost in values["found_and_lost_from"].values()]
            print(f"| {group} | {' | '.join(cells)} |")


def _cell(values: Record, column: str) -> str:
    if column not in values:
        return "–"
    digits = 5 if column == "partials_lost" else 3
    low, high = values["intervals"].get(column, (None, None))
    shown = f"{values[column]:.{digits}f}"
    return shown if low is None else f"{shown} [{low:.{digits}f}, {high:.{digits}f}]"


def _rule(values: Record | None) -> str:
    return " / ".join(f"{value:.3f}" for value in values.values()) if values else "–"


def main() -> None:
    parser = Parser(__doc__, *GOLD, "documents")
    parser.add_argument("--work", type=Path, default=Path("build/tagger-quality"), help="(default: %(default)s)")
    parser.add_argument("--as-shipped", action="store_true", help="train as what ships: four times as long")
    parser.add_argument("--folds-only", action="store_true", help="leave out what takes the longer half of the time")
    parser.add_argument("--held-back", action="store_true", help="only score the weights that ship")
    parser.add_argument("--table", action="store_true", help="for people instead of JSON")
    options = parser.parse()
    torch.set_num_threads(1)
    result = held_back(options.gold) if options.held_back else unseen_by_others(options)
    if options.table:
        print_tables(result)
    else:
        print(json.dumps(result))


def held_back(gold: Path) -> dict[str, Any]:
    """The weights that ship, on the sites that nobody trained them on."""

    def unseen(record: Record) -> bool:
        return part_of_site(record["site_key"]) == "held-back"

    own = {part: score(TaggerRefiner(Level.CHUNK), gold / part, unseen) for part in GOLD}
    rules = {part: {name: score(rule, gold / part, unseen) for name, rule in RULES.items()} for part in GOLD}
    return tables(own, rules) | {"documents": documents(gold)}


def unseen_by_others(options: Namespace) -> dict[str, Any]:
    """Taggers of the same kind, on what each of them has not seen."""
    gold: Path = options.gold
    parts: dict[str, list[Scored]] = {part: [] for part in GOLD}
    rules: dict[str, dict[str, list[Scored]]] = {part: {} for part in GOLD}
    unseen: dict[str, dict[str, Any]] = {}
    for split in splits():
        if options.folds_only and not split.is_fold:
            continue
        refiner = tagger_for(split, gold, options.work, AS_SHIPPED if options.as_shipped else SHORT)
        print(f"{split.name} …", file=sys.stderr, flush=True)
        for part in parts:
            scored = score(refiner, gold / part, split.unseen)
            if split.is_fold:
                parts[part] += scored
            elif scored and part != "extracted":
                unseen[f"{split.name}, {part}"] = figures(scored)
    for part in parts:
        for name, rule in RULES.items():
            rules[part][name] = score(rule, gold / part, lambda record: True)
    return tables(parts, rules) | {"unseen": unseen, "documents": documents(gold)}


def tables(parts: Mapping[str, list[Scored]], rules: Mapping[str, Mapping[str, list[Scored]]]) -> dict[str, Any]:
    full, extracted = parts["public"], parts["extracted"]
    result: dict[str, Any] = {"full pages": report(full, rules["public"], groups_of(full))}
    for extractor in ("trafilatura", "resiliparse"):
        own, others = (
            [each for each in some if each.record["extractor"].startswith(extractor)]
            for some in (extracted, rules["extracted"]["c4_rules"])
        )
        groups = {"all": lambda record: True, **groups_of(own)}
        result[f"after {extractor}"] = report(own, {"c4_rules": others}, groups)
    some = {"all": lambda record: True, **groups_of(parts["segments"])}
    result["pages with some known lines"] = report(parts["segments"], rules["segments"], some)
    return result


if __name__ == "__main__":
    main()
