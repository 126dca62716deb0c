"""From a pair of texts, raw and refined, to the program that makes the one of the other."""

from collections.abc import Sequence
from dataclasses import dataclass

from prox.document import join_lines, split_lines
from prox.errors import UsageError
from prox.program.anchoring import anchored
from prox.program.executor import execute
from prox.program.line_alignment import Alignment, Change, align_removals, align_rewrite
from prox.program.minimal_edits import Hunk, common_prefix, common_suffix, edit_script, fewest_runs
from prox.program.operations import InsertLine, Operation, Program, RemoveLines, Replace, ReplaceOnce
from prox.program.policy import Policy
from prox.program.replacing import is_subsequence


@dataclass(frozen=True, slots=True)
class Terms:
    """Which pairs are taken. The defaults are those of RefineX (arXiv 2507.03253), and deletions only.

    Attributes:
        most_inserted: A pair with a span of more new characters, inserted or put in the place of others, is a rewrite
            and refused; `None` is no limit.
        least_deleted: A pair with fewer deleted characters (line breaks count) is refused.
        insertions: Whether text may be added where none was.
        replacements: Whether text may take the place of other text.
    """

    most_inserted: int | None = 19
    least_deleted: int = 10
    insertions: bool = False
    replacements: bool = False

    def __post_init__(self) -> None:
        for name, count in (("most_inserted", self.most_inserted), ("least_deleted", self.least_deleted)):
            if count is not None and count < 0:
                raise UsageError(f"{name} is {count}; it must be 0 or more")


@dataclass(frozen=True, slots=True)
class Distilled:
    """A program that was executed and gave the refined text.

    Attributes:
        program: Without operations if the texts are the same.
        proven: Whether no program has fewer operations, of those that remove lines and, one by one, runs of characters
            inside lines. False where the search was cut short, lines were joined, or some of the refined text is new.
        deleted: Characters, line breaks with them.
        inserted: The same.
    """

    program: Program
    proven: bool
    deleted: int
    inserted: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a pair has no program: one of the fixed phrases of this module, and what was found."""

    reason: str
    detail: str = ""


REWRITE = "a rewrite: a span of new text is too long"
TOO_LITTLE = "too few characters are deleted"
INSERTS = "text is inserted"
REPLACES = "text is replaced"
NO_PROGRAM = "no program gives the refined text"

DEFAULT_TERMS = Terms()


def distill(raw: str, refined: str, terms: Terms = DEFAULT_TERMS) -> Distilled | Refused:
    r"""Find the smallest program that makes `refined` of `raw`.

    Whole lines are removed by `RemoveLines`, in the fewest runs; what is removed inside a line, by `ReplaceOnce` with
    a source that is there once, if need be with some context. A string that is removed in several places becomes one
    `Replace`, within the lines that hold it; so do lines that were joined. The program has been executed on the raw
    text without limits, and gave the refined one exactly. It never raises.

    >>> page = "Home | Log in\nIt rains. [edit]\nShare this page\n"
    >>> print(distill(page, "It rains.\n").program)
    remove_lines(line_start=0, line_end=0)
    replace_str(line=1, source_str=" [edit]", target_str="")
    remove_lines(line_start=2, line_end=2)
    >>> distill(page, "Rain is what falls in this place, and for long.")
    Refused(reason='a rewrite: a span of new text is too long', detail='22 characters, the limit is 19')
    """
    if len(raw) - len(refined) >= terms.least_deleted and refined:
        lines, target = split_lines(raw), split_lines(refined)
        alignment = align_removals(lines, target)
        if alignment is not None:
            return _program(raw, refined, lines, target, alignment, len(raw) - len(refined), 0)
    if raw == refined or not refined or is_subsequence(refined, raw):
        return _removals(raw, refined, terms)
    return _rewrite(raw, refined, terms)


def _removals(raw: str, refined: str, terms: Terms) -> Distilled | Refused:
    """The rare cases of deletion: too few characters, all of them, or lines that no alignment is found for."""
    deleted = len(raw) - len(refined)
    if deleted < terms.least_deleted:
        return Refused(TOO_LITTLE, f"{deleted}, the limit is {terms.least_deleted}")
    if raw == refined:
        return Distilled(Program(), True, 0, 0)
    lines, target = split_lines(raw), split_lines(refined)
    if not refined:
        return Distilled(Program((RemoveLines(0, len(lines) - 1),)), True, deleted, 0)
    alignment = Alignment(align_rewrite(lines, target), proven=False)
    found = _program(raw, refined, lines, target, alignment, deleted, 0)
    if isinstance(found, Distilled) and not _inserts(found.program):
        return found
    whole = Alignment([Change(0, len(lines), 0, len(target))], proven=False)
    return _program(raw, refined, lines, target, whole, deleted, 0)


def _inserts(program: Program) -> bool:
    """Whether a program has operations that are no deletions."""
    return any(
        isinstance(each, InsertLine)
        or (isinstance(each, Replace | ReplaceOnce) and not is_subsequence(each.target, each.source))
        for each in program.operations
    )


MOST_COMPARED = 400_000_000
"""Product of the sizes of two texts whose characters are still compared with one another."""
LEAST_KEPT = 3
"""Characters between two hunks, of which one brings new text, below which they are one: chance, not something kept."""


def _rewrite(raw: str, refined: str, terms: Terms) -> Distilled | Refused:
    lines, target = split_lines(raw), split_lines(refined)
    changes = align_rewrite(lines, target)
    inserted = replaced = longest = new = 0
    for change in changes:
        before, after = lines[change.first : change.last], target[change.start : change.stop]
        if not before:
            size = len(join_lines(after)) + 1
            inserted, longest, new = inserted + 1, max(longest, size - 1), new + size
            continue
        if not after:
            continue
        for hunk in _hunks(join_lines(before), join_lines(after)):
            if hunk.text and hunk.start < hunk.end:
                replaced += not is_subsequence(hunk.text, join_lines(before)[hunk.start : hunk.end])
            elif hunk.text:
                inserted += 1
            longest, new = max(longest, len(hunk.text)), new + len(hunk.text)
    deleted = len(raw) + new - len(refined)
    if terms.most_inserted is not None and longest > terms.most_inserted:
        return Refused(REWRITE, f"{longest} characters, the limit is {terms.most_inserted}")
    if deleted < terms.least_deleted:
        return Refused(TOO_LITTLE, f"{deleted}, the limit is {terms.least_deleted}")
    if replaced and not terms.replacements:
        return Refused(REPLACES, f"in {replaced} places, the longest has {longest} new characters")
    if inserted and not terms.insertions:
        return Refused(INSERTS, f"in {inserted} places, the longest has {longest} new characters")
    return _program(raw, refined, lines, target, Alignment(changes, proven=False), deleted, new)


def _hunks(raw: str, refined: str) -> list[Hunk]:
    """A minimal script; beyond a size, everything between what is the same at both ends. Where text is new, hunks with
    next to nothing between them are one."""
    if len(raw) * len(refined) > MOST_COMPARED:
        return _one_hunk(raw, refined)
    hunks: list[Hunk] = []
    for hunk in edit_script(raw, refined):
        if hunks and hunk.start - hunks[-1].end < LEAST_KEPT and (hunk.text or hunks[-1].text):
            before = hunks.pop()
            hunk = Hunk(before.start, hunk.end, before.text + raw[before.end : hunk.start] + hunk.text)
        hunks.append(hunk)
    return hunks


def _one_hunk(raw: str, refined: str) -> list[Hunk]:
    first = common_prefix(raw, refined, 0, len(raw), 0, len(refined))
    end = common_suffix(raw, refined, first, len(raw), first, len(refined))
    return [Hunk(first, len(raw) - end, refined[first : len(refined) - end])]


def _program(
    raw: str,
    refined: str,
    lines: Sequence[str],
    target: Sequence[str],
    alignment: Alignment,
    deleted: int,
    inserted: int,
) -> Distilled | Refused:
    """Write the operations of the changes, and see that they do what they should."""
    removals: list[tuple[int, int]] = []
    operations: list[Operation] = []
    for change in alignment.changes:
        before, after = lines[change.first : change.last], target[change.start : change.stop]
        if not after:
            removals.append((change.first, change.last - 1))
        elif not before or not any(before):  # nothing that a replacement could name
            operations += [InsertLine(change.last - 1, line, place) for place, line in enumerate(after)]
            if before:
                removals.append((change.first, change.last - 1))
        elif len(before) == len(after) == 1:
            operations += _inside(change.first, before[0], after[0])
        else:
            operations += _across(change.first, join_lines(before), join_lines(after))
    if operations:
        operations = _shared(operations, lines, target, alignment.changes)
    ordered: list[Operation] = sorted([*operations, *[RemoveLines(*each) for each in removals]], key=_place)
    program = Program(tuple(ordered))
    outcome = execute(raw, program, Policy.unlimited())
    if outcome.rejected:
        return Refused(NO_PROGRAM, outcome.rejected[0].reason)
    if outcome.text != refined:
        return Refused(NO_PROGRAM, "the operations would disturb one another")
    return Distilled(program, alignment.proven, deleted, inserted)


def _place(operation: Operation) -> int:
    match operation:
        case RemoveLines(first):
            return first
        case Replace(_, _, first):
            return first or 0
        case ReplaceOnce(line):
            return line
        case InsertLine(after):
            return after
    return 0


def _inside(number: int, raw: str, refined: str) -> list[Operation]:
    """The operations for one line."""
    removal = fewest_runs(raw, refined) if len(refined) < len(raw) else None
    if removal is None:
        return [ReplaceOnce(number, source, new) for source, new in anchored(raw, _hunks(raw, refined))]
    hunks: list[Hunk] = []
    for start, end in removal.runs:
        # The same removal as far to the left as it goes: " [edit]", not "[edit] ", as at the end of a line.
        low = hunks[-1].end + 1 if hunks else 0
        while start > low and raw[start - 1] == raw[end - 1]:
            start, end = start - 1, end - 1
        hunks.append(Hunk(start, end, ""))
    first = raw[hunks[0].start : hunks[0].end]
    if len(hunks) > 1 and raw.replace(first, "") == refined:
        return [Replace(first, "", number, number)]
    return [ReplaceOnce(number, source, new) for source, new in anchored(raw, hunks)]


def _across(first: int, raw: str, refined: str) -> list[Operation]:
    """The operations for lines that were joined, or for a part that was rewritten."""
    last = first + raw.count("\n")
    for joint in ("", " "):
        if raw.replace("\n", joint) == refined:  # every line break of a paragraph
            return [Replace("\n", joint, first, last)]
    return [Replace(source, new, first, last) for source, new in anchored(raw, _one_hunk(raw, refined))]


MOST_SHARED = 16
"""Strings that are looked at, whether one operation can remove them in several lines."""


def _shared(
    operations: list[Operation], lines: Sequence[str], target: Sequence[str], changes: Sequence[Change]
) -> list[Operation]:
    """Let one operation remove a string in all lines where nothing else changes, if it stands in no other line that
    stays between the first and the last of them."""
    by_source: dict[str, list[int]] = {}
    alone: dict[int, int] = {}
    for each in operations:
        if isinstance(each, ReplaceOnce) or (isinstance(each, Replace) and each.first == each.last):
            number = each.line if isinstance(each, ReplaceOnce) else each.first or 0
            alone[number] = alone.get(number, 0) + 1
            if not each.target:
                by_source.setdefault(each.source, []).append(number)
    often = [(source, numbers) for source, numbers in by_source.items() if len(numbers) > 1][:MOST_SHARED]
    if not often:
        return operations
    refined_of: dict[int, str] = {}
    removed: set[int] = set()
    for change in changes:
        if change.last - change.first == change.stop - change.start == 1:
            refined_of[change.first] = target[change.start]
        elif change.start == change.stop:
            removed.update(range(change.first, change.last))
    for source, numbers in often:
        if any(alone[number] > 1 for number in numbers):
            continue
        if not all(lines[number].replace(source, "") == refined_of.get(number) for number in numbers):
            continue
        others = [
            number
            for number, line in enumerate(lines)
            if source in line and number not in removed and refined_of.get(number) != line.replace(source, "")
        ]
        first, last = numbers[0], numbers[-1]
        if any(first <= number <= last for number in others):
            continue
        united = Replace(source) if not others else Replace(source, "", first, last)
        operations = [
            each
            for each in operations
            if not (isinstance(each, Replace | ReplaceOnce) and each.source == source and not each.target)
        ]
        operations.append(united)
    return operations
