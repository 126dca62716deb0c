"""The text forms in which model families write programs."""

from collections.abc import Sequence
from typing import Protocol

from prox.errors import UsageError
from prox.program.dialects.prox import PROX_CHUNK, PROX_DOCUMENT
from prox.program.dialects.refinex import REFINEX
from prox.program.dialects.ultrax import ULTRAX
from prox.program.operations import Program, Scope

__all__ = ["DIALECTS", "PROX_CHUNK", "PROX_DOCUMENT", "REFINEX", "ULTRAX", "Dialect", "get_dialect"]


class Dialect(Protocol):
    """One text form of programs, and of the lines they are written for.

    `parse` is total: any text gives a program and located errors. `render` gives a text that `parse` reads back to the
    same operations; it raises `UsageError` for an operation that the dialect cannot say.

    `number` shows a model lines that begin with line `first_line` of their document (from 0), joined by line breaks.
    `grammar` allows the programs for such lines that can be carried out, and no other: with lines that are there,
    ranges that end where they start or later, and strings that are in their line. It is in the Lark syntax of
    llguidance, with one spelling for each call.
    """

    @property
    def name(self) -> str: ...

    def parse(self, text: str, scope: Scope | None = None) -> Program: ...

    def render(self, program: Program) -> str: ...

    def number(self, lines: Sequence[str], first_line: int) -> str: ...

    def grammar(self, text: str, first_line: int = 0, deletions_only: bool = False) -> str: ...


DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (PROX_DOCUMENT, PROX_CHUNK, REFINEX, ULTRAX)}


def get_dialect(name: str) -> Dialect:
    """Find a dialect by its name.

    >>> get_dialect("prox-chunk").parse("remove_lines(0, 2)").operations
    (RemoveLines(first=0, last=2),)
    """
    try:
        return DIALECTS[name]
    except KeyError:
        raise UsageError(f"no dialect is called {name!r}; choose one of {', '.join(DIALECTS)}") from None
