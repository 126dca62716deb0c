"""Programs of a strong model, checked and limited: it deletes more than it should."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from prox.chunking import Chunk
from prox.document import join_lines, split_lines
from prox.program import (
    KeepDocument,
    Operation,
    Policy,
    Program,
    RemoveLines,
    Replace,
    ReplaceOnce,
    count_words,
    execute,
)

CHECKING = Policy(errors_allowed=None, least_share=None, least_words=None)
"""Deletions only. Errors are judged here, not by the executor."""


@dataclass(frozen=True, slots=True)
class Checked:
    """A program for a chunk that can be carried out.

    Attributes:
        program: What is effectively done. Lines count from 0 over the chunk.
        removed: The share of the chunk's words that it removes.
        rejected: Why operations were left out, one reason each.
        trimmed: It removed too much, so that only head and tail are left of it.
    """

    program: Program
    removed: float
    rejected: tuple[str, ...] = ()
    trimmed: bool = False


def checked(chunk: Chunk, programs: Sequence[Program]) -> Checked:
    """Carry out programs on a chunk, all together; their lines count from 0 over the document."""
    own = [Program(tuple([moved(operation, -chunk.first_line) for operation in each.operations])) for each in programs]
    outcome = execute(chunk.text, own, CHECKING)
    left = outcome.text or ""
    return Checked(
        _without_vain_replacements(chunk.text, outcome.program),
        _share_removed(chunk.text, left),
        tuple([each.reason for each in outcome.rejected]),
    )


def trimmed(chunk: Chunk, whole: Checked) -> Checked | None:
    """What a program removes at the head and at the tail of its chunk, and no more; None if that is nothing.

    These are the lines that are removed from the chunk's first line on, and up to its last one, blank lines aside. A
    strong model is right about them and over-deletes in between (ProX, appendix).
    """
    program = _head_and_tail(chunk.text, whole.program)
    if not program.operations:
        return None
    outcome = execute(chunk.text, program, CHECKING)
    removed = _share_removed(chunk.text, outcome.text or "")
    return replace(whole, program=outcome.program, removed=removed, trimmed=True)


def over_document(chunk: Chunk, program: Program) -> list[Operation]:
    """The operations with lines that count from 0 over the document; replacements are bound to the chunk's lines."""
    operations: list[Operation] = []
    for operation in program.operations:
        if isinstance(operation, Replace):
            last = chunk.last_line - chunk.first_line if operation.last is None else operation.last
            operation = replace(operation, first=operation.first or 0, last=last)
        if not isinstance(operation, KeepDocument):
            operations.append(moved(operation, chunk.first_line))
    return operations


def document_program(text: str, operations: Sequence[Operation]) -> Program:
    """The operations of all chunks as one program: replacements in their order, then removals, merged and sorted."""
    last = text.count("\n")
    edits: list[Operation] = []
    for operation in operations:
        if isinstance(operation, Replace) and (operation.first, operation.last) == (0, last):
            operation = replace(operation, first=None, last=None)  # so that it can be written in any dialect
        if not isinstance(operation, RemoveLines):
            edits.append(operation)
    runs: list[RemoveLines] = []
    for line in sorted(removed_lines(Program(tuple(operations)))):
        if runs and runs[-1].last == line - 1:
            runs[-1] = RemoveLines(runs[-1].first, line)
        else:
            runs.append(RemoveLines(line, line))
    return Program((*edits, *runs) or (KeepDocument(),))


def moved(operation: Operation, by: int) -> Operation:
    match operation:
        case RemoveLines(first, last):
            return RemoveLines(first + by, last + by)
        case ReplaceOnce(line=line):
            return replace(operation, line=line + by)
        case Replace(first=first, last=last):
            return replace(
                operation, first=None if first is None else first + by, last=None if last is None else last + by
            )
        case _:
            return operation


def _share_removed(before: str, after: str) -> float:
    words = count_words(before)
    gone = words - count_words(after)  # below 0 where a blank goes that parted two scripts, by the rule for words
    return max(0, gone) / words if words else 0.0


def removed_lines(program: Program) -> set[int]:
    removals = [each for each in program.operations if isinstance(each, RemoveLines)]
    return {line for each in removals for line in range(each.first, each.last + 1)}


def _without_vain_replacements(text: str, program: Program) -> Program:
    """Without the replacements that touch only lines which are removed anyway."""
    removed = removed_lines(program)
    lines = split_lines(text)
    operations: list[Operation] = []
    for operation in program.operations:
        if isinstance(operation, Replace) and "\n" not in operation.source:
            last = len(lines) - 1 if operation.last is None else operation.last
            seen = [lines[line] for line in range(operation.first or 0, last + 1) if line not in removed]
            if operation.source not in join_lines(seen):
                continue
        operations.append(operation)
    return Program(tuple(operations))


def _head_and_tail(text: str, program: Program) -> Program:
    removed = removed_lines(program)
    lines = split_lines(text)
    head = _leading(lines, removed, range(len(lines)))
    tail = _leading(lines, removed, range(len(lines) - 1, -1, -1))
    return Program(tuple([RemoveLines(line, line) for line in sorted(head | tail)]))


def _leading(lines: Sequence[str], removed: set[int], order: range) -> set[int]:
    """The removed lines before the first line that has text and stays."""
    leading: set[int] = set()
    for line in order:
        if line in removed:
            leading.add(line)
        elif lines[line].strip():
            break
    return leading
