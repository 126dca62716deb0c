"""What every refiner shares: the level it works at, the draft it writes, the one method it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from prox.chunking import Chunk, Window
from prox.program import Program


class Level(StrEnum):
    """What a program is about: to keep or drop a whole document, or to edit the lines of a chunk."""

    DOCUMENT = "document"
    CHUNK = "chunk"


@dataclass(frozen=True, slots=True)
class Draft:
    """A program with what its refiner knows about it.

    Attributes:
        program: The operations; empty where the refiner has nothing to say.
        score: Document level: the probability that the document is worth keeping. None where there is none.
        line_scores: The noise probability of each line of the chunk, in percent; None where there is none.
        raw_output: The text that a language model gave; None for refiners that do not generate.
        finish_reason: Why a language model stopped; "" for refiners that do not generate.
        tokens_in: Tokens read by a language model.
        tokens_out: Tokens written by a language model.
        asked: Whether a program was asked for at all; a language model is not asked about blank text, and the second
            refiner of a cascade not about what the first one is sure of.
        rejected: Operations that were left out of the program already, each with the reason.
        words_sent: Of a cascade: the words that its second refiner was asked about; None for other refiners.
        errors: Why no usable program could be written; the document is then left as it was.
        reason: Why the program drops the document, in a word or two; "" for refiners that cannot say.
    """

    program: Program
    score: float | None = None
    line_scores: bytes | None = None
    raw_output: str | None = None
    finish_reason: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    asked: bool = True
    rejected: tuple[str, ...] = ()
    words_sent: int | None = None
    errors: tuple[str, ...] = ()
    reason: str = ""


class Refiner(Protocol):
    """Writes programs.

    Pure with respect to the corpus: the same chunk gives the same draft, whatever stands beside it in the batch.

    Attributes:
        level: The level of the programs it writes.
        window: How much it reads at once, as a number in words; None if it wants whole documents.
        fingerprint: Changes whenever the same chunk could get another program.
    """

    @property
    def level(self) -> Level: ...

    @property
    def window(self) -> Window | int | None: ...

    @property
    def fingerprint(self) -> str: ...

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]: ...


@runtime_checkable
class DecidesByScore(Protocol):
    """A refiner whose scores decide: below the threshold a document is dropped, or from it on a line is removed.

    It is None at a level at which the refiner gives no scores.
    """

    @property
    def threshold(self) -> float | None: ...
