"""A training set: examples without repetitions, with a chosen share of untouched chunks, split by site."""

import hashlib
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prox.adapt.labels import LabelledPage
from prox.adapt.language_model.examples import Example, Passed, examples_of
from prox.errors import UsageError
from prox.refiners.language_model.refiner import LanguageModelRefiner

FEWEST_SITES = 20
"""With fewer sites than this, single documents are split, and scores tell less about other sites."""


@dataclass(frozen=True, slots=True)
class Split:
    """Which documents train and which validate.

    Attributes:
        by_site: Whether whole sites were kept apart; otherwise there were too few of them.
    """

    training: list[LabelledPage]
    validation: list[LabelledPage]
    by_site: bool


def split_pages(pages: Sequence[LabelledPage], share: float, most: int, seed: int) -> Split:
    """Keep a share of the sites, or of the documents where there are few sites, for validation.

    Which side a site is on depends on its name and the seed alone, not on what else there is. Of more than `most`
    validation documents, so many are drawn at random; the others train nobody.

    Raises:
        UsageError: The share leaves one side empty.
    """
    if not 0 < share < 1:
        raise UsageError(f"the validation share is {share}; it must be above 0 and below 1")
    by_site = len({page.site for page in pages}) >= FEWEST_SITES
    training: list[LabelledPage] = []
    validation: list[LabelledPage] = []
    for page in pages:
        name = page.site if by_site else page.id
        (validation if _place(name, seed) < share else training).append(page)
    if not training or not validation:
        empty = "training" if not training else "validation"
        raise UsageError(
            f"{len(pages)} labelled documents leave nothing for {empty}: label more, or change --validation-share"
        )
    validation.sort(key=lambda page: (_place(page.id, seed), page.id))
    return Split(training, validation[:most], by_site)


def _place(name: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}\0{name}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Examples to train on, in the order in which they are shown first, and what was left out, by reason."""

    examples: list[Example]
    passed: Counter[str]


def training_set(
    pages: Iterable[LabelledPage],
    writer: LanguageModelRefiner,
    *,
    untouched: float | None = None,
    most: int | None = None,
    seed: int = 0,
) -> TrainingSet:
    """Make the examples of labelled documents.

    Args:
        pages: The documents.
        writer: Cuts them and writes the prompts.
        untouched: The share of examples whose program changes nothing; what is too much is left out, at random. UltraX
            trains on 60 % of them (arXiv 2607.08646). None takes them as they come.
        most: Take no more examples than this, at random.
        seed: Of all that is random.

    Raises:
        UsageError: The share is none.
    """
    if untouched is not None and not 0 <= untouched < 1:
        raise UsageError(f"the share of untouched examples is {untouched}; it must be at least 0 and below 1")
    passed: Counter[str] = Counter()
    seen: set[bytes] = set()
    examples: list[Example] = []
    for page in pages:
        for each in examples_of(page, writer):
            if isinstance(each, Passed):
                passed[each.reason] += 1
                continue
            key = hashlib.sha256(each.prompt.encode("utf-8", "surrogatepass")).digest()
            if key in seen:
                passed["the same prompt again"] += 1
                continue
            seen.add(key)
            examples.append(each)
    chance = random.Random(seed)
    chance.shuffle(examples)
    if untouched is not None:
        examples = _with_share(examples, untouched, passed)
        chance.shuffle(examples)  # what is left over of one kind stands at the end, where `most` would cut it off
    if most is not None and len(examples) > most:
        passed["more examples than wanted"] += len(examples) - most
        examples = examples[:most]
    return TrainingSet(examples, passed)


def _with_share(examples: list[Example], untouched: float, passed: Counter[str]) -> list[Example]:
    """Leave out untouched or touched examples, whichever are too many, from the end of the shuffled list."""
    count = sum(not each.touched for each in examples)
    touched = len(examples) - count
    room = {False: min(count, round(touched * untouched / (1 - untouched))), True: touched}
    if count < room[False] or (untouched > 0 and count / max(1, len(examples)) < untouched):
        room = {False: count, True: min(touched, round(count * (1 - untouched) / untouched))}
    out: list[Example] = []
    for each in examples:
        if room[each.touched] > 0:
            room[each.touched] -= 1
            out.append(each)
        else:
            passed["beyond the wanted share of untouched chunks"] += 1
    return out
