"""Failures of programs by kind, so that those of many programs can be counted.

Published kinds are repeated output, empty output, and a source string that is not in the text (ProX, appendix).
"""

import re

from prox.program import Outcome
from prox.refiners.draft import Draft
from prox.runs.rows import reason_kind
from prox.runs.stages import QUARANTINE

LONGEST = 60
"""Characters of a kind that has no name here; what a server says can be long."""

_KINDS = (
    (r"empty output", "empty output"),
    (r"cut off|never closes", "cut off"),
    (r"repeats itself", "repeated output"),
    (r"is no program|text that is not a call|answers something else", "no program"),
    (r"is not an operation of", "unknown operation"),
    (r"\(\) (has|lacks) |must be a |is given twice|the arguments of ", "wrong arguments"),
    (r"source is not in its lines?$", "source string not in the text"),
    (r"^source occurs ", "source string not unique in its line"),
    (r"line number|line after last|beyond the last line|^outside the lines", "lines out of bounds"),
    (r"only deletions are allowed", "more than a deletion"),
    (r"is ignored$", "too many errors"),
)


def failure_kind(message: str) -> str:
    """The kind of a parse error, of a rejected operation or of a draft's error.

    >>> failure_kind("beyond the last line of the document, 12"), failure_kind("quarantine: no stored program: 7")
    ('lines out of bounds', 'no stored program')
    """
    told = message.removeprefix(QUARANTINE).partition(":")[0]  # behind it may stand what the model wrote
    for sign, kind in _KINDS:
        if re.search(sign, told):
            return kind
    return reason_kind(told).strip()[:LONGEST].encode(errors="replace").decode() or "other"


def failure_kinds(outcome: Outcome, draft: Draft) -> set[str]:
    """All that is wrong with one program: executed alone, and as its refiner wrote it; empty for a sound one."""
    messages = [error.message for error in outcome.errors]
    messages += [each.reason for each in outcome.rejected]
    messages += draft.errors
    messages += [each.rpartition(": ")[2] for each in draft.rejected]  # what stands before it is the operation
    return set(map(failure_kind, messages))
