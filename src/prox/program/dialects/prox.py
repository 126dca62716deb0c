"""The two dialects of the ProX models (arXiv 2409.17115, table 1 and appendix A).

Both number lines from 0 over the whole document, as this project does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prox.document import join_lines, split_lines
from prox.errors import UsageError
from prox.program.calls import Signature, parse_calls
from prox.program.dialects import grammars
from prox.program.dialects.numbering import in_brackets, shown
from prox.program.operations import (
    DROP,
    KEEP,
    REMOVE_LINES,
    SOURCE,
    TARGET,
    DropDocument,
    KeepDocument,
    Operation,
    Program,
    RemoveLines,
    Replace,
    Scope,
    render_operation,
)


@dataclass(frozen=True, slots=True)
class ProxDialect:
    """A set of ProX calls; `keep` is the call it writes for `KeepDocument`."""

    name: str
    keep: str
    calls: Mapping[str, Signature[Operation]]
    operations: tuple[type, ...]

    def parse(self, text: str, scope: Scope | None = None) -> Program:
        operations, errors = parse_calls(text, self.calls, self.name)
        return Program(tuple(operations), tuple(errors), scope)

    def render(self, program: Program) -> str:
        return "\n".join([self._render(operation) for operation in program.operations])

    def _render(self, operation: Operation) -> str:
        bounded = isinstance(operation, Replace) and (operation.first is not None or operation.last is not None)
        if bounded or not isinstance(operation, self.operations):
            raise UsageError(f"{self.name} cannot say {render_operation(operation)}; store it in the canonical form")
        return self.keep if isinstance(operation, KeepDocument) else render_operation(operation)


@dataclass(frozen=True, slots=True)
class ProxDocumentDialect(ProxDialect):
    """Whole documents, without numbers: drop or keep."""

    def number(self, lines: Sequence[str], first_line: int) -> str:
        return join_lines(lines)

    def grammar(self, text: str, first_line: int = 0, deletions_only: bool = False) -> str:
        return 'start: "drop_doc()" | "keep_doc()"'


@dataclass(frozen=True, slots=True)
class ProxChunkDialect(ProxDialect):
    """Chunks of numbered lines: remove lines, replace strings, or keep."""

    def number(self, lines: Sequence[str], first_line: int) -> str:
        return in_brackets(lines, first_line)

    def grammar(self, text: str, first_line: int = 0, deletions_only: bool = False) -> str:
        lines = split_lines(text)
        remove = grammars.ranges(first_line, first_line + len(lines) - 1, "remove_lines(line_start=", ", line_end=")
        calls, terminals = ["REMOVE"], [f"REMOVE: {remove}"]
        sources = [line for line in map(shown, lines) if line]
        if sources:
            calls.append(r'"normalize(source_str=\"" SOURCE "\", target_str=" TARGET ")"')
            terminals += [
                grammars.pieces("SOURCE", sources),
                "TARGET: " + (r'"\"\""' if deletions_only else grammars.any_text()),
            ]
        return "\n".join([grammars.program([self.keep], calls), *terminals])


PROX_DOCUMENT = ProxDocumentDialect(
    "prox-document", "keep_doc()", {"drop_doc": DROP, "keep_doc": KEEP}, (DropDocument, KeepDocument)
)

PROX_CHUNK = ProxChunkDialect(
    "prox-chunk",
    "keep_chunk()",
    {
        "remove_lines": REMOVE_LINES,
        "normalize": Signature(Replace, (SOURCE, TARGET)),
        "keep_chunk": KEEP,
        "untouch_doc": KEEP,  # the annotation prompts' name for it
    },
    (RemoveLines, Replace, KeepDocument),
)
