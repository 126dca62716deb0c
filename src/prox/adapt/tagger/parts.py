"""Train the tagger's judge of noisy parts inside lines.

Gold marks few such parts, and most of their words on one site only. So the judge also learns from made ones: short
lines that are noise on several sites ("Read more", "Back to top") are glued to the ends of content lines, as templates
do where a page is dumped without its line breaks.
"""

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix, hstack, vstack
from sklearn.linear_model import LogisticRegression

from prox.adapt.labels import NEUTRAL, LabelledPage
from prox.adapt.tagger.documents import LineLogits
from prox.refiners.tagger.features import BUCKETS, FloatArray, line_features
from prox.refiners.tagger.network import sigmoid
from prox.refiners.tagger.parts import Part, find_parts, part_features

MOST_LOST = 0.00015
"""The share of content characters that the removed parts of the development sites may take with them."""

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


def glued(page: LabelledPage, phrases: Sequence[Phrase], chance: random.Random) -> LabelledPage | None:
    """The page with phrases at the ends of some content lines, marked as its only partial noise; None without any."""
    lines = page.text.split("\n")
    ends = [
        number
        for number, (line, label) in enumerate(zip(lines, page.labels.tolist(), strict=True))
        if label == 0 and line.rstrip().endswith(tuple(".!?。！？")) and len(line.split()) >= SHORTEST_LINE
    ]
    # Phrases of several words are the typical ones; a frequent phrase is not as frequent as the sites that have it.
    weights = [phrase.sites**0.5 * (1 if " " in phrase.text else 0.35) for phrase in phrases]
    partials = []
    for number in chance.sample(ends, min(len(ends), GLUED_LINES)):
        (phrase,) = chance.choices(phrases, weights)
        (form,) = chance.choices(list(_FORMS), list(_FORMS.values()))
        line = lines[number].rstrip()
        lines[number] = line + form.format(phrase.text)
        partials.append((number, len(line), len(lines[number])))
    return replace(page, text="\n".join(lines), partials=tuple(partials)) if partials else None


@dataclass(frozen=True, slots=True)
class LabelledParts:
    """Parts of content lines, with the noise logit of their lines; noise is 1 where the gold marks the part."""

    parts: list[Part]
    logits: FloatArray
    noise: np.ndarray
    groups: np.ndarray  # page number


def training_parts(pages: Sequence[LabelledPage], logits_of: LineLogits, seed: int) -> LabelledParts:
    """The parts of the pages, and those that phrases make in them."""
    chance = random.Random(seed)
    phrases = noise_phrases(pages)
    real = labelled_parts(pages, logits_of)
    if not phrases:
        return real
    made = labelled_parts([page for page in (glued(page, phrases, chance) for page in pages) if page], logits_of)
    noise = made.noise == 1  # the other parts of these pages are among the real ones
    return LabelledParts(
        real.parts + [part for part, is_noise in zip(made.parts, noise, strict=True) if is_noise],
        np.concatenate([real.logits, made.logits[noise]]),
        np.concatenate([real.noise, made.noise[noise]]),
        np.concatenate([real.groups, made.groups[noise] + len(pages)]),
    )


def labelled_parts(pages: Sequence[LabelledPage], logits_of: LineLogits) -> LabelledParts:
    """All parts of content lines, but those that the gold marks in part or is not sure of."""
    parts: list[Part] = []
    logits: list[np.ndarray] = []
    noise: list[int] = []
    groups: list[int] = []
    for number, page in enumerate(pages):
        features = line_features(page.text)
        content = page.labels[features.rows] == 0
        lines = page.text.split("\n")
        numbers = features.rows[content]
        found = find_parts([lines[line] for line in numbers.tolist()])
        if not found:
            continue
        line_logits = logits_of(features)[content]
        marked = {(line, i) for line, start, end in page.partials for i in range(start, end)}
        for part in found:
            line = int(numbers[part.line])
            if line in page.unsure_lines:
                continue
            stripped = range(part.start + len(part.source) - len(part.source.lstrip()), part.end)
            covered = sum((line, i) in marked for i in stripped) / len(stripped)
            if 0.2 < covered < 0.8:
                continue
            parts.append(part)
            logits.append(line_logits[part.line : part.line + 1])
            noise.append(int(covered >= 0.8))
            groups.append(number)
    empty = np.zeros(0, np.float32)
    return LabelledParts(parts, np.concatenate([empty, *logits]), np.array(noise, np.int64), np.array(groups, np.int64))


def train_parts(data: LabelledParts, strength: float = 1.0) -> dict[str, np.ndarray]:
    """Weights without a threshold; parts are judged page by page because repeats on the page are a feature.

    There must be parts of both kinds.
    """
    x = part_matrix(data)
    judge = LogisticRegression(C=strength, max_iter=2000).fit(x, data.noise)
    weights = judge.coef_[0].astype(np.float32)
    return {
        "parts.words": weights[:BUCKETS].astype(np.float16),
        "parts.context": weights[BUCKETS:],
        "parts.bias": judge.intercept_.astype(np.float32)[0],
    }


def part_matrix(data: LabelledParts) -> csr_matrix:
    """Hashed words over the square root of their number, then shape and place."""
    blocks, contexts = [], []
    for group in np.unique(data.groups):
        chosen = np.flatnonzero(data.groups == group)
        context, buckets, starts = part_features([data.parts[i] for i in chosen], data.logits[chosen])
        lengths = np.diff(starts, append=len(buckets))
        values = np.repeat(1 / np.sqrt(lengths), lengths)
        pointers = np.append(starts, len(buckets))
        block = csr_matrix((values, buckets, pointers), shape=(len(chosen), BUCKETS))
        block.sum_duplicates()
        blocks.append(block)
        contexts.append(context)
    return hstack([vstack(blocks), csr_matrix(np.concatenate(contexts))], format="csr")


def choose_threshold(data: LabelledParts, arrays: dict[str, np.ndarray], content_characters: int) -> float:
    """The lowest probability, from one half on, at which removing parts loses at most `MOST_LOST` of the content."""
    weights = np.concatenate([arrays["parts.words"].astype(np.float32), arrays["parts.context"]])
    probabilities = sigmoid(part_matrix(data) @ weights + arrays["parts.bias"])
    lengths = np.array([len(part.source) for part in data.parts])
    wrong = data.noise == 0
    for threshold in np.arange(0.5, 1, 0.01):
        if lengths[wrong & (probabilities >= threshold)].sum() <= MOST_LOST * content_characters:
            break
    return round(float(threshold), 2)
