"""The one executor: programs in, text out.

It is total: no text and no program makes it raise. An operation that cannot be carried out is rejected with a reason,
in constant time however large its numbers are.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from prox.document import join_lines, split_lines
from prox.program.calls import ParseError
from prox.program.operations import (
    DropDocument,
    InsertLine,
    KeepDocument,
    Operation,
    Program,
    RemoveLines,
    Replace,
    ReplaceOnce,
)
from prox.program.policy import Policy, count_words, most_words
from prox.program.replacing import NOT_THERE, is_subsequence, replace_across_lines, replace_within_lines


@dataclass(frozen=True, slots=True)
class Rejected:
    """An operation that was not carried out, and why."""

    operation: Operation
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What executing programs on a document gave.

    Attributes:
        text: The refined text; `None` if the document is dropped.
        edited: Whether the text is another one than before.
        applied: The operations that were carried out, as they were written, program by program; with them those that
            found nothing left to do, because an earlier one of the same program had done it.
        rejected: Those that were not, one by one. The sound operations of an ignored program are in neither list.
        reason: Why the document was dropped or a program ignored, else "".
        errors: The parse errors of all programs.
        program: What was effectively done: `DropDocument` alone for a dropped document, else the replacements with
            their lines as bounds, then the new lines in their order, then the removals, merged and sorted. Executed
            under `Policy.unlimited()` it gives the same text.
    """

    text: str | None
    edited: bool = False
    applied: tuple[Operation, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    reason: str = ""
    errors: tuple[ParseError, ...] = ()
    program: Program = field(default_factory=Program)

    @property
    def dropped(self) -> bool:
        return self.text is None


@dataclass(slots=True)
class _Review:
    """A program beside its document: the lines it may touch and what there is against each of its operations."""

    program: Program
    first: int
    last: int
    objections: list[str]
    replaced: list[Replace] = field(default_factory=list)  # what was replaced, with the bounds that were in force


@dataclass(slots=True)
class _Page:
    """A document while it is edited.

    Attributes:
        lines: All of them, so that each keeps its number.
        size: Their characters with line breaks, and those of what is inserted.
        most: The size that it may grow to.
        joined: The lines that have become part of another one.
        inserted: The new lines, as they were written.
    """

    lines: list[str]
    size: int
    most: int
    joined: set[int]
    inserted: list[InsertLine]


_Before: TypeAlias = tuple[list[str], set[int], int, int]
"""A page as it was before a program: the lines of the program's scope, the joined lines, size, number of new lines."""


GROWTH = 10
GROWTH_OF_SHORT_TEXTS = 10_000
"""Replacements and new lines can make a text so many times longer, and by so many characters more: a few replacements
that each double it would fill any memory. It is no policy: a stored program must mean the same under all of them."""

DEFAULT = Policy()
DROPPED = Program((DropDocument(),))
KEPT = Program((KeepDocument(),))


def execute(
    text: str, program: Program | Sequence[Program], policy: Policy = DEFAULT, words: int | None = None
) -> Outcome:
    r"""Apply a program, or the programs of a document's chunks, to the document's text.

    Line numbers mean the lines of `text`, whatever other operations do. Replacements come first, in order, each on the
    result of the one before (ProX, appendix A); then lines are added, and lines are removed. A program acts only within
    its scope, and can drop the document only if its scope is all of it. Errors are limited program by program, words
    for the document. A source that was there when its program began, and is gone when its turn comes, is no error.
    Who knows how many `words` the text has spares them from being counted.

    >>> page = "Home | About\nThe text.\nIt goes on. [edit]\n"
    >>> program = Program.parse('remove_lines(0, 0)\nnormalize(" [edit]")\nremove_lines(70, 71)')
    >>> outcome = execute(page, program, Policy(least_words=0))
    >>> outcome.text
    'The text.\nIt goes on.\n'
    >>> outcome.rejected
    (Rejected(operation=RemoveLines(first=70, last=71), reason='beyond the last line of the document, 3'),)
    >>> print(outcome.program)
    normalize(source_str=" [edit]", target_str="")
    remove_lines(line_start=0, line_end=0)
    """
    programs = (program,) if isinstance(program, Program) else program
    if policy.short_unedited_kept and programs and all(map(_only_keeps, programs)):
        kept = tuple([operation for each in programs for operation in each.operations])
        return Outcome(text, applied=kept, program=KEPT)
    lines = split_lines(text)
    page = _Page(lines, len(text), GROWTH * len(text) + GROWTH_OF_SHORT_TEXTS, set(), [])
    reviews = [_review(program, len(lines) - 1, policy) for program in programs]
    planned = _planned_removals(reviews)
    applied: list[Operation] = []
    rejected: list[Rejected] = []
    effective: list[Operation] = []
    removals: list[tuple[int, int]] = []
    reasons: list[str] = []
    dropped = False

    for review in reviews:
        before = _edit(review, page, planned)
        refused, allowed = _sort_out(review, rejected)
        faults = len(review.program.errors) + refused
        if policy.errors_allowed is not None and faults > policy.errors_allowed:
            if before is not None:
                lines[review.first : review.last + 1], page.joined, page.size, inserted_before = before
                del page.inserted[inserted_before:]
            reasons.append(_ignored(review, faults, policy.errors_allowed))
            continue
        applied += allowed
        effective += review.replaced
        for operation in allowed:
            if isinstance(operation, RemoveLines):
                removals.append((operation.first, operation.last))
            elif isinstance(operation, DropDocument):
                dropped = True

    refined: str | None = None
    if dropped:
        reasons.append("the program drops the document")
    else:
        removals = _merge(removals)
        inserted = sorted(page.inserted, key=lambda each: (each.after, each.place)) if page.inserted else []
        refined = _join_what_is_left(page, removals, inserted)
        shortage = _shortage(text, refined, policy, words)
        if shortage:
            reasons.append(shortage)
            refined = None
        effective += inserted
        effective += [RemoveLines(first, last) for first, last in removals]
        if not effective and applied:
            effective.append(KeepDocument())
    return Outcome(
        text=refined,
        edited=refined is not None and refined != text,
        applied=tuple(applied),
        rejected=tuple(rejected),
        reason="; ".join(reasons),
        errors=programs[0].errors if len(programs) == 1 else tuple([e for each in programs for e in each.errors]),
        program=DROPPED if refined is None else Program(tuple(effective)),
    )


def _only_keeps(program: Program) -> bool:
    """Most programs do nothing, and then nobody has to look at the text."""
    return program.operations == _KEEP and not program.errors


_KEEP = (KeepDocument(),)


def _review(program: Program, end: int, policy: Policy) -> _Review:
    """Judge each operation by what can be known without looking at the text; `end` is the document's last line."""
    scope = program.scope
    first = 0 if scope is None else max(0, scope.first)
    last = end if scope is None else min(end, scope.last)
    keeps = KeepDocument() in program.operations
    objections = []
    for operation in program.operations:
        objection = ""
        if isinstance(operation, RemoveLines):
            objection = _misplaced(operation.first, operation.last, end)
            if not objection and not first <= operation.first <= operation.last <= last:
                objection = OUT_OF_SCOPE
        elif isinstance(operation, Replace):
            start = first if operation.first is None else operation.first
            stop = last if operation.last is None else operation.last
            if operation.first is not None:
                objection = _misplaced(start, start if operation.last is None else stop, end)
            elif operation.last is not None:
                objection = _misplaced(stop, stop, end)
            if not operation.source:
                objection = "empty source"
            elif not objection and max(start, first) > min(stop, last):
                objection = OUT_OF_SCOPE
            elif policy.deletions_only and not is_subsequence(operation.target, operation.source):
                objection = objection or NOT_A_DELETION
        elif isinstance(operation, ReplaceOnce):
            objection = _misplaced(operation.line, operation.line, end)
            if not operation.source:
                objection = "empty source"
            elif "\n" in operation.source:
                objection = "source with a line break, for one line"
            elif not objection and not first <= operation.line <= last:
                objection = OUT_OF_SCOPE
            elif policy.deletions_only and not is_subsequence(operation.target, operation.source):
                objection = objection or NOT_A_DELETION
        elif isinstance(operation, InsertLine):
            objection = "" if operation.after == -1 else _misplaced(operation.after, operation.after, end)
            if not objection and not (first - 1 <= operation.after <= last and first <= last):
                objection = OUT_OF_SCOPE
            elif policy.deletions_only:
                objection = objection or "a new line, and only deletions are allowed"
        elif isinstance(operation, DropDocument):
            if keeps:
                objection = "the same program keeps the document"
            elif first > 0 or last < end:
                objection = "a program for a part cannot drop the document"
        objections.append(objection)
    return _Review(program, first, last, objections)


OUT_OF_SCOPE = "outside the lines that the program was written for"
NOT_A_DELETION = "the target is not the source with deletions, and only deletions are allowed"
TOO_LONG = f"the text would grow to more than {GROWTH} times its size"


def _misplaced(first: int, last: int, end: int) -> str:
    if first < 0 or last < 0:
        return "negative line number"
    if first > last:
        return "first line after last line"
    if last > end:
        return f"beyond the last line of the document, {end}"
    return ""


def _planned_removals(reviews: Sequence[_Review]) -> Collection[int]:
    """The lines that some program may remove, if a replacement needs to know: only one that spans lines does."""
    spanning = False
    removals = []
    for review in reviews:
        for operation, objection in zip(review.program.operations, review.objections, strict=True):
            if isinstance(operation, Replace):
                spanning = spanning or "\n" in operation.source
            elif isinstance(operation, RemoveLines) and not objection:
                removals.append((operation.first, operation.last))
    if not spanning:
        return ()
    return {number for first, last in _merge(removals) for number in range(first, last + 1)}


WITHOUT_NEW_TEXT = (RemoveLines, KeepDocument, DropDocument)


def _edit(review: _Review, page: _Page, planned: Collection[int]) -> _Before | None:
    """Carry out the replacements and insertions of a program; note what was done, and what the text objects to.

    Returns the page as it was before; `None` if nothing was tried.
    """
    before = None
    done: set[ReplaceOnce] = set()  # each acts on its one occurrence, and that is there but once
    for index, operation in enumerate(review.program.operations):
        if review.objections[index] or isinstance(operation, WITHOUT_NEW_TEXT):
            continue
        if before is None:
            scope = page.lines[review.first : review.last + 1]
            before = scope, page.joined.copy(), page.size, len(page.inserted)
        if isinstance(operation, Replace):
            review.objections[index] = _replace(operation, review, page, before, planned)
        elif isinstance(operation, ReplaceOnce):
            if operation not in done:
                objection = review.objections[index] = _replace_once(operation, review, page, before)
                if not objection:
                    done.add(operation)
        elif isinstance(operation, InsertLine):
            review.objections[index] = _insert(operation, page)
    return before


def _replace(operation: Replace, review: _Review, page: _Page, before: _Before, planned: Collection[int]) -> str:
    source, target, lines = operation.source, operation.target, page.lines
    first = review.first if operation.first is None else max(review.first, operation.first)
    last = review.last if operation.last is None else min(review.last, operation.last)
    longer = len(target) - len(source)
    if longer > 0 and page.size + longer * join_lines(lines[first : last + 1]).count(source) > page.most:
        return TOO_LONG
    if "\n" in source:
        grown = replace_across_lines(lines, page.joined, first, last, source, target, planned)
    else:
        grown = replace_within_lines(lines, first, last, source, target)
    if isinstance(grown, str):
        return "" if grown == NOT_THERE and _was_there(source, first, last, review, before) else grown
    page.size += grown
    review.replaced.append(_bounded(source, target, first, last, page))
    return ""


def _was_there(source: str, first: int, last: int, review: _Review, before: _Before) -> bool:
    """Whether a source that is not in its lines was taken from them by an earlier replacement of its program."""
    if not review.replaced:
        return False
    scope, joined, _, _ = before
    lines = scope[first - review.first : last + 1 - review.first]
    return source in join_lines([line for number, line in enumerate(lines, first) if number not in joined])


def _replace_once(operation: ReplaceOnce, review: _Review, page: _Page, before: _Before) -> str:
    number, source, target = operation.line, operation.source, operation.target
    line = page.lines[number]
    count = before[0][number - review.first].count(source)
    if not count:
        return "source is not in its line"
    if count == 1:
        count = line.count(source)  # more, if an earlier target brought it: nobody knows which one is meant
        if not count:
            return ""
    if count > 1:
        return f"source occurs {count} times in its line, not once"
    if len(target) > len(source) and page.size + len(target) - len(source) > page.most:
        return TOO_LONG
    page.lines[number] = line.replace(source, target)
    page.size += len(target) - len(source)
    review.replaced.append(_bounded(source, target, number, number, page))  # the same, as it occurs once
    return ""


def _bounded(source: str, target: str, first: int, last: int, page: _Page) -> Replace:
    if first == 0 and last == len(page.lines) - 1:
        return Replace(source, target)
    return Replace(source, target, first, last)


def _insert(operation: InsertLine, page: _Page) -> str:
    size = page.size + len(operation.text) + 1
    if size > page.most:
        return TOO_LONG
    page.size = size
    page.inserted.append(operation)
    return ""


def _sort_out(review: _Review, rejected: list[Rejected]) -> tuple[int, list[Operation]]:
    """Add the rejected operations to `rejected`; give their number and the others."""
    allowed: list[Operation] = []
    count = len(rejected)
    for operation, objection in zip(review.program.operations, review.objections, strict=True):
        if objection:
            rejected.append(Rejected(operation, objection))
        else:
            allowed.append(operation)
    return len(rejected) - count, allowed


def _ignored(review: _Review, faults: int, allowed: int) -> str:
    where = "" if review.program.scope is None else f" for lines {review.first} to {review.last}"
    return f"the program{where} is ignored: erroneous operations {faults}, allowed {allowed}"


def _merge(removals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Sort ranges of lines and unite those that overlap or touch."""
    merged: list[tuple[int, int]] = []
    for first, last in sorted(removals):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(last, merged[-1][1])
        else:
            merged.append((first, last))
    return merged


def _join_what_is_left(page: _Page, removals: list[tuple[int, int]], inserted: Sequence[InsertLine]) -> str:
    lines = page.lines
    if page.joined:  # a joined line is never one that is removed
        removals = _merge(removals + [(number, number) for number in page.joined])
    if inserted:
        return _join_with(inserted, lines, removals)
    if not removals:
        return join_lines(lines)
    left: list[str] = []
    position = 0
    for first, last in removals:
        left += lines[position:first]
        position = last + 1
    return join_lines(left + lines[position:])


def _join_with(inserted: Sequence[InsertLine], lines: list[str], removals: list[tuple[int, int]]) -> str:
    left: list[str] = []
    behind: dict[int, list[str]] = {}
    for each in inserted:
        behind.setdefault(each.after, []).append(each.text)
    removed = {number for first, last in removals for number in range(first, last + 1)}
    left += behind.get(-1, ())
    for number, line in enumerate(lines):
        if number not in removed:
            left.append(line)
        left += behind.get(number, ())
    return join_lines(left)


def _shortage(text: str, refined: str, policy: Policy, words: int | None) -> str:
    """Why so few words are left that the document has to go, or ""."""
    least_words, least_share = policy.least_words, policy.least_share
    if refined == text:
        if policy.short_unedited_kept:
            return ""
        least_share = None  # all of it is left
    # If more words are left than both limits can ask for, nobody has to count them all.
    enough = -1 if least_words is None else least_words
    if least_share is not None:
        enough = max(enough, int(least_share * (most_words(text) if words is None else words)) + 1)
    if enough < 0 or len(refined.split(None, enough)) > enough:
        return ""
    left = count_words(refined)
    if least_words is not None and left <= least_words:
        return f"too few words left: {left}, the limit is {least_words}"
    if least_share is not None:
        total = count_words(text) if words is None else words
        if total and left / total <= least_share:
            return f"too small a share of words left: {left} of {total}, the limit is {least_share:g}"
    return ""
