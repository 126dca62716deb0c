"""How well the tagger's judge of parts of lines finds noise inside content lines of unseen sites.

The sites are dealt into five folds by their names, as in `prox adapt tagger`; for each fold a judge is trained on the
pages of all others (whole pages and extracted ones) and judges the content lines of its own. So every whole page is
judged once, by a judge that has seen nothing of its site. It does not depend on the line network: what it looks at are
the lines that gold calls content, and of the page only these.

    found       share of the visible characters of marked noise (`partials` with certainty) that is removed
    lost        share of the other visible characters of content lines that goes with it
    within      share of the noise that lies within a part that is judged at all: no threshold finds more
    interval    95 % of 1,000 bootstrap samples of sites

Pages whose gold is probably incomplete (`suspect` > 0.25) are left out.

    pip install -e '.[train]'
    python benchmarks/parts_cross_validation.py            one line of JSON, after a minute or two on one core
    python benchmarks/parts_cross_validation.py --table    for people
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gold import Parser
from prox.adapt.labels import LabelledPage, read_labels, sort_out
from prox.adapt.tagger.parts import (
    choose_thresholds,
    content_lines,
    cross_validate,
    found_and_lost,
    labelled_parts,
    made_parts,
    noise_places,
)
from prox.refiners.tagger.parts import KINDS

SAMPLES = 1000
THRESHOLDS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.25, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02)


@dataclass(frozen=True, slots=True)
class Counted:
    """Visible characters, page by page."""

    noise: np.ndarray
    content: np.ndarray
    found: np.ndarray
    lost: np.ndarray


def shares(counted: Counted, pages: np.ndarray) -> dict[str, float]:
    noise, content = counted.noise[pages].sum(), counted.content[pages].sum()
    found, lost = counted.found[pages].sum(), counted.lost[pages].sum()
    return {"found": found / max(noise, 1), "lost": lost / max(content, 1), "precision": found / max(found + lost, 1)}


def report(counted: Counted, pages: np.ndarray, sites: Sequence[str]) -> dict[str, Any]:
    by_site: dict[str, list[int]] = {}
    for page in pages.tolist():
        by_site.setdefault(sites[page], []).append(page)
    groups = [np.array(members) for members in by_site.values()]
    sums = [np.array([column[members].sum() for members in groups]) for column in _columns(counted)]
    of_sites = Counted(*sums)
    chance = np.random.default_rng(0)
    drawn = [shares(of_sites, chance.integers(0, len(groups), len(groups))) for _ in range(SAMPLES)]
    values = {name: round(value, 6) for name, value in shares(counted, pages).items()}
    interval = {name: np.quantile([each[name] for each in drawn], [0.025, 0.975]).round(6).tolist() for name in values}
    sizes = {"pages": len(pages), "sites": len(groups), "noise_characters": int(counted.noise[pages].sum())}
    return {**sizes, **values, "interval": interval}


def _columns(counted: Counted) -> tuple[np.ndarray, ...]:
    return counted.noise, counted.content, counted.found, counted.lost


def visible(text: str) -> int:
    return sum(map(len, text.split()))


def main() -> None:
    parser = Parser(__doc__, "public", "extracted")
    parser.add_argument("--table", action="store_true", help="for people instead of JSON")
    options = parser.parse()
    public = sort_out(read_labels(f"{options.gold}/public")).pages
    pages = public + sort_out(read_labels(f"{options.gold}/extracted")).pages
    real = labelled_parts(pages)
    probabilities = cross_validate(pages, real, made_parts(pages, 0))
    shipped = choose_thresholds(real, probabilities, [page.site for page in pages])
    noise = np.array([sum(map(len, noise_places(page).values())) for page in public])
    content = np.array([sum(map(visible, content_lines(page)[1])) for page in public]) - noise
    everything = np.arange(len(public))
    sites = [page.site for page in public]

    def counted(chances: np.ndarray, thresholds: np.ndarray) -> Counted:
        found, lost = (each[: len(public)] for each in found_and_lost(real, chances, thresholds))
        return Counted(noise, content, found, lost)

    within = shares(counted(real.noise + probabilities / 2, np.full(KINDS, 0.9)), everything)["found"]
    curve = [
        {"threshold": threshold, **report(counted(probabilities, np.full(KINDS, threshold)), everything, sites)}
        for threshold in THRESHOLDS
    ]
    at_shipped = counted(probabilities, shipped)
    result = {
        "within": round(within, 4),
        "thresholds": shipped.round(2).tolist(),
        "shipped": report(at_shipped, everything, sites),
        "curve": curve,
        "sources": {
            source: report(at_shipped, np.array(numbers), sites) for source, numbers in _by_source(public).items()
        },
    }
    if options.table:
        print_table(result)
    else:
        print(json.dumps(result))


def _by_source(pages: Sequence[LabelledPage]) -> dict[str, list[int]]:
    out: dict[str, list[int]] = {}
    for number, page in enumerate(pages):
        out.setdefault(page.source, []).append(number)
    return dict(sorted(out.items()))


def print_table(result: dict[str, Any]) -> None:
    print(f"within parts: {result['within']:.3f} of the noise; thresholds by kind {result['thresholds']}")
    rows = [("at these", result["shipped"]), *result["sources"].items()]
    rows += [(f"all from {each['threshold']}", each) for each in result["curve"]]
    print(f"{'':<22}{'sites':>6}{'noise':>8}  found                   lost                        precision")
    for name, each in rows:
        low, high = each["interval"]["found"]
        least, most = each["interval"]["lost"]
        print(
            f"{name:<22}{each['sites']:>6}{each['noise_characters']:>8}  {each['found']:.3f} [{low:.3f}, {high:.3f}]  "
            f"{each['lost']:.4%} [{least:.4%}, {most:.4%}]  {each['precision']:.3f}"
        )


if __name__ == "__main__":
    main()
