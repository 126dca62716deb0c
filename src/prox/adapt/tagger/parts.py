"""Train the tagger's judge of noisy parts inside lines.

Gold marks few such parts, and most of their words on one site only. So the judge also learns from made ones: short
lines that are noise on several sites ("Read more", "Back to top") are glued to the ends of content lines, as templates
do where a page is dumped without its line breaks. What it is worth is known from sites that it has not seen: the
thresholds come from cross-validation by site, and then all pages train.
"""

import hashlib
import logging
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np
from scipy.sparse import csr_matrix, hstack, vstack
from sklearn.linear_model import LogisticRegression

from prox.adapt.labels import NEUTRAL, LabelledPage
from prox.refiners.tagger.cutting import chosen
from prox.refiners.tagger.features import BUCKETS, IntArray, TokenArray
from prox.refiners.tagger.part_judge import (
    ANY,
    BINS,
    ROWS,
    SCALE,
    WORDS_BEFORE,
    PartFeatures,
    PartWeights,
    part_features,
    part_scores,
)
from prox.refiners.tagger.parts import KINDS, Part, find_parts

log = logging.getLogger(__name__)

LEAST_PRECISION = 1 / 3
"""Of the characters that parts of a kind take with them, the share that gold marks, on sites that are not seen."""

MOST_OF_A_SITE = 1000
"""Characters of a kind that a site can count for: one with hundreds of links says little of links."""

LEAST_FOUND = 60
"""Characters of noise that speak for a kind; of others, nothing is removed."""

FOLDS = 5

LOWEST_THRESHOLD = 0.15
"""However precise a kind is, what is less likely to be noise than this stays."""

NEVER = 2.0
"""The threshold of a kind of which nothing is removed."""

STRENGTH = 1.0
"""Of the weights against their prior (scikit-learn's C)."""

MADE_WEIGHT = 0.01
"""What a made part counts beside a marked one; there are ten times as many, all of one sort."""

FEWEST_SITES = 3
"""A phrase is glued to other lines if it is a noise line on so many sites, and a content line on a tenth at most."""

GLUED_LINES = 2
"""Lines of a page that get a phrase."""

SHORTEST_LINE = 8
"""Words of a line that gets one."""

_FORMS = {" {}": 50, " [{}]": 12, " ({})": 12, " {} »": 6, " {} →": 5, " {} ›": 5, " {}…": 10}
"""How phrases are glued on, and how often."""


@dataclass(frozen=True, slots=True)
class Phrase:
    text: str
    sites: int


def noise_phrases(pages: Sequence[LabelledPage]) -> list[Phrase]:
    """Short lines that are noise wherever they stand, without bullets, most frequent first."""
    noise_sites: dict[str, set[str]] = defaultdict(set)
    content_sites: dict[str, set[str]] = defaultdict(set)
    for page in pages:
        for line, label in zip(page.text.split("\n"), page.labels.tolist(), strict=True):
            text = line.strip().removeprefix("• ")
            if label != NEUTRAL and 2 < len(text) <= 40 and len(text.split()) <= 6 and "." not in text:
                (noise_sites if label else content_sites)[text].add(page.site)
    phrases = [
        Phrase(text, len(sites))
        for text, sites in noise_sites.items()
        if len(sites) >= FEWEST_SITES
        and len(content_sites.get(text, ())) * 10 <= len(sites)
        and any(map(str.isalpha, text))
    ]
    return sorted(phrases, key=lambda phrase: (-phrase.sites, phrase.text))


def cumulative_weights(phrases: Sequence[Phrase]) -> list[float]:
    """Phrases of several words are the typical ones; a frequent phrase is not as frequent as the sites that have it."""
    return list(accumulate(phrase.sites**0.5 * (1 if " " in phrase.text else 0.35) for phrase in phrases))


def glued(
    page: LabelledPage, phrases: Sequence[Phrase], weights: Sequence[float], chance: random.Random
) -> LabelledPage | None:
    """The page with phrases at the ends of some content lines, marked as its only partial noise; None without any."""
    lines = page.text.split("\n")
    ends = [
        number
        for number, (line, label) in enumerate(zip(lines, page.labels.tolist(), strict=True))
        if label == 0 and line.rstrip().endswith(tuple(".!?。！？")) and len(line.split()) >= SHORTEST_LINE
    ]
    partials = []
    for number in chance.sample(ends, min(len(ends), GLUED_LINES)):
        (phrase,) = chance.choices(phrases, cum_weights=weights)
        (form,) = chance.choices(list(_FORMS), list(_FORMS.values()))
        line = lines[number].rstrip()
        lines[number] = line + form.format(phrase.text)
        partials.append((number, len(line), len(lines[number])))
    return replace(page, text="\n".join(lines), partials=tuple(partials)) if partials else None


@dataclass(frozen=True, slots=True)
class LabelledParts:
    """All parts of the content lines of some pages, n of them.

    Attributes:
        features: As the judge sees them.
        parts: With the line numbers of their pages.
        pages: (n,): which page each is from.
        visible: (n,): its characters without white space.
        marked: (n,): how many of these the gold calls noise.
    """

    features: PartFeatures
    parts: list[Part]
    pages: IntArray
    visible: IntArray
    marked: IntArray

    @property
    def noise(self) -> IntArray:
        """1 for a part that is noise but for a fifth at most, 0 for one that is content in the same way, else -1."""
        share = self.marked / self.visible
        return np.where(share >= 0.8, 1, np.where(share <= 0.2, 0, -1))


def labelled_parts(pages: Sequence[LabelledPage]) -> LabelledParts:
    """The parts of all content lines, but of those of which the gold is not sure."""
    judged: list[tuple[list[str], list[Part]]] = []
    parts: list[Part] = []
    of_page: list[int] = []
    visible: list[int] = []
    marked: list[int] = []
    for number, page in enumerate(pages):
        numbers, lines = content_lines(page)
        found = find_parts(lines)
        judged.append((lines, found))
        noise = noise_places(page)
        for part in found:
            line = numbers[part.line]
            shown = [place for place in range(part.start, part.end) if not lines[part.line][place].isspace()]
            parts.append(part._replace(line=line))
            of_page.append(number)
            visible.append(len(shown))
            marked.append(len(noise[line].intersection(shown)) if line in noise else 0)
    return LabelledParts(part_features(judged), parts, *(np.array(x, np.int64) for x in (of_page, visible, marked)))


def content_lines(page: LabelledPage) -> tuple[list[int], list[str]]:
    """Numbers and text of the lines in which parts are judged."""
    lines = page.text.split("\n")
    numbers = [n for n in np.flatnonzero(page.labels == 0).tolist() if n not in page.unsure_lines and lines[n].strip()]
    return numbers, [lines[number] for number in numbers]


def noise_places(page: LabelledPage) -> dict[int, set[int]]:
    """By content line, the places of its visible characters that are noise."""
    lines = page.text.split("\n")
    places: dict[int, set[int]] = {}
    for line, start, end in page.partials:
        if page.labels[line] == 0 and line not in page.unsure_lines:
            shown = {place for place in range(start, end) if not lines[line][place].isspace()}
            places.setdefault(line, set()).update(shown)
    return places


def fold_of(page: LabelledPage) -> int:
    return int.from_bytes(hashlib.sha256(f"fold {page.site}".encode()).digest()[:4], "big") % FOLDS


def fit_parts(pages: Sequence[LabelledPage], seed: int) -> dict[str, np.ndarray] | None:
    """The judge's arrays; None if no part is noise, or all are."""
    real = labelled_parts(pages)
    made = made_parts(pages, seed)
    arrays = train_parts(real, made)
    if arrays is None:
        return None
    thresholds = choose_thresholds(real, cross_validate(pages, real, made), [page.site for page in pages])
    shown = ["never" if each > 1 else f"{each:.2f}" for each in thresholds.tolist()]
    log.info("parts: %d, %d of them noise; removed from %s", len(real.parts), (real.noise == 1).sum(), ", ".join(shown))
    return arrays | {"parts.thresholds": thresholds}


def made_parts(pages: Sequence[LabelledPage], seed: int) -> LabelledParts:
    """The parts that phrases make in the pages."""
    chance = random.Random(seed)
    phrases = noise_phrases(pages)
    weights = cumulative_weights(phrases)
    made = [glued(page, phrases, weights, chance) if phrases else None for page in pages]
    none = [replace(page, labels=np.full_like(page.labels, NEUTRAL)) for page in pages]
    return labelled_parts([page or empty for page, empty in zip(made, none, strict=True)])


def cross_validate(pages: Sequence[LabelledPage], real: LabelledParts, made: LabelledParts) -> np.ndarray:
    """The probability of each real part, by a judge that has seen nothing of its site."""
    folds = np.array([fold_of(page) for page in pages])
    out = np.zeros(len(real.parts), np.float32)
    for fold in range(FOLDS):
        arrays = train_parts(real, made, folds != fold)
        if arrays is not None:
            out = np.where(folds[real.pages] == fold, part_scores(real.features, part_weights(arrays)), out)
    return out


def part_weights(arrays: dict[str, np.ndarray]) -> PartWeights:
    table, words, before = (arrays[f"parts.{name}"].astype(np.float32) for name in ("table", "words", "words_before"))
    return PartWeights(table, words, before, arrays.get("parts.thresholds", np.full(KINDS, 0.5, np.float32)))


def train_parts(
    real: LabelledParts, made: LabelledParts, wanted: np.ndarray | None = None
) -> dict[str, np.ndarray] | None:
    """Weights without thresholds; `wanted` says which pages train. None if there are not parts of both kinds."""
    blocks, labels, counts = [], [], []
    for data, weight, least in ((real, 1.0, 0), (made, MADE_WEIGHT, 1)):
        rows = data.noise >= least  # the other parts of made pages are among the real ones
        if wanted is not None:
            rows &= wanted[data.pages]
        blocks.append(part_matrix(data.features, rows))
        labels.append(data.noise[rows])
        counts.append(np.full(int(rows.sum()), weight))
    noise = np.concatenate(labels)
    if len(np.unique(noise)) < 2:
        return None
    judge = LogisticRegression(C=STRENGTH, max_iter=200, tol=1e-5).fit(vstack(blocks), noise, np.concatenate(counts))
    table, words, before = np.split(judge.coef_[0], [ROWS * BINS, ROWS * BINS + BUCKETS])
    table = table.reshape(ROWS, BINS)
    table[-1, :ANY] += judge.intercept_[0]
    named = {"table": table, "words": words, "words_before": before}
    return {f"parts.{name}": np.clip(np.rint(x / SCALE), -32767, 32767).astype(np.int16) for name, x in named.items()}


def part_matrix(features: PartFeatures, rows: np.ndarray) -> csr_matrix:
    """The columns: the table row by row, hashed words over the square root of their number, the words before."""
    n, measures = features.bins.shape
    ends = np.arange(n + 1) * measures
    shape = (n, ROWS * BINS)
    own = csr_matrix((np.ones(n * measures), (features.bins + features.kinds[:, None] * BINS).ravel(), ends), shape)
    shared = csr_matrix((np.ones(n * measures), (features.bins + KINDS * BINS).ravel(), ends), shape)
    words = _hashed(*features.words, BUCKETS)
    before = _hashed(*features.words_before, WORDS_BEFORE)
    return hstack([own + shared, words, before], format="csr")[rows]


def _hashed(buckets: IntArray | TokenArray, starts: IntArray, width: int) -> csr_matrix:
    pointers = np.append(starts, len(buckets))
    lengths = np.diff(pointers)
    values = np.repeat(1 / np.sqrt(np.maximum(lengths, 1)), lengths)
    out = csr_matrix((values, buckets, pointers), (len(starts), width))
    out.sum_duplicates()
    return out


def choose_thresholds(data: LabelledParts, probabilities: np.ndarray, sites: Sequence[str]) -> np.ndarray:
    """For each kind, the lowest probability at which its parts are precise enough; `sites` are those of the pages."""
    number = {site: place for place, site in enumerate(dict.fromkeys(sites))}
    of_page = np.array([number[site] for site in sites], np.int64)
    out = np.full(KINDS, NEVER, np.float32)
    for kind in range(KINDS):
        for threshold in np.arange(LOWEST_THRESHOLD, 0.96, 0.05).round(2).tolist():
            some = (data.features.kinds == kind) & (probabilities >= threshold)
            places = of_page[data.pages[some]]
            found, taken = (np.bincount(places, column[some], len(number)) for column in (data.marked, data.visible))
            share = np.minimum(1, MOST_OF_A_SITE / np.maximum(taken, 1))
            right, all_taken = float(found @ share), float(taken @ share)
            if right >= max(LEAST_FOUND, LEAST_PRECISION * all_taken):
                out[kind] = threshold
                break
    return out


def found_and_lost(data: LabelledParts, probabilities: np.ndarray, thresholds: np.ndarray) -> tuple[IntArray, IntArray]:
    """By page, the visible characters of noise and of content that removal from these probabilities on takes."""
    found, lost = (np.zeros(int(data.pages.max(initial=-1)) + 1, np.int64) for _ in range(2))
    noisy = np.flatnonzero(probabilities >= thresholds[data.features.kinds])
    pages = data.pages[noisy]
    of_place = {(int(data.pages[i]), data.parts[i]): i for i in noisy.tolist()}
    for page in np.unique(pages).tolist():
        members = noisy[pages == page].tolist()
        for taken in chosen((data.parts[i], float(probabilities[i])) for i in members).values():
            for part in taken:
                place = of_place[page, part]
                found[page] += data.marked[place]
                lost[page] += data.visible[place] - data.marked[place]
    return found, lost
