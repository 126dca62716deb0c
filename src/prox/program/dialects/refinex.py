"""The dialect of the RefineX models (arXiv 2507.03253): lines numbered from 0, deletions only."""

from collections.abc import Sequence
from dataclasses import dataclass

from prox.document import split_lines
from prox.errors import UsageError
from prox.program.calls import Parameter, Signature, parse_calls, quote, write_number
from prox.program.dialects import grammars
from prox.program.dialects.numbering import in_brackets, shown
from prox.program.operations import (
    KEEP,
    REMOVE_LINES,
    KeepDocument,
    Operation,
    Program,
    RemoveLines,
    ReplaceOnce,
    Scope,
    render_operation,
)

REMOVE_STR: Signature[Operation] = Signature(
    ReplaceOnce, (Parameter(("line", "line_number"), int), Parameter(("source_str", "text", "content", "old"), str))
)
CALLS = {"keep_all": KEEP, "remove_lines": REMOVE_LINES, "remove_str": REMOVE_STR}


@dataclass(frozen=True, slots=True)
class RefineXDialect:
    """`remove_lines(0, 2)`, `remove_str(4, "Share (12)")`, `keep_all()`."""

    name: str = "refinex"

    def parse(self, text: str, scope: Scope | None = None) -> Program:
        operations, errors = parse_calls(text, CALLS, self.name)
        return Program(tuple(operations), tuple(errors), scope)

    def render(self, program: Program) -> str:
        return "\n".join([self._render(operation) for operation in program.operations])

    def _render(self, operation: Operation) -> str:
        match operation:
            case KeepDocument():
                return "keep_all()"
            case RemoveLines(first, last):
                return f"remove_lines({write_number(first)}, {write_number(last)})"
            case ReplaceOnce(line, source, ""):
                return f"remove_str({write_number(line)}, {quote(source)})"
            case _:
                raise UsageError(
                    f"{self.name} cannot say {render_operation(operation)}; store it in the canonical form"
                )

    def number(self, lines: Sequence[str], first_line: int) -> str:
        return in_brackets(lines, first_line)

    def grammar(self, text: str, first_line: int = 0, deletions_only: bool = False) -> str:
        lines = [shown(line) for line in split_lines(text)]
        calls = ["REMOVE"]
        terminals = [f"REMOVE: {grammars.ranges(first_line, first_line + len(lines) - 1, 'remove_lines(', ', ')}"]
        of_line = []
        for number, line in enumerate(lines, first_line):
            if line:
                of_line.append(rf'"{number}, \"" OF_{number}')
                terminals.append(grammars.pieces(f"OF_{number}", [line]))
        if of_line:
            calls.append("REMOVE_STR")
            terminals.append(rf'REMOVE_STR: "remove_str(" ({" | ".join(of_line)}) "\")"')
        return "\n".join([grammars.program(["keep_all()"], calls), *terminals])


REFINEX = RefineXDialect()
