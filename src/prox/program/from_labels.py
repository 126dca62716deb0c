"""From labels of lines to the program that removes the noise."""

from collections.abc import Collection, Mapping, Sequence

from prox.program.anchoring import anchored
from prox.program.minimal_edits import Hunk
from prox.program.operations import Operation, Program, RemoveLines, ReplaceOnce

Places = tuple[int, int]


def program_from_labels(
    lines: Sequence[str],
    noise: Sequence[int],
    neutral: Collection[int] = frozenset(),
    partials: Mapping[int, Sequence[Places]] | None = None,
) -> Program:
    """The shortest program that removes every noise line and no content line.

    Neutral lines, of which nobody knows, stay, but for those between two noise lines with no content in between: one
    operation instead of two.

    Args:
        lines: Of the document, or of a part of it.
        noise: 1 for each noise line.
        neutral: Numbers of lines whose label does not count.
        partials: By line, start and end of noise inside it. Where such a string is not the only one of its kind in its
            line, the operation names it with some context, which stays.

    >>> print(program_from_labels(["Home", "Log in", "It rains. [edit]", "©"], [1, 1, 0, 1], partials={2: [(9, 16)]}))
    remove_lines(line_start=0, line_end=1)
    replace_str(line=2, source_str=" [edit]", target_str="")
    remove_lines(line_start=3, line_end=3)
    """
    partials = partials or {}
    operations: list[Operation] = []
    run: list[int] | None = None  # first and last noise line of the run that is open
    for number, line in enumerate(lines):
        if number in neutral:
            continue
        if noise[number]:
            run = [run[0] if run else number, number]
            continue
        if run:
            operations.append(RemoveLines(run[0], run[1]))
            run = None
        if hunks := _hunks(partials.get(number, ())):
            operations += [ReplaceOnce(number, source, target) for source, target in anchored(line, hunks)]
    if run:
        operations.append(RemoveLines(run[0], run[1]))
    return Program(tuple(operations))


def _hunks(places: Sequence[Places]) -> list[Hunk]:
    """Places in order; those that overlap or touch are one."""
    hunks: list[Hunk] = []
    for start, end in sorted(places):
        if hunks and start <= hunks[-1].end:
            hunks[-1] = Hunk(hunks[-1].start, max(end, hunks[-1].end), "")
        elif start < end:
            hunks.append(Hunk(start, end, ""))
    return hunks
