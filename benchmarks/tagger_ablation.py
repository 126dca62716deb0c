"""What each idea of the tagger gives: networks trained without it, or with more of it, on the sites of four folds.

All are trained alike but for one thing, for six epochs and without second opinions, and scored on the sites of the
fifth fold, which none of them has seen (the fold 0 of `tagger_quality.py`). Two of them differ in nothing but the seed:
differences as small as theirs mean nothing. The last one is the tagger of that fold with all there is. What has been
trained stays in the work folder.

    pip install -e '.[train]'
    python benchmarks/tagger_ablation.py            one line of JSON, after an hour on one core
    python benchmarks/tagger_ablation.py --table    the table of the model card
"""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from gold import Parser
from prox.adapt.labels import LabelledPage, read_labels, sort_out, with_titles
from prox.adapt.tagger import augmentation, strange_content
from prox.adapt.tagger.export import line_arrays, write_weights
from prox.adapt.tagger.fit import NOISE_THRESHOLD
from prox.adapt.tagger.network import Shape
from prox.adapt.tagger.train import Plan, train
from prox.refiners import Level, Refiner
from prox.refiners.tagger import TaggerRefiner
from prox.refiners.tagger.refiner import load_tagger
from tagger_quality import GOLD, Record, figures, records, score, splits, tagger_for

FOLD = splits()[0]
EXTRACTED = ("trafilatura", "resiliparse")

PARTS: dict[str, tuple[str, Callable[[Record], bool]]] = {
    "English": ("public", lambda record: record["language"] == "en"),
    "other languages": ("public", lambda record: record["language"] != "en"),
    "after trafilatura": ("extracted", lambda record: record["extractor"].startswith("trafilatura")),
    "after resiliparse": ("extracted", lambda record: record["extractor"].startswith("resiliparse")),
}

COLUMNS = {
    "English": ("noise_f1", "macro", "content_f1"),
    "other languages": ("noise_f1", "macro", "content_f1"),
    "after trafilatura": ("noise_f1", "noisy", "found_at_1"),
    "after resiliparse": ("noise_f1", "noisy", "found_at_1"),
}


PLAN, SHAPE = Plan(epochs=6), Shape()


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to train.

    Attributes:
        wanted: Which pages train.
        changed: A constant of the augmentation that has another value while it trains.
    """

    name: str
    shape: Shape = SHAPE
    plan: Plan = PLAN
    wanted: Callable[[LabelledPage], bool] = lambda page: True
    changed: Callable[[], AbstractContextManager[object]] = nullcontext


def constant(name: str, value: float) -> Callable[[], AbstractContextManager[object]]:
    return lambda: patch.object(augmentation, name, value)


def whole(labels: Any, chance: Any) -> Any:
    return labels >= -1


VARIANTS = (
    Variant("as it is, without second opinions"),
    Variant("the same with another seed", plan=replace(PLAN, seed=1)),
    Variant("no frames of other pages", changed=constant("FRAMED", 0)),
    Variant("no cut and partly cleaned pages", changed=lambda: patch.object(augmentation, "_kept", whole)),
    Variant(
        "no code, formulas, tables, chats, wrapped lines",
        changed=lambda: patch.object(strange_content, "CHANCES", (0.0,) * 5),
    ),
    Variant("no hidden words, no unknown letters", plan=replace(PLAN, unknown_words=0), changed=constant("FOREIGN", 0)),
    Variant("no pages after extractors", wanted=lambda page: page.source not in EXTRACTED),
    Variant("no pages of which some lines are known", wanted=lambda page: page.source != "trafilatura_segments"),
    Variant("no words, only what lines look like", plan=replace(PLAN, fewest_sites=sys.maxsize)),
    Variant("no contexts of the page", shape=replace(SHAPE, context_before=())),
    Variant("each line sees two neighbours only", shape=replace(SHAPE, dilations=(1, 1), context_before=())),
    Variant("half as wide", shape=replace(SHAPE, hidden=32, near=16, mixed=24, context=8)),
    Variant("twice as wide", shape=replace(SHAPE, hidden=128, near=64, mixed=96, context=32)),
    Variant("ten epochs", plan=Plan()),
)


def trained(variant: Variant, pages: Sequence[LabelledPage], folder: Path) -> Refiner:
    if not folder.exists():
        with ExitStack() as stack:
            stack.enter_context(variant.changed())
            network = train([page for page in pages if variant.wanted(page)], [], variant.shape, variant.plan).eval()
        folder.parent.mkdir(parents=True, exist_ok=True)
        begun = folder.with_name(f"{folder.name}.part")
        begun.mkdir(exist_ok=True)
        write_weights(begun / "weights.npz", line_arrays(network, NOISE_THRESHOLD))
        begun.rename(folder)
    return TaggerRefiner(Level.CHUNK, tagger=load_tagger(str(folder)))


def scores(refiner: Refiner, gold: Path) -> dict[str, dict[str, float]]:
    scored = {part: score(refiner, gold / part, FOLD.unseen) for part in ("public", "extracted")}
    return {
        name: {
            column: value
            for column, value in figures([page for page in scored[part] if wanted(page.record)]).items()
            if column in COLUMNS[name]
        }
        for name, (part, wanted) in PARTS.items()
    }


def print_table(rows: dict[str, dict[str, dict[str, float]]]) -> None:
    heads = [f"{part}: {' / '.join(columns)}" for part, columns in COLUMNS.items()]
    print(f"| | {' | '.join(heads)} |\n{'| --- ' * (len(heads) + 1)}|")
    for name, row in rows.items():
        cells = [" / ".join(f"{row[part][column]:.3f}" for column in columns) for part, columns in COLUMNS.items()]
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    parser = Parser(__doc__, *GOLD)
    parser.add_argument("--work", type=Path, default=Path("build/tagger-quality"), help="(default: %(default)s)")
    parser.add_argument("--table", action="store_true", help="for people instead of JSON")
    options = parser.parse()
    torch.set_num_threads(1)
    unseen = {record["id"] for part in GOLD for record in records(options.gold / part) if FOLD.unseen(record)}
    pages = [with_titles(page) for page in sort_out(read_labels([str(options.gold / part) for part in GOLD])).pages]
    seen = [page for page in pages if page.id not in unseen]
    rows = {}
    for variant in VARIANTS:
        print(f"{variant.name} …", file=sys.stderr, flush=True)
        folder = options.work / "ablation" / variant.name.replace(" ", "-").replace(",", "")
        rows[variant.name] = scores(trained(variant, seen, folder), options.gold)
    rows["ten epochs and second opinions: what ships"] = scores(
        tagger_for(FOLD, options.gold, options.work, Plan().epochs), options.gold
    )
    if options.table:
        print_table(rows)
    else:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
