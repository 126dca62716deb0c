"""Rules for single lines as refiners: what the tagger is compared with."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from prox.chunking import Chunk
from prox.document import split_lines
from prox.program import Operation, Program
from prox.refiners import Draft, Level
from prox.refiners.tagger.lines import removals


class LineRule:
    """A refiner that removes each line for which a rule says so."""

    level = Level.CHUNK
    window = None

    def __init__(self, name: str, is_noise: Callable[[str], bool]) -> None:
        self.fingerprint = name
        self._is_noise = is_noise

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]:
        return [Draft(Program(self._removals(chunk))) for chunk in chunks]

    def _removals(self, chunk: Chunk) -> tuple[Operation, ...]:
        noise = np.array([self._is_noise(line) for line in split_lines(chunk.text)])
        return tuple(removals(noise, chunk.first_line))


_CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
_C4_PHRASES = (
    "lorem ipsum",
    "javascript",
    "terms of use",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
)


def c4_removes(line: str) -> bool:
    """The rules of C4 for a line, as datatrove has them; no sentence of Chinese or Japanese passes them."""
    words = line.split()
    text = _CITATION.sub("", line.strip())
    return (
        not text.endswith((".", "?", "!", '"', "'"))
        or text.endswith("...")
        or len(words) < 3
        or any(len(word) > 1000 for word in words)
        or any(phrase in text.lower() for phrase in _C4_PHRASES)
    )


RULES = {
    "c4_rules": LineRule("c4_rules", c4_removes),
    "remove_everything": LineRule("remove_everything", lambda line: True),
}
