"""The language of edits: operations, programs, their dialects, and the one executor. Standard library only."""

from prox.program.dialects import PROX_CHUNK, PROX_DOCUMENT, REFINEX, ULTRAX, Dialect, get_dialect
from prox.program.distill import Distilled, Refused, Terms, distill
from prox.program.executor import Outcome, Rejected, execute
from prox.program.metrics import (
    Counts,
    DocumentScore,
    auc,
    content_counts,
    document_score,
    failure_ratio,
    line_counts,
    macro_f1,
    mean_calls,
)
from prox.program.operations import (
    DropDocument,
    InsertLine,
    KeepDocument,
    Operation,
    ParseError,
    Program,
    RemoveLines,
    Replace,
    ReplaceOnce,
    Scope,
)
from prox.program.policy import Policy, count_words

__all__ = [
    "PROX_CHUNK",
    "PROX_DOCUMENT",
    "REFINEX",
    "ULTRAX",
    "Counts",
    "Dialect",
    "Distilled",
    "DocumentScore",
    "DropDocument",
    "InsertLine",
    "KeepDocument",
    "Operation",
    "Outcome",
    "ParseError",
    "Policy",
    "Program",
    "Refused",
    "Rejected",
    "RemoveLines",
    "Replace",
    "ReplaceOnce",
    "Scope",
    "Terms",
    "auc",
    "content_counts",
    "count_words",
    "distill",
    "document_score",
    "execute",
    "failure_ratio",
    "get_dialect",
    "line_counts",
    "macro_f1",
    "mean_calls",
]
