"""The one executor: programs in, text out.

It is total: no text and no program makes it raise. An operation that cannot be carried out is rejected with a reason,
in constant time however large its numbers are.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from prox.document import join_lines, split_lines
from prox.program.calls import ParseError
from prox.program.operations import DropDocument, KeepDocument, Operation, Program, RemoveLines, Replace
from prox.program.policy import Policy, count_words, most_words
from prox.program.replacing import is_subsequence, replace_across_lines, replace_within_lines


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
        applied: The operations that were carried out, as they were written, program by program.
        rejected: Those that were not, one by one. The sound operations of an ignored program are in neither list.
        reason: Why the document was dropped or a program ignored, else "".
        errors: The parse errors of all programs.
        program: What was effectively done: `DropDocument` alone for a dropped document, else the replacements with
            the scopes as their bounds, then the removals, merged and sorted. Executed under `Policy.unlimited()` it
            gives the same text.
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


GROWTH = 10
GROWTH_OF_SHORT_TEXTS = 10_000
"""Replacements can make a text so many times longer, and by so many characters more: a few that each double it would
fill any memory. It is no policy: a stored program must mean the same under all of them."""

DEFAULT = Policy()
DROPPED = Program((DropDocument(),))


def execute(text: str, program: Program | Sequence[Program], policy: Policy = DEFAULT) -> Outcome:
    r"""Apply a program, or the programs of a document's chunks, to the document's text.

    Line numbers mean the lines of `text`, whatever other operations do. Replacements come first, in order, each on the
    result of the one before; then lines are removed (ProX, appendix A). A program acts only within its scope, and can
    drop the document only if its scope is all of it. Errors are limited program by program, words for the document.

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
    lines = split_lines(text)
    joined: set[int] = set()
    reviews = [_review(program, len(lines) - 1, policy) for program in programs]
    planned = _planned_removals(reviews)
    applied: list[Operation] = []
    rejected: list[Rejected] = []
    effective: list[Operation] = []
    removals: list[tuple[int, int]] = []
    reasons: list[str] = []
    dropped = False

    for review in reviews:
        before = _replace(review, lines, joined, planned, GROWTH * len(text) + GROWTH_OF_SHORT_TEXTS)
        refused, allowed = _sort_out(review, rejected)
        faults = len(review.program.errors) + refused
        if policy.errors_allowed is not None and faults > policy.errors_allowed:
            if before is not None:
                lines[review.first : review.last + 1], joined = before
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
        refined = _join_what_is_left(lines, removals, joined)
        shortage = _shortage(text, refined, policy)
        if shortage:
            reasons.append(shortage)
            refined = None
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
                objection = objection or "the target is not the source with deletions, and only deletions are allowed"
        elif isinstance(operation, DropDocument):
            if keeps:
                objection = "the same program keeps the document"
            elif first > 0 or last < end:
                objection = "a program for a part cannot drop the document"
        objections.append(objection)
    return _Review(program, first, last, objections)


OUT_OF_SCOPE = "outside the lines that the program was written for"


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


def _replace(
    review: _Review, lines: list[str], joined: set[int], planned: Collection[int], most_characters: int
) -> tuple[list[str], set[int]] | None:
    """Carry out the replacements of a program; note what was done, and the objections that the text raises.

    Returns the lines of its scope, and the joined ones, as they were before it; `None` if nothing was tried.
    """
    before = None
    for index, operation in enumerate(review.program.operations):
        if review.objections[index] or not isinstance(operation, Replace):
            continue
        if before is None:
            before = lines[review.first : review.last + 1], set(joined)
        source, target = operation.source, operation.target
        first = review.first if operation.first is None else max(review.first, operation.first)
        last = review.last if operation.last is None else min(review.last, operation.last)
        if len(target) > len(source) and _size_after(lines, first, last, source, target) > most_characters:
            objection = f"the text would grow to more than {GROWTH} times its size"
        elif "\n" in source:
            objection = replace_across_lines(lines, joined, first, last, source, target, planned)
        else:
            found = replace_within_lines(lines, first, last, source, target)
            objection = "" if found else "source is not in its lines"
        if objection:
            review.objections[index] = objection
        elif first == 0 and last == len(lines) - 1:
            review.replaced.append(Replace(source, target))
        else:
            review.replaced.append(Replace(source, target, first, last))
    return before


def _size_after(lines: list[str], first: int, last: int, source: str, target: str) -> int:
    """The characters that the document would have after a replacement, at most."""
    occurrences = join_lines(lines[first : last + 1]).count(source)
    return sum(map(len, lines)) + len(lines) + occurrences * (len(target) - len(source))


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


def _join_what_is_left(lines: list[str], removals: list[tuple[int, int]], joined: set[int]) -> str:
    if joined:  # a joined line is never one that is removed
        removals = _merge(removals + [(number, number) for number in joined])
    if not removals:
        return join_lines(lines)
    left: list[str] = []
    position = 0
    for first, last in removals:
        left += lines[position:first]
        position = last + 1
    return join_lines(left + lines[position:])


def _shortage(text: str, refined: str, policy: Policy) -> str:
    """Why so few words are left that the document has to go, or ""."""
    least_words, least_share = policy.least_words, policy.least_share
    if refined == text:
        if policy.short_unedited_kept:
            return ""
        least_share = None  # all of it is left
    # If more words are left than both limits can ask for, nobody has to count them all.
    enough = -1 if least_words is None else least_words
    if least_share is not None:
        enough = max(enough, int(least_share * most_words(text)) + 1)
    if enough < 0 or len(refined.split(None, enough)) > enough:
        return ""
    left = count_words(refined)
    if least_words is not None and left <= least_words:
        return f"too few words left: {left}, the limit is {least_words}"
    if least_share is not None:
        total = count_words(text)
        if total and left / total <= least_share:
            return f"too small a share of words left: {left} of {total}, the limit is {least_share:g}"
    return ""
