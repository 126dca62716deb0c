"""Two refiners in a row: a cheap one decides what it is sure of, a dear one sees only the rest."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from prox.chunking import Chunk, chunk_document
from prox.document import Document, join_lines, split_lines
from prox.program import (
    InsertLine,
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
from prox.refiners.draft import Draft, Level, Refiner
from prox.refiners.tagger.lines import removals, removed_lines

BoolArray = npt.NDArray[np.bool_]

AROUND = 5
"""Lines on either side of an uncertain one that the second refiner sees too, to know where it stands."""


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The scores, both ends included, between which the first refiner is not sure."""

    low: float
    high: float


class CascadeRefiner:
    """Asks the second refiner where the scores of the first one lie in between.

    Document level: the second refiner decides about documents with an uncertain keep score. Chunk level: it reads the
    uncertain lines with a few around them, and decides about the uncertain ones; what the first refiner is sure of
    stays. Where the second one fails, the first one's decision stands, and the failure is counted.
    """

    window = None

    def __init__(self, first: Refiner, second: Refiner, uncertain: Uncertain) -> None:
        """Both refiners work at the same level; the first one scores documents or lines."""
        self.level = first.level
        self.first = first
        self.second = second
        self._uncertain = uncertain
        between = f"{uncertain.low!r}..{uncertain.high!r}"
        self.fingerprint = f"cascade({first.fingerprint} | {between} | {second.fingerprint})"

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]:
        drafts = self.first.refine(chunks)
        return self._judge(chunks, drafts) if self.level == Level.DOCUMENT else self._edit(chunks, drafts)

    def _judge(self, chunks: Sequence[Chunk], drafts: list[Draft]) -> list[Draft]:
        """A document without a score, because the first refiner failed, is as uncertain as can be."""
        sent = [
            place
            for place, (chunk, draft) in enumerate(zip(chunks, drafts, strict=True))
            if _has_text(chunk) and (draft.score is None or self._is_between(draft.score))
        ]
        answers = dict(zip(sent, self.second.refine([chunks[place] for place in sent]), strict=True))
        decided = []
        for place, (chunk, draft) in enumerate(zip(chunks, drafts, strict=True)):
            answer = answers.get(place)
            if answer is None:
                decided.append(replace(draft, words_sent=0, asked=False))
                continue
            words = count_words(chunk.text)
            if answer.errors:  # the first decision stands
                answer = replace(answer, program=draft.program, score=draft.score)
            decided.append(replace(answer, words_sent=words))
        return decided

    def _edit(self, chunks: Sequence[Chunk], drafts: list[Draft]) -> list[Draft]:
        unsure = [self._unsure_lines(chunk, draft) for chunk, draft in zip(chunks, drafts, strict=True)]
        sent: list[Chunk] = []
        of_chunk: list[list[int]] = []
        for chunk, lines in zip(chunks, unsure, strict=True):
            asked = self._parts(chunk, lines)
            of_chunk.append(list(range(len(sent), len(sent) + len(asked))))
            sent += asked
        answers = self.second.refine(sent)
        return [
            _merged(chunk, draft, lines, [self._judged(chunk, sent[place], answers[place]) for place in places])
            for chunk, draft, lines, places in zip(chunks, drafts, unsure, of_chunk, strict=True)
        ]

    def _unsure_lines(self, chunk: Chunk, draft: Draft) -> BoolArray:
        lines = split_lines(chunk.text)
        visible = np.array([not line.isspace() and line != "" for line in lines])
        if draft.line_scores is None:
            return visible
        scores = np.frombuffer(draft.line_scores, np.uint8) / 100
        unsure: BoolArray = (scores >= self._uncertain.low) & (scores <= self._uncertain.high) & visible
        return unsure

    def _parts(self, chunk: Chunk, unsure: BoolArray) -> list[Chunk]:
        """The uncertain lines with some around them, as far as the second refiner can read them at once."""
        lines = split_lines(chunk.text)
        parts: list[Chunk] = []
        for first, last in _neighbourhoods(np.flatnonzero(unsure).tolist(), len(lines)):
            segment = Document(chunk.document_id, join_lines(lines[first : last + 1]))
            cut = chunk_document(segment, self.second.window)
            moved = [replace(part, first_line=part.first_line + first) for part in cut if not part.skipped]
            parts += [part for part in moved if unsure[part.first_line : part.last_line + 1].any()]
        return [replace(part, first_line=part.first_line + chunk.first_line) for part in parts]

    def _judged(self, chunk: Chunk, part: Chunk, answer: Draft) -> tuple[Chunk, Draft]:
        """What an answer comes to under the limits of its refiner: the operations that can be carried out."""
        if answer.errors:
            return part, answer
        policy = replace(getattr(self.second, "policy", Policy()), least_share=None, least_words=None)
        # Lines are numbered over the document, so the chunk stands where it does in it.
        text = "\n" * chunk.first_line + chunk.text
        outcome = execute(text, replace(answer.program, scope=part.scope), policy)
        rejected = tuple(f"{Program((each.operation,))}: {each.reason}" for each in outcome.rejected)
        rejected += tuple(f"{error.snippet!r}: {error.message}" for error in outcome.errors)
        errors = (outcome.reason,) if outcome.reason else ()
        return part, replace(answer, program=outcome.program, rejected=rejected, errors=errors)

    def _is_between(self, score: float) -> bool:
        return self._uncertain.low <= score <= self._uncertain.high


def _has_text(chunk: Chunk) -> bool:
    return bool(chunk.text) and not chunk.text.isspace()


def _neighbourhoods(numbers: Sequence[int], count: int) -> list[tuple[int, int]]:
    """Ranges of lines, both ends included, that hold the given ones with `AROUND` lines on either side."""
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        first, last = max(0, number - AROUND), min(count - 1, number + AROUND)
        if ranges and first <= ranges[-1][1] + 1:
            ranges[-1] = ranges[-1][0], last
        else:
            ranges.append((first, last))
    return ranges


def _merged(chunk: Chunk, draft: Draft, unsure: BoolArray, asked: list[tuple[Chunk, Draft]]) -> Draft:
    """The first refiner's program, with the second one's decisions where it was asked and has answered."""
    sent = sum(count_words(part.text) for part, _ in asked)
    answered = [(part, answer) for part, answer in asked if not answer.errors]
    merged = replace(
        draft,
        tokens_in=sum(answer.tokens_in for _, answer in asked),
        tokens_out=sum(answer.tokens_out for _, answer in asked),
        words_sent=sent,
        asked=bool(asked),
        rejected=tuple(each for _, answer in asked for each in answer.rejected),
        errors=draft.errors + tuple(error for _, answer in asked for error in answer.errors),
        raw_output="\n".join(answer.raw_output or "" for _, answer in asked) if asked else None,
    )
    if not answered:
        return merged
    lines = split_lines(chunk.text)
    visible = np.array([not line.isspace() and line != "" for line in lines])
    theirs = np.zeros(len(lines), bool)  # lines about which the second refiner decides
    for part, _ in answered:
        theirs |= _of_part(part, chunk, len(lines))
    theirs &= unsure
    noisy = _removed(draft.program, chunk, len(lines)) & ~theirs
    operations: list[Operation] = [
        operation
        for operation in draft.program.operations
        if not isinstance(operation, RemoveLines | KeepDocument) and not _touches(operation, chunk, theirs)
    ]
    for part, answer in answered:
        own = theirs & _of_part(part, chunk, len(lines))
        noisy |= _removed(answer.program, chunk, len(lines)) & own
        operations += _on_lines(answer.program, part, chunk, own & ~noisy, lines)
    rows = np.flatnonzero(visible)
    operations += removals(removed_lines(noisy[rows], rows, len(lines)), chunk.first_line)
    return replace(merged, program=Program(tuple(operations or [KeepDocument()])))


def _of_part(part: Chunk, chunk: Chunk, count: int) -> BoolArray:
    own = np.zeros(count, bool)
    first = part.first_line - chunk.first_line
    own[first : first + 1 + part.last_line - part.first_line] = True
    return own


def _removed(program: Program, chunk: Chunk, count: int) -> BoolArray:
    removed = np.zeros(count, bool)
    for operation in program.operations:
        if isinstance(operation, RemoveLines) and chunk.first_line <= operation.first <= operation.last:
            removed[operation.first - chunk.first_line : operation.last - chunk.first_line + 1] = True
    return removed


def _touches(operation: Operation, chunk: Chunk, lines: BoolArray) -> bool:
    if not isinstance(operation, Replace) or operation.first is None:
        return False
    last = operation.first if operation.last is None else operation.last
    return bool(lines[operation.first - chunk.first_line : last - chunk.first_line + 1].any())


def _on_lines(program: Program, part: Chunk, chunk: Chunk, lines: BoolArray, texts: Sequence[str]) -> list[Operation]:
    """The edits inside lines of a program, each bound to the lines that it is about and that may still be edited."""
    bound: list[Operation] = []
    for operation in program.operations:
        if isinstance(operation, ReplaceOnce | InsertLine):
            line = operation.line if isinstance(operation, ReplaceOnce) else max(operation.after, part.first_line)
            if part.first_line <= line <= part.last_line and lines[line - chunk.first_line]:
                bound.append(operation)
            continue
        if not isinstance(operation, Replace) or not operation.source:
            continue
        first = part.first_line if operation.first is None else max(part.first_line, operation.first)
        last = part.last_line if operation.last is None else min(part.last_line, operation.last)
        for number in range(first, last + 1):
            place = number - chunk.first_line
            if lines[place] and operation.source in texts[place]:
                bound.append(replace(operation, first=number, last=number))
    return bound
