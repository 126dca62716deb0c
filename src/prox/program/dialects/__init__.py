"""The text forms in which model families write programs."""

from typing import Protocol

from prox.errors import UsageError
from prox.program.dialects.prox import PROX_CHUNK, PROX_DOCUMENT
from prox.program.operations import Program, Scope

__all__ = ["DIALECTS", "PROX_CHUNK", "PROX_DOCUMENT", "Dialect", "get_dialect"]


class Dialect(Protocol):
    """One text form of programs.

    `parse` is total: any text gives a program and located errors. `render` gives a text that `parse` reads back to the
    same operations; it raises `UsageError` for an operation that the dialect cannot say.
    """

    @property
    def name(self) -> str: ...

    def parse(self, text: str, scope: Scope | None = None) -> Program: ...

    def render(self, program: Program) -> str: ...


DIALECTS: dict[str, Dialect] = {dialect.name: dialect for dialect in (PROX_DOCUMENT, PROX_CHUNK)}


def get_dialect(name: str) -> Dialect:
    """Find a dialect by its name.

    >>> get_dialect("prox-chunk").parse("remove_lines(0, 2)").operations
    (RemoveLines(first=0, last=2),)
    """
    try:
        return DIALECTS[name]
    except KeyError:
        raise UsageError(f"no dialect is called {name!r}; choose one of {', '.join(DIALECTS)}") from None
