"""What each idea of the tagger gives: networks trained without it, or with more of it, on the sites of four folds.

All are trained alike but for one thing, for six epochs and without second opinions, and scored on the sites of the
fifth fold, which none of them has seen (the fold 0 of `tagger_quality.py`, whose tagger is the first row). The second
row differs in nothing but the seed: differences as small as that mean nothing. The last one has second opinions and ten
epochs, as what ships. What has been trained stays in the work folder.

    pip install -e '.[train]'
    python benchmarks/tagger_ablation.py            one line of JSON, after an hour and a half on one core
    python benchmarks/tagger_ablation.py --table    the table of the model card
"""

import json
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from gold import Parser
from prox.adapt.labels import LabelledPage
from prox.adapt.tagger import augmentation, strange_content
from prox.adapt.tagger.export import line_arrays
from prox.adapt.tagger.fit import NOISE_THRESHOLD
from prox.adapt.tagger.network import Shape
from prox.adapt.tagger.opinions import with_second_opinions
from prox.adapt.tagger.train import Plan, train
from prox.refiners import Level, Refiner
from prox.refiners.tagger import TaggerRefiner
from prox.refiners.tagger.refiner import load_tagger
from tagger_quality import AS_SHIPPED, GOLD, SHORT, Record, figures, keep_weights, score, seen_pages, splits, tagger_for

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


PLAN, SHAPE = SHORT.plan, Shape()


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to train.

    Attributes:
        wanted: Which pages train.
        changed: A constant of the augmentation that has another value while it trains.
        second_opinions: See `prox.adapt.tagger.opinions`.
    """

    name: str
    shape: Shape = SHAPE
    plan: Plan = PLAN
    wanted: Callable[[LabelledPage], bool] = lambda page: True
    changed: Callable[[], AbstractContextManager[object]] = nullcontext
    second_opinions: bool = False


def constant(name: str, value: float) -> Callable[[], AbstractContextManager[object]]:
    return lambda: patch.object(augmentation, name, value)


def whole(labels: Any, chance: Any) -> Any:
    return labels >= -1


VARIANTS = (
    Variant("another seed", plan=replace(PLAN, seed=1)),
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
    Variant("ten epochs", plan=AS_SHIPPED.plan),
    Variant("ten epochs and second opinions", plan=AS_SHIPPED.plan, second_opinions=True),
)


def trained(variant: Variant, pages: Sequence[LabelledPage], folder: Path) -> Refiner:
    if not folder.exists():
        wanted = [page for page in pages if variant.wanted(page)]
        with variant.changed():
            if variant.second_opinions:
                wanted = with_second_opinions(wanted, variant.shape, variant.plan)
            network = train(wanted, [], variant.shape, variant.plan).eval()
        keep_weights(folder, line_arrays(network, NOISE_THRESHOLD))
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
    pages = seen_pages(FOLD, options.gold)
    rows = {"six epochs": scores(tagger_for(FOLD, options.gold, options.work, SHORT), options.gold)}
    for variant in VARIANTS:
        print(f"{variant.name} …", file=sys.stderr, flush=True)
        folder = options.work / "ablation" / variant.name.replace(" ", "-").replace(",", "")
        rows[variant.name] = scores(trained(variant, pages, folder), options.gold)
    if options.table:
        print_table(rows)
    else:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
