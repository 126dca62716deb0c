"""Refine pre-training text by programs: a small model reads a document and writes the edits, an executor applies them.

Everything public is here; the modules below are the house behind it.

>>> import prox
>>> program = prox.Program.parse("remove_lines(0, 0)")
>>> prox.execute("Log in | Sign up\\nThe text.", program, prox.Policy(least_words=0)).text
'The text.'
"""

from prox.document import Document
from prox.errors import ProxError, RunError, UsageError
from prox.program import (
    Distilled,
    DropDocument,
    InsertLine,
    KeepDocument,
    Operation,
    Outcome,
    ParseError,
    Policy,
    Program,
    Refused,
    Rejected,
    RemoveLines,
    Replace,
    ReplaceOnce,
    Scope,
    Terms,
    distill,
    execute,
    get_dialect,
)
from prox.runs.stages import Refined, StageResult
from prox.runs.texts import refine

__all__ = [
    "Distilled",
    "Document",
    "DropDocument",
    "InsertLine",
    "KeepDocument",
    "Operation",
    "Outcome",
    "ParseError",
    "Policy",
    "Program",
    "ProxError",
    "Refined",
    "Refused",
    "Rejected",
    "RemoveLines",
    "Replace",
    "ReplaceOnce",
    "RunError",
    "Scope",
    "StageResult",
    "Terms",
    "UsageError",
    "distill",
    "execute",
    "get_dialect",
    "refine",
]
