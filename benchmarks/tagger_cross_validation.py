"""How well the tagger's line network finds noise on unseen sites, over all public pages instead of one small part.

The sites are dealt into folds by their names. For each fold a network is trained, with the settings of the one that
ships, on the pages of all other folds (whole pages and extracted ones) and scored on the whole pages of its own. So
every page is scored once by a network that has seen nothing of its site, and sources, languages and page types stand
in the proportions of the whole gold. Beside it stand C4's line rules and removing everything, on the same pages.

    noise_f1         removed lines against noise lines, all lines together; noise_f1_macro is the mean of the pages' F1
    content_f1       words on kept lines against words on content lines
    interval         95 % of 1,000 bootstrap samples of sites, for the tagger

Pages whose gold is probably incomplete (`suspect` > 0.25) and neutral lines are left out.

    pip install -e '.[train]'
    python benchmarks/tagger_cross_validation.py            one line of JSON, after half an hour on one core
    python benchmarks/tagger_cross_validation.py --table    for people
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gold import Parser
from prox.adapt.labels import NEUTRAL, LabelledPage, read_labels, sort_out
from prox.adapt.tagger.network import Shape
from prox.adapt.tagger.train import Plan, predict, train
from prox.program import Counts, content_counts, line_counts, macro_f1
from tagger_quality import c4_removes

SAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Judged:
    """A page, and what a refiner's removals on it came to."""

    page: LabelledPage
    lines: Counts
    content: Counts


def fold_of(page: LabelledPage, folds: int) -> int:
    return int.from_bytes(hashlib.sha256(f"fold {page.site}".encode()).digest()[:4], "big") % folds


def judge(page: LabelledPage, noisy: Sequence[bool]) -> Judged:
    neutral = frozenset(np.flatnonzero(page.labels == NEUTRAL).tolist())
    removed = {number for number, is_noise in enumerate(noisy) if is_noise}
    words = [len(line.split()) for line in page.text.split("\n")]
    kept = [0 if number in removed else count for number, count in enumerate(words)]
    labels = (page.labels == 1).tolist()
    noise = {number for number, label in enumerate(labels) if label}
    return Judged(page, line_counts(removed, noise, neutral), content_counts(words, kept, labels, neutral))


def figures(pages: Sequence[Judged]) -> dict[str, float]:
    lines, content = sum((each.lines for each in pages), Counts()), sum((each.content for each in pages), Counts())
    return {"noise_f1": lines.f1, "noise_f1_macro": macro_f1(each.lines for each in pages), "content_f1": content.f1}


def interval(pages: Sequence[Judged]) -> dict[str, list[float]]:
    by_site: dict[str, list[Judged]] = {}
    for each in pages:
        by_site.setdefault(each.page.site, []).append(each)
    sites = list(by_site.values())
    chance = np.random.default_rng(0)
    drawn = [
        figures([each for site in chance.integers(0, len(sites), len(sites)) for each in sites[site]])
        for _ in range(SAMPLES)
    ]
    return {
        name: np.quantile([each[name] for each in drawn], [0.025, 0.975]).round(4).tolist() for name in figures(pages)
    }


def main() -> None:
    parser = Parser(__doc__, "public", "extracted")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=Plan().epochs, help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch (default: %(default)s)")
    parser.add_argument("--table", action="store_true", help="for people instead of JSON")
    options = parser.parse()
    torch.set_num_threads(options.threads)
    public = sort_out(read_labels(f"{options.gold}/public")).pages
    extracted = sort_out(read_labels(f"{options.gold}/extracted")).pages
    judged: dict[str, list[Judged]] = {"tagger": [], "c4_rules": [], "remove_everything": []}
    for fold in range(options.folds):
        others = [page for page in public + extracted if fold_of(page, options.folds) != fold]
        network = train(others, [], Shape(), Plan(epochs=options.epochs, seed=fold))
        for page in public:
            if fold_of(page, options.folds) == fold:
                lines = page.text.split("\n")
                judged["tagger"].append(judge(page, np.nan_to_num(predict(network, page)) >= 0.5))
                judged["c4_rules"].append(judge(page, [c4_removes(line) for line in lines]))
                judged["remove_everything"].append(judge(page, [True] * len(lines)))
    result = {name: report(judged, wanted) for name, wanted in groups(public).items()}
    if options.table:
        print_table(result)
    else:
        print(json.dumps({"folds": options.folds, "epochs": options.epochs, "groups": result}))


def groups(pages: Sequence[LabelledPage]) -> dict[str, Callable[[LabelledPage], bool]]:
    wanted: dict[str, Callable[[LabelledPage], bool]] = {
        "english": lambda page: page.language == "en",
        "english, without cleaneval": lambda page: page.language == "en" and page.source != "cleaneval",
        "other languages": lambda page: page.language != "en",
    }
    for source in sorted({page.source for page in pages}):
        wanted[source] = lambda page, source=source: page.source == source  # type: ignore[misc]
    return wanted


def report(judged: dict[str, list[Judged]], wanted: Callable[[LabelledPage], bool]) -> dict[str, Any]:
    chosen = {name: [each for each in pages if wanted(each.page)] for name, pages in judged.items()}
    values = {name: {key: round(value, 4) for key, value in figures(pages).items()} for name, pages in chosen.items()}
    own = chosen["tagger"]
    sites = len({each.page.site for each in own})
    return {"pages": len(own), "sites": sites, **values, "interval": interval(own)}


def print_table(result: dict[str, Any]) -> None:
    print(f"{'':<28}{'pages':>7}{'sites':>7}  {'':<18}{'noise F1':>10}{'macro':>8}{'content F1':>12}")
    for group, values in result.items():
        for name in ("tagger", "c4_rules", "remove_everything"):
            head = f"{group:<28}{values['pages']:>7}{values['sites']:>7}" if name == "tagger" else " " * 42
            f1, macro, content = values[name].values()
            print(f"{head}  {name:<18}{f1:>10.3f}{macro:>8.3f}{content:>12.3f}")


if __name__ == "__main__":
    main()
