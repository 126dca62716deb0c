"""Labels with a second opinion: what a network says of a line that has seen nothing of its site.

People disagree about web pages, and some golds end too early. A network cannot learn the labels of a site that it has
not seen by heart, so where it contradicts them, it tells of what others call noise. A share of its probability goes
into the label: the networks of a first round teach that of the second (cf. Reed et al., 2015, arXiv:1412.6596).
"""

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from prox.adapt.labels import NEUTRAL, LabelledPage
from prox.adapt.tagger.network import Shape
from prox.adapt.tagger.train import Plan, predict, train

log = logging.getLogger(__name__)

PARTS = 3
"""Parts of the sites; the pages of each get the opinion of a network that the others have taught."""

SHARE = 0.3
"""Of the opinion in a label."""

EPOCHS = 6
"""Of a network that gives opinions, at most."""

FEWEST_SITES = 300
"""Fewer sites teach nobody what others think."""


def with_second_opinions(pages: Sequence[LabelledPage], shape: Shape, plan: Plan) -> list[LabelledPage]:
    """The same pages in the same order, with labels between 0 and 1; neutral lines stay so."""
    out = list(pages)
    for part in range(PARTS):
        others = [page for page in pages if _part_of(page.site) != part]
        own = replace(plan, epochs=min(plan.epochs, EPOCHS), seed=plan.seed + 1 + part)
        log.info("second opinions, %d of %d", part + 1, PARTS)
        network = train(others, [], shape, own)
        for number, page in enumerate(pages):
            if _part_of(page.site) == part:
                out[number] = replace(page, labels=softened(page.labels, predict(network, page)))
    return out


def softened(labels: np.ndarray, opinion: np.ndarray) -> np.ndarray:
    """Labels with a share of the opinion, where there are both.

    >>> softened(np.array([0, 1, -1, 1]), np.array([1.0, 1.0, 0.0, np.nan])).tolist()
    [0.3, 1.0, -1.0, 1.0]
    """
    out = labels.astype(np.float64)
    both = (labels != NEUTRAL) & ~np.isnan(opinion)
    out[both] += SHARE * (opinion[both] - labels[both])
    return out


def _part_of(site: str) -> int:
    return int.from_bytes(hashlib.sha256(f"opinion {site}".encode()).digest()[:4], "big") % PARTS
