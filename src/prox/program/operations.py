"""The operations, and the program that is made of them."""

from dataclasses import dataclass
from typing import TypeAlias

from prox.program.calls import Parameter, ParseError, Signature, parse_calls, quote, write_number

__all__ = [
    "DropDocument",
    "InsertLine",
    "KeepDocument",
    "Operation",
    "ParseError",
    "Program",
    "RemoveLines",
    "Replace",
    "ReplaceOnce",
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


@dataclass(frozen=True, slots=True)
class ReplaceOnce:
    r"""Replace `source` by `target` in one line, in which it occurs exactly once (RefineX, UltraX).

    `line` counts like the lines of `RemoveLines`. Occurrences are counted in the line as it is before the first
    operation of the same program. A source has no `\n`.
    """

    line: int
    source: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class InsertLine:
    """Add a line behind line `after`, which counts like those of `RemoveLines`; -1 is before the first line (UltraX).

    Several behind one line are ordered by `place`, then as they were written. They get no number, and they stay where
    they are if the line they stand behind is removed.
    """

    after: int
    text: str
    place: int = 0


Operation: TypeAlias = DropDocument | KeepDocument | RemoveLines | Replace | ReplaceOnce | InsertLine


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

        RefineX and UltraX have dialects of their own (`get_dialect`), because the latter counts lines from 1.

        >>> program = Program.parse('remove_lines(line_start=3, line_end=5)\nnormalize("Share (12)")')
        >>> program.operations
        (RemoveLines(first=3, last=5), Replace(source='Share (12)', target='', first=None, last=None))
        >>> Program.parse('replace_str(3, "teh", "the")\nadd_line(line_after=-1, text="Title")').operations
        (ReplaceOnce(line=3, source='teh', target='the'), InsertLine(after=-1, text='Title', place=0))
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
        case RemoveLines(first, last):
            return f"remove_lines(line_start={write_number(first)}, line_end={write_number(last)})"
        case KeepDocument():
            return "keep_doc()"
        case DropDocument():
            return "drop_doc()"
        case Replace(source, target, start, end):
            bounds = "" if start is None else f", line_start={write_number(start)}"
            bounds += "" if end is None else f", line_end={write_number(end)}"
            return f"normalize(source_str={quote(source)}, target_str={quote(target)}{bounds})"
        case ReplaceOnce(line, source, target):
            return f"replace_str(line={write_number(line)}, source_str={quote(source)}, target_str={quote(target)})"
        case InsertLine(after, text, place):
            return f"add_line(line_after={write_number(after)}, place={write_number(place)}, text={quote(text)})"


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
REPLACE_ONCE: Signature[Operation] = Signature(ReplaceOnce, (Parameter(("line",), int), SOURCE, TARGET))
INSERT_LINE: Signature[Operation] = Signature(
    lambda after, place, text: InsertLine(after, text, place),
    (Parameter(("line_after",), int), Parameter(("place",), int, 0, required=False), Parameter(("text",), str)),
)

CANONICAL = {
    "drop_doc": DROP,
    "keep_doc": KEEP,
    "keep_chunk": KEEP,
    "untouch_doc": KEEP,
    "remove_lines": REMOVE_LINES,
    "normalize": REPLACE,
    "replace_str": REPLACE_ONCE,
    "add_line": INSERT_LINE,
}
