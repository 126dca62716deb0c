"""What is counted on one page of gold: a few numbers, no text."""

from collections.abc import Sequence
from dataclasses import dataclass

from prox.document import split_lines
from prox.program import Counts, Outcome, RemoveLines, Replace, content_counts, line_counts
from prox.refiners.draft import Level
from prox.runs.gold import LineGold
from prox.runs.places import by_line, places_left


@dataclass(frozen=True, slots=True)
class LineFigures:
    """A page of line gold.

    Attributes:
        lines: Removed lines against noise lines, neutral ones left out.
        content: The same in words, seen from what is kept.
        noise_words: Words on noise lines.
        partial_noise, partial_found: Characters of partial noise, and how many of them are gone.
        content_characters_lost: What replacements removed beside them.
        by_program: Whether the labels are those of a program.
    """

    lines: Counts
    content: Counts
    noise_words: int
    partial_noise: int
    partial_found: int
    content_characters_lost: int
    by_program: bool


@dataclass(frozen=True, slots=True)
class DocumentFigures:
    """A document of document gold: the decision, the label, and the probability of keeping it if there is one."""

    kept: bool
    keep: bool
    probability: float | None


@dataclass(frozen=True, slots=True)
class PageFigures:
    """All that is kept of a page.

    Attributes:
        site: Pages of one site are alike; None if the record does not say.
        programs: Written for the page, one for each chunk.
        failures: How many of them have a fault.
        kinds: Of the faults, each kind once a program.
        calls: Operations of all programs.
        flops: Of a language model whose size is known, else None.
        words_before, words_after: Of the text raw and refined.
        judged: What the gold says about it.
    """

    level: Level
    source: str | None
    site: str | None
    programs: int
    failures: int
    kinds: tuple[str, ...]
    calls: int
    tokens_in: int
    tokens_out: int
    flops: int | None
    words_before: int
    words_after: int
    judged: LineFigures | DocumentFigures


def judge_lines(gold: LineGold, outcome: Outcome) -> LineFigures:
    """Compare what a program did with the labels of a page."""
    lines = split_lines(gold.document.text)
    removed = _removed(outcome, len(lines))
    noise = {number for number, label in enumerate(gold.noise) if label}
    words = [len(line.split()) for line in lines]
    kept = [0 if number in removed else count for number, count in enumerate(words)]
    content = content_counts(words, kept, [number in noise for number in range(len(lines))], gold.neutral)

    partial_noise = partial_found = content_lost = 0
    replacements = [operation for operation in outcome.program.operations if isinstance(operation, Replace)]
    of_line = by_line(replacements)
    for number in range(len(lines)) if replacements else gold.partials:
        if number in removed or number in noise or number in gold.neutral or number in gold.unsure:
            continue
        partial, gone = _inside(lines[number], number, gold.partials.get(number, ()), of_line(number))
        partial_noise += len(partial)
        partial_found += len(gone & partial)
        content_lost += len(gone - partial)
    return LineFigures(
        lines=line_counts(removed, noise, gold.neutral),
        content=content,
        noise_words=sum([words[number] for number in noise - gold.neutral]),
        partial_noise=partial_noise,
        partial_found=partial_found,
        content_characters_lost=content_lost,
        by_program=gold.by_program,
    )


def _removed(outcome: Outcome, count: int) -> set[int]:
    if outcome.dropped:
        return set(range(count))
    return {
        number
        for operation in outcome.applied
        if isinstance(operation, RemoveLines)
        for number in range(operation.first, operation.last + 1)
    }


def _inside(
    line: str, number: int, noisy: Sequence[tuple[int, int]], replacements: Sequence[Replace]
) -> tuple[set[int], set[int]]:
    """Of the visible characters of a line: those that are partial noise, and those that replacements removed."""
    visible = {place for place, character in enumerate(line) if not character.isspace()}
    partial = {place for start, end in noisy for place in range(start, end)} & visible
    return partial, visible - set(places_left(line, number, replacements))
