"""The two dialects of the ProX models (arXiv 2409.17115, table 1 and appendix A).

Both number lines from 0 over the whole document, as this project does.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from prox.errors import UsageError
from prox.program.calls import Signature, parse_calls
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


PROX_DOCUMENT = ProxDialect(
    "prox-document", "keep_doc()", {"drop_doc": DROP, "keep_doc": KEEP}, (DropDocument, KeepDocument)
)

PROX_CHUNK = ProxDialect(
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
