r"""The dialect of the UltraX models (arXiv 2607.08646): lines numbered from 1 over the whole document.

Both kinds of quotes are read, and allowed by the grammar: the models write Python's own, `'…'` unless there is a `'` in
the string. A `<think>…</think>` block before the program is no part of it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from prox.document import split_lines
from prox.errors import UsageError
from prox.program.calls import FAR, Parameter, Signature, parse_calls, quote, write_number
from prox.program.dialects import grammars
from prox.program.dialects.numbering import shown
from prox.program.operations import (
    DROP,
    KEEP,
    LINE_END,
    LINE_START,
    DropDocument,
    InsertLine,
    KeepDocument,
    Operation,
    Program,
    RemoveLines,
    ReplaceOnce,
    Scope,
    render_operation,
)

MOST_TWICE = 24_000
"""Characters of a chunk whose strings with quotes are in its grammar twice, once for each kind of quotes.

llguidance 1.7 refuses grammars of more than some 70,000 characters of substrings.
"""


def _from_0(number: int) -> int:
    return number if abs(number) >= FAR else number - 1


def _from_1(number: int) -> str:
    return write_number(number if abs(number) >= FAR else number + 1)


REMOVE_LINES: Signature[Operation] = Signature(
    lambda first, last: RemoveLines(_from_0(first), _from_0(last)), (LINE_START, LINE_END)
)
REPLACE_STR: Signature[Operation] = Signature(
    lambda line, old, new: ReplaceOnce(_from_0(line), old, new),
    (
        Parameter(("line", "line_number"), int),
        Parameter(("old", "old_content", "search_content", "source_str"), str),
        Parameter(("new", "new_content", "replace_content", "target_str"), str),
    ),
)
ADD_LINE: Signature[Operation] = Signature(
    lambda base, place, text: InsertLine(_from_0(base), text, place),
    (
        Parameter(("after_line", "base_position", "line_after"), int),
        Parameter(("sub_index", "place"), int, 0, required=False),
        Parameter(("text", "content"), str),
    ),
)
CALLS = {
    "keep_all": KEEP,
    "remove_all": DROP,
    "remove_lines": REMOVE_LINES,
    "replace_str": REPLACE_STR,
    "add_line": ADD_LINE,
}


@dataclass(frozen=True, slots=True)
class UltraXDialect:
    """`remove_lines(1, 3)`, `replace_str(5, 'teh', 'the')`, `add_line(0, 1, 'Title')`, `keep_all()`, `remove_all()`."""

    name: str = "ultrax"

    def parse(self, text: str, scope: Scope | None = None) -> Program:
        """Read a program; `remove_all()` removes the lines of the scope, and drops the document if there is none."""
        operations, errors = parse_calls(_without_thoughts(text), CALLS, self.name)
        if scope is not None:
            everything = RemoveLines(scope.first, scope.last)
            operations = [everything if operation == DropDocument() else operation for operation in operations]
        return Program(tuple(operations), tuple(errors), scope)

    def render(self, program: Program) -> str:
        return "\n".join([self._render(operation, program.scope) for operation in program.operations])

    def _render(self, operation: Operation, scope: Scope | None) -> str:
        match operation:
            case KeepDocument():
                return "keep_all()"
            case DropDocument() if scope is None:
                return "remove_all()"
            case RemoveLines(first, last):
                return f"remove_lines({_from_1(first)}, {_from_1(last)})"
            case ReplaceOnce(line, source, target):
                return f"replace_str({_from_1(line)}, {quote(source)}, {quote(target)})"
            case InsertLine(after, text, place):
                return f"add_line({_from_1(after)}, {write_number(place)}, {quote(text)})"
            case _:
                raise UsageError(
                    f"{self.name} cannot say {render_operation(operation)}; store it in the canonical form"
                )

    def number(self, lines: Sequence[str], first_line: int) -> str:
        return "\n".join([f"<lid:{number}>{shown(line)}" for number, line in enumerate(lines, first_line + 1)])

    def grammar(self, text: str, first_line: int = 0, deletions_only: bool = False) -> str:
        lines = [shown(line) for line in split_lines(text)]
        first, last = first_line + 1, first_line + len(lines)
        bases = grammars.number_between(first_line and first, last)
        calls = ["REMOVE"]
        if not deletions_only:
            calls.append(f'"add_line(" /{bases}/ ", " /[0-9]|[1-9][0-9]/ ", " TEXT ")"')
        terminals = [
            f"REMOVE: {grammars.ranges(first, last, 'remove_lines(', ', ')}",
            'TEXT: "\\"\\"" | "\'\'"'
            if deletions_only
            else f"TEXT: {grammars.any_text()} | {grammars.any_text(chr(39))}",
        ]
        of_line = []
        for number, line in enumerate(lines, first):
            if line:
                in_quotes, pieces = _pieces(f"OF_{number}", line, len(text) <= MOST_TWICE)
                of_line.append(f"{grammars.literal(f'{number}, ')} ({' | '.join(in_quotes)})")
                terminals += pieces
        if of_line:
            calls.append('OLD ", " TEXT ")"')
            terminals.append(f'OLD: "replace_str(" ({" | ".join(of_line)})')
        return "\n".join([grammars.program(["keep_all()", "remove_all()"], calls), *terminals])


def _pieces(name: str, line: str, twice: bool) -> tuple[list[str], list[str]]:
    """How the strings of a line are written in either kind of quotes, and the terminals that this takes.

    Without a quote in the line they are the same in both. Otherwise, only if they may be written `twice`.
    """
    in_quotes, terminals = [f'"\\"" {name} "\\""'], [grammars.pieces(name, [line])]
    if "'" not in line and '"' not in line:
        in_quotes.append(f'"\'" {name} "\'"')
    elif twice:
        in_quotes.append(f'"\'" {name}_SINGLE "\'"')
        terminals.append(grammars.pieces(f"{name}_SINGLE", [line], "'"))
    return in_quotes, terminals


def _without_thoughts(text: str) -> str:
    """Blank a block at the very beginning, so that errors behind it are located in the text as it is."""
    start = len(text) - len(text.lstrip())
    end = text.find("</think>") if text.startswith("<think>", start) else -1
    if end < 0:
        return text
    end += len("</think>")
    return re.sub(r"[^\n]", " ", text[:end]) + text[end:]


ULTRAX = UltraXDialect()
