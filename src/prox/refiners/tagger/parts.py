"""Noisy parts inside lines that stay: "[edit]", "(opens in new window)", "Read more" behind the last sentence.

A part is a stretch that a page template could have put there: something in brackets, or a short tail behind the end of
a sentence. A linear judge over its words, its shape and its line decides; everything else in the line is out of reach.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from prox.refiners.tagger.features import FloatArray, line_features
from prox.refiners.tagger.network import sigmoid

# The look-behind lets a match begin only where white space begins, else a long run of it would take quadratic time.
_BRACKETS = re.compile(r"(?<![ \t\u00a0])[ \t\u00a0]*(?:\[[^\[\]\n]{1,60}\]|\([^()\n]{1,60}\)|【[^【】\n]{1,30}】)")
_TAIL = re.compile(
    r"(?<=[.!?…|»”\"\])。！？])[ \t\u00a0]+[^\s.!?…|»。！？](?:[^.!?…|»。！？\n]|\.(?=[^\s.])){1,70}"
    r"(?:[ \t\u00a0]?(?:…|»|\.\.\.))?$",
    re.MULTILINE,
)
_SQUARE, _ROUND, _END = range(3)

CONTEXT = 24
"""Columns that say where a part stands; the first 31 numeric features of a line (its shape) stand before them."""
SHAPE = 31

_CODE = frozenset("{}[]()<>=;_$\\|")
"""Characters that are frequent in code and formulas: there, brackets belong to the text."""


@dataclass(frozen=True, slots=True)
class Part:
    """Characters `start` to `end` (excluded) of line `line`, counted from 0 in the text that was searched.

    Attributes:
        before: The character before it, "" at the start of the line.
        after: The character behind it, "" at the end of the line.
        code: The share of the other characters of the line that look like code.
    """

    line: int
    start: int
    end: int
    source: str
    kind: int
    line_length: int
    before: str
    after: str
    code: float


@dataclass(frozen=True, slots=True)
class PartWeights:
    """Logistic regression on hashed words and on shape and place.

    Attributes:
        words: (BUCKETS,): weight of each bucket; a part's sum is divided by the square root of its buckets.
        context: (SHAPE + CONTEXT,): weights of shape and place.
        bias: Added to the logit.
        threshold: The probability from which a part is removed.
    """

    words: FloatArray
    context: FloatArray
    bias: float
    threshold: float


def find_parts(lines: Sequence[str]) -> list[Part]:
    """All stretches worth judging, in order, none inside another; a part never is its whole line."""
    text = "\n".join(lines)
    found = [(m.start(), m.end(), _ROUND if m[0][-1] == ")" else _SQUARE) for m in _BRACKETS.finditer(text)]
    found += [(m.start(), m.end(), _END) for m in _TAIL.finditer(text)]
    if not found:
        return []
    found.sort()
    line_starts = np.cumsum([0] + [len(line) + 1 for line in lines])
    of_line = (np.searchsorted(line_starts, [start for start, _, _ in found], side="right") - 1).tolist()
    parts: list[Part] = []
    end_before = line_before = -1
    for (start, end, kind), line in zip(found, of_line, strict=True):
        first = int(line_starts[line])
        source = text[start:end]
        if line != line_before:
            line_before = line
            text_start = first + len(lines[line]) - len(lines[line].lstrip())
            text_end = first + len(lines[line].rstrip())
            code_in_line = _code(lines[line])
        leaves_text = text_start < start or end < text_end
        if start >= end_before and leaves_text and any(map(_visible, source)):
            parts.append(_part(line, start - first, end - first, kind, lines[line], code_in_line))
            end_before = end
    return parts


def _part(number: int, start: int, end: int, kind: int, line: str, code_in_line: int) -> Part:
    source = line[start:end]
    return Part(
        line=number,
        start=start,
        end=end,
        source=source,
        kind=kind,
        line_length=len(line),
        before=line[max(0, start - 1) : start],
        after=line[end : end + 1],
        code=(code_in_line - _code(source)) / (len(line) - len(source)),
    )


def _code(text: str) -> int:
    return sum(map(text.count, _CODE))


def _visible(character: str) -> bool:
    """Whether it makes its line a row of `LineFeatures`; of the characters beyond U+FFFF, some more do."""
    return character != " " and character.isprintable()


def part_features(parts: Sequence[Part], line_noise: FloatArray) -> tuple[FloatArray, np.ndarray, np.ndarray]:
    """Shape and place (n, SHAPE + CONTEXT), and the buckets with their starts as in `LineFeatures`.

    `line_noise` is the noise logit of the line that each part stands in, (n,).
    """
    features = line_features("\n".join(part.source for part in parts))
    out = np.zeros((len(parts), SHAPE + CONTEXT), np.float32)
    out[:, :SHAPE] = features.numeric[:, :SHAPE]
    place = out[:, SHAPE:]
    repeats: dict[str, int] = {}
    for part in parts:
        repeats[part.source.strip()] = repeats.get(part.source.strip(), 0) + 1
    kinds = np.array([part.kind for part in parts])
    starts = np.array([part.start for part in parts])
    ends = np.array([part.end for part in parts])
    lengths = np.array([part.line_length for part in parts])
    place[:, :3] = kinds[:, None] == np.arange(3)
    place[:, 3] = starts == 0
    place[:, 4] = ends == lengths
    place[:, 5] = (ends - starts) / lengths
    place[:, 6] = np.log1p(lengths) / 5
    place[:, 7] = np.clip(line_noise, -8, 8) / 4
    place[:, 8] = np.log1p([repeats[part.source.strip()] - 1 for part in parts])
    place[:, 9] = np.log1p(len(parts)) / 4
    place[:, 10] = place[:, 0] * features.numeric[:, 7] * 3  # digits between square brackets: a reference
    place[:, 11] = starts / lengths
    neighbours = [(*_neighbour(part.before), *_neighbour(part.after)) for part in parts]
    place[:, 12:18] = np.array(neighbours, bool).reshape(-1, 6)
    place[:, 18] = [part.before != "" and not part.source[0].isspace() for part in parts]  # glued to what stands before
    place[:, 19] = np.minimum([part.code for part in parts], 0.25) * 8
    place[:, 20:22] = place[:, :2] * place[:, 19:20]
    place[:, 22] = place[:, 10] * place[:, 19]
    place[:, 23] = place[:, 10] * place[:, 18]
    return out, features.buckets, features.starts


def _neighbour(character: str) -> tuple[bool, bool, bool]:
    """A letter or digit, an end of a sentence or a clause, another visible character."""
    word = character.isalnum()
    clause = character != "" and character in ".!?…。！？,;:，；："
    return word, clause, not (word or clause or character.isspace() or not character)


def part_scores(parts: Sequence[Part], line_noise: FloatArray, weights: PartWeights) -> FloatArray:
    """The probability of each part being noise, (n,)."""
    context, buckets, starts = part_features(parts, line_noise)
    lengths = np.diff(starts, append=len(buckets)).astype(np.float32)
    words = np.add.reduceat(weights.words[buckets], starts) / np.sqrt(lengths)
    return sigmoid(words + context @ weights.context + np.float32(weights.bias))
