"""The operations, and the program that is made of them."""

from dataclasses import dataclass
from typing import TypeAlias

from prox.program.calls import Parameter, ParseError, Signature, parse_calls, quote, write_number

__all__ = [
    "DropDocument",
    "KeepDocument",
    "Operation",
    "ParseError",
    "Program",
    "RemoveLines",
    "Replace",
    "Scope",
]


@dataclass(frozen=True, slots=True)
class DropDocument:
    """Drop the whole document."""


@dataclass(frozen=True, slots=True)
class KeepDocument:
    """Keep what the program was written for as it is."""


@dataclass(frozen=True, slots=True)
class RemoveLines:
    """Remove whole lines `first` to `last`, both included.

    Line numbers count from 0 over the whole document, in the text before any edit (ProX, table 1).
    """

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Replace:
    r"""Replace every occurrence of `source` by `target`, from left to right (ProX, table 1: `normalize`).

    It acts on lines `first` to `last`, both included and counted like those of `RemoveLines`; `None` leaves the bound
    to the program's scope, or to the document where there is none. A source with `\n` may span lines.
    """

    source: str
    target: str = ""
    first: int | None = None
    last: int | None = None


Operation: TypeAlias = DropDocument | KeepDocument | RemoveLines | Replace


@dataclass(frozen=True, slots=True)
class Scope:
    """The lines, `first` to `last`, both included and from 0 over the document, that a program was written for."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Program:
    """The operations for one document or chunk.

    Attributes:
        operations: In the order in which they were written.
        errors: Where the text it was read from is not a program; each counts as one erroneous operation.
        scope: What its operations may touch; `None` is the whole document.
    """

    operations: tuple[Operation, ...] = ()
    errors: tuple[ParseError, ...] = ()
    scope: Scope | None = None

    @classmethod
    def parse(cls, text: str, scope: Scope | None = None) -> "Program":
        r"""Read the canonical form, and with it everything that the ProX dialects accept; never raises.

        >>> program = Program.parse('remove_lines(line_start=3, line_end=5)\nnormalize("Share (12)")')
        >>> program.operations
        (RemoveLines(first=3, last=5), Replace(source='Share (12)', target='', first=None, last=None))
        >>> Program.parse("drop").errors
        (ParseError(offset=0, line=0, message='text that is not a call', snippet='drop'),)
        """
        operations, errors = parse_calls(text, CANONICAL, "this language")
        return cls(tuple(operations), tuple(errors), scope)

    def render(self) -> str:
        r"""Write the canonical form: one operation a line, UTF-8 encodable, one text for one list of operations.

        `Program.parse` gives the same operations back; errors and scope are not part of the text. Line numbers beyond
        `calls.FAR` are written as that number.

        >>> print(Program((RemoveLines(3, 5), Replace('say "hi"\n', first=0, last=9))))
        remove_lines(line_start=3, line_end=5)
        normalize(source_str="say \"hi\"\n", target_str="", line_start=0, line_end=9)
        """
        return "\n".join([render_operation(operation) for operation in self.operations])

    def __str__(self) -> str:
        return self.render()


def render_operation(operation: Operation) -> str:
    """Write one operation in the canonical form."""
    match operation:
        case DropDocument():
            return "drop_doc()"
        case KeepDocument():
            return "keep_doc()"
        case RemoveLines(first, last):
            return f"remove_lines(line_start={write_number(first)}, line_end={write_number(last)})"
        case Replace(source, target, start, end):
            bounds = "" if start is None else f", line_start={write_number(start)}"
            bounds += "" if end is None else f", line_end={write_number(end)}"
            return f"normalize(source_str={quote(source)}, target_str={quote(target)}{bounds})"


LINE_START = Parameter(("line_start", "start"), int)
LINE_END = Parameter(("line_end", "end"), int)
SOURCE = Parameter(("source_str",), str)
TARGET = Parameter(("target_str",), str, "", required=False)

DROP: Signature[Operation] = Signature(DropDocument)
KEEP: Signature[Operation] = Signature(KeepDocument)
REMOVE_LINES: Signature[Operation] = Signature(RemoveLines, (LINE_START, LINE_END))
REPLACE: Signature[Operation] = Signature(
    Replace,
    (
        SOURCE,
        TARGET,
        Parameter(LINE_START.names, int, required=False),
        Parameter(LINE_END.names, int, required=False),
    ),
)

CANONICAL = {
    "drop_doc": DROP,
    "keep_doc": KEEP,
    "keep_chunk": KEEP,
    "untouch_doc": KEEP,
    "remove_lines": REMOVE_LINES,
    "normalize": REPLACE,
}
