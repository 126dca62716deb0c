"""Pages as other sites, crawlers, extractors and languages might have left them, so that the tagger meets more of them.

What is learned from a page is what recurs on other pages. So a page may stand in the menus and footers of another one
of its kind, be cut, be partly cleaned, lose its bullets or its capitals, or be written in letters that nobody knows:
from the last one, the network learns what a line's shape and place say where it knows no word.
"""

import random
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np

from prox.adapt.labels import LabelledPage
from prox.adapt.tagger.strange_content import with_strange_content

FRAMED = 0.3
"""Chance of each end of a page that its frame is another page's."""

FRAME_LINES = range(3, 401)
"""Lines of a frame that is worth having: a block of noise before the first or behind the last content line."""

MOST_FRAMES = 2000
"""Frames of a kind that are kept in memory."""

FOREIGN = 0.03
"""Chance of a page to be put into letters without case, and again to be put into letters without spaces."""

Kind: TypeAlias = tuple[str, str, bool]
"""Source, language, and whether a frame is the upper one: sources differ in what they label, so they do not mix."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Consecutive lines with their labels, none of them content."""

    lines: list[str]
    labels: np.ndarray


@dataclass(frozen=True, slots=True)
class Frames:
    """What stands around the content of pages, by kind."""

    of_kind: dict[Kind, list[Frame]] = field(default_factory=dict)


def collect_frames(pages: Sequence[LabelledPage]) -> Frames:
    """The frames of all pages; of a kind with very many, those of the first pages."""
    of_kind: dict[Kind, list[Frame]] = defaultdict(list)
    for page in pages:
        first, end = _content(page.labels)
        lines = page.text.split("\n")
        for upper, span in ((True, slice(0, first)), (False, slice(end, None))):
            known = of_kind[page.source, page.language, upper]
            if end and len(lines[span]) in FRAME_LINES and len(known) < MOST_FRAMES:
                known.append(Frame(lines[span], page.labels[span]))
    return Frames(dict(of_kind))


def _is_content(labels: np.ndarray) -> np.ndarray:
    """Also where a second opinion has made labels less than certain."""
    content: np.ndarray = (labels >= 0) & (labels < 0.5)
    return content


def _content(labels: np.ndarray) -> tuple[int, int]:
    """Where the content begins and ends; twice 0 where there is none."""
    content = np.flatnonzero(_is_content(labels))
    return (int(content[0]), int(content[-1]) + 1) if len(content) else (0, 0)


def augmented(page: LabelledPage, frames: Frames, chance: random.Random) -> LabelledPage:
    """A page in another shape, with labels for its lines; what is marked inside lines is gone."""
    frame = _reframed(page, frames, chance)
    frame = Frame(*with_strange_content(frame.lines, frame.labels, _is_content(frame.labels), chance))
    keep = _kept(frame.labels, chance)
    texts = [line for line, kept in zip(frame.lines, keep, strict=True) if kept]
    if chance.random() < 0.3:
        texts = [line.removeprefix("• ") for line in texts]
    if chance.random() < 0.03:
        texts = [line.lower() for line in texts]
    text = "\n".join(texts)
    script = chance.random()
    if script < FOREIGN:
        text = without_case(text)
    elif script < 2 * FOREIGN:
        text = without_spaces(text)
    return replace(page, text=text, labels=frame.labels[keep], titles=(), partials=())


def _reframed(page: LabelledPage, frames: Frames, chance: random.Random) -> Frame:
    lines, labels = page.text.split("\n"), page.labels
    first, end = _content(labels)
    if not end:
        return Frame(lines, labels)
    parts = [Frame(lines[span], labels[span]) for span in (slice(0, first), slice(first, end), slice(end, None))]
    for place, upper in ((0, True), (2, False)):
        known = frames.of_kind.get((page.source, page.language, upper))
        if known and chance.random() < FRAMED:
            parts[place] = chance.choice(known)
    return Frame([line for part in parts for line in part.lines], np.concatenate([part.labels for part in parts]))


def _kept(labels: np.ndarray, chance: random.Random) -> np.ndarray:
    """Which lines stay: all, a stretch of them, or those that another extractor might have left."""
    keep = np.ones(len(labels), bool)
    kind = chance.random()
    if kind < 0.12 and len(labels) > 8:
        length = chance.randint(len(labels) // 4, len(labels))
        first = chance.randint(0, len(labels) - length)
        keep[:] = False
        keep[first : first + length] = True
    elif kind < 0.27:
        # Most noise is gone already, some of it in whole blocks.
        share = chance.random()
        block = chance.choice((1, 3, 10))
        for first in range(0, len(labels), block):
            if chance.random() < share:
                span = slice(first, first + block)
                keep[span] &= _is_content(labels[span])
    if not keep.any():
        keep[:] = True
    return keep


_WORD = re.compile(r"[^\W\d_]+")
_HEBREW, _HAN = (0x5D0, 27), (0x3400, 0x19B0)  # first letter, letters; these ideographs are in no common text
_BETWEEN_HAN = re.compile(r"(?<=[\u3400-\u4dbf]) (?=[\u3400-\u4dbf])")
_BEHIND_HAN = re.compile(r"(?<=[\u3400-\u4dbf])([.,?!:]) ?")
_FULL_WIDTH = {".": "。", ",": "，", "?": "？", "!": "！", ":": "："}


def without_case(text: str) -> str:
    """Every letter as one of a script without capitals, the same letter the same everywhere.

    >>> without_case("Go! go")
    'צד! צד'
    """
    first, count = _HEBREW
    return _WORD.sub(lambda word: "".join(chr(first + ord(c) % count) for c in word[0].lower()), text)


def without_spaces(text: str) -> str:
    """Every word as some ideographs, the same word the same everywhere, and what stands between them as in Chinese.

    >>> without_spaces("One two, one two. [1]") == without_spaces("ONE two, one TWO. [1]")
    True
    """
    first, count = _HAN

    def ideographs(word: re.Match[str]) -> str:
        letters = word[0].lower()
        return "".join(
            chr(first + sum(ord(c) * 31**i for i, c in enumerate(letters[place : place + 3])) % count)
            for place in range(0, len(letters), 3)
        )

    text = _BETWEEN_HAN.sub("", _WORD.sub(ideographs, text))
    return _BEHIND_HAN.sub(lambda sign: _FULL_WIDTH[sign[1]], text)
