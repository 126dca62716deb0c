"""How well a refiner does on gold: pages with a label for each line, documents labelled keep or drop.

What is scored is what the refiner said: the word limits of the policy, which drop documents, are lifted.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from prox.chunking import Chunk, chunk_document
from prox.corpora import FoundFiles, find_files
from prox.document import split_lines
from prox.errors import RunError, UsageError
from prox.program import (
    Counts,
    Outcome,
    Policy,
    Program,
    RemoveLines,
    Replace,
    auc,
    content_counts,
    document_score,
    execute,
    line_counts,
    macro_f1,
)
from prox.refiners.draft import Draft, Level, Refiner
from prox.runs.gold import DocumentGold, LineGold, gold_records, parse_gold

BATCH = 64
"""Documents whose chunks go to the refiner at once."""


@dataclass(frozen=True, slots=True)
class LineScore:
    """Removed lines against noise lines, neutral lines left out; `macro_f1` is the mean of the pages' F1."""

    precision: float
    recall: float
    f1: float
    macro_f1: float


@dataclass(frozen=True, slots=True)
class ContentScore:
    """Words on kept lines against words on content lines; replacements inside lines change nothing here."""

    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class PartialScore:
    """Replacements inside content lines that stay, in characters that are not white space.

    Attributes:
        found: The share of the characters of labelled partial noise that replacements removed; None for no such noise.
        content_characters_lost: What replacements removed beside it.
    """

    found: float | None
    content_characters_lost: int


@dataclass(frozen=True, slots=True)
class DocumentsScore:
    """Keep or drop; `auc` of the keep probabilities, None without probabilities for documents of both kinds."""

    keep_f1: float
    drop_f1: float
    accuracy: float
    auc: float | None


@dataclass(frozen=True, slots=True)
class ProgramsScore:
    """What the programs are like, one for each chunk that was read.

    Attributes:
        count: Programs.
        failure_ratio: The share with a parse error, a rejected operation, or no usable program at all.
        calls_mean: Operations per program.
    """

    count: int
    failure_ratio: float
    calls_mean: float


@dataclass(frozen=True, slots=True)
class Scores:
    """The figures of a group of records; None for a kind of gold that the group does not hold.

    Attributes:
        line_pages: Pages of line gold.
        document_pages: Documents of document gold.
        partials: None also where no page has partial noise that counts.
    """

    line_pages: int
    document_pages: int
    lines: LineScore | None
    content_tokens: ContentScore | None
    partials: PartialScore | None
    documents: DocumentsScore | None
    programs: ProgramsScore


@dataclass(frozen=True, slots=True)
class Unusable:
    """Records that are no gold, by reason, and where the first of them stands."""

    reason: str
    count: int
    first: str


@dataclass(frozen=True, slots=True)
class GoldScore:
    """What `score_gold` gives.

    Attributes:
        overall: All pages together.
        sources: The same by the field `source` of the records, sorted; empty if no record has it.
        left_out: Gold records that `keep_record` did not want.
        unusable: Records that were passed over, most frequent reason first.
        fingerprints: Of the refiners that were used, by level.
    """

    overall: Scores
    sources: dict[str, Scores]
    left_out: int
    unusable: tuple[Unusable, ...]
    fingerprints: dict[str, str]


def score_gold(
    paths: Sequence[str] | str,
    refiners_for: Callable[[Level], Refiner],
    keep_record: Callable[[dict[str, Any]], bool] = lambda record: True,
    on_pages: Callable[[int], None] = lambda pages: None,
) -> GoldScore:
    """Refine gold and compare.

    Line gold (`raw_text`, `line_labels`) is for the chunk-level refiner alone, document gold (`text`, `keep`) for the
    document-level one; any other record is counted with its reason.

    Args:
        paths: Files, folders and globs.
        refiners_for: Called at most once a level, and only for a level that the gold asks for.
        keep_record: Which gold records to score.
        on_pages: Told the number of pages after each batch.

    Raises:
        UsageError: A path is wrong, or no record is left to score.
        RunError: The refiner wrote no usable program for any page of a level.
    """
    files = find_files(paths)
    benches: dict[Level, _Bench] = {}
    tallies = _Tallies()
    unusable: dict[str, Unusable] = {}
    left_out = 0
    for place, record in gold_records(files):
        if isinstance(record, dict) and not keep_record(record):
            left_out += 1
            continue
        gold = parse_gold(record, place)
        if isinstance(gold, str):
            known = unusable.get(gold, Unusable(gold, 0, place))
            unusable[gold] = replace(known, count=known.count + 1)
            continue
        if gold.level not in benches:
            benches[gold.level] = _Bench(refiners_for(gold.level))
        bench = benches[gold.level]
        bench.waiting.append(gold)
        if len(bench.waiting) == BATCH:
            on_pages(bench.work(tallies))
    for bench in benches.values():
        on_pages(bench.work(tallies))
    reasons = tuple(sorted(unusable.values(), key=lambda each: -each.count))
    if not benches:
        raise UsageError(_nothing_to_score(files, left_out, reasons))
    for level, bench in benches.items():
        if bench.errors == bench.drafts and bench.first_error:
            raise RunError(f"the refiner wrote no usable program at {level} level: {bench.first_error}")
    return GoldScore(
        overall=tallies.overall.scores(),
        sources={source: tally.scores() for source, tally in sorted(tallies.sources.items())},
        left_out=left_out,
        unusable=reasons,
        fingerprints={str(level): bench.refiner.fingerprint for level, bench in sorted(benches.items())},
    )


def _nothing_to_score(files: FoundFiles, left_out: int, unusable: Sequence[Unusable]) -> str:
    names = ", ".join(file.name for file in files[:3]) + (" …" if len(files) > 3 else "")
    if left_out:
        return f"none of the {left_out} gold records of {names} passes the filters. Loosen them."
    found = "; ".join(f"{each.reason} ({each.count}, first: {each.first})" for each in unusable[:3])
    return (
        f"no gold in {names}: {found or 'no records'}. Line gold has the fields raw_text and line_labels (one for each "
        "line, 1 = noise), document gold has text and keep (0 or 1)."
    )


class _Tally:
    """Sums over the pages of a group; of each page a few numbers are kept, its text is not."""

    def __init__(self) -> None:
        self.pages: list[Counts] = []
        self.content = Counts()
        self.partial_noise = self.partial_found = self.content_lost = 0
        self.kept: list[bool] = []
        self.keep_labels: list[bool] = []
        self.probabilities: list[float] = []
        self.probability_labels: list[bool] = []
        self.programs = self.failures = self.calls = 0

    def scores(self) -> Scores:
        lines = content = partials = documents = None
        if self.pages:
            total = sum(self.pages, Counts())
            lines = LineScore(total.precision, total.recall, total.f1, macro_f1(self.pages))
            content = ContentScore(self.content.precision, self.content.recall, self.content.f1)
        if self.partial_noise:
            partials = PartialScore(self.partial_found / self.partial_noise, self.content_lost)
        elif self.content_lost:
            partials = PartialScore(None, self.content_lost)
        if self.kept:
            decisions = document_score(self.kept, self.keep_labels)
            area = auc(self.probabilities, self.probability_labels)
            documents = DocumentsScore(
                decisions.keep.f1, decisions.drop.f1, decisions.accuracy, None if math.isnan(area) else area
            )
        programs = max(self.programs, 1)
        return Scores(
            line_pages=len(self.pages),
            document_pages=len(self.kept),
            lines=lines,
            content_tokens=content,
            partials=partials,
            documents=documents,
            programs=ProgramsScore(self.programs, self.failures / programs, self.calls / programs),
        )


@dataclass(frozen=True, slots=True)
class _Tallies:
    overall: _Tally = field(default_factory=_Tally)
    sources: dict[str, _Tally] = field(default_factory=dict)

    def of(self, source: str | None) -> list[_Tally]:
        if source is None:
            return [self.overall]
        return [self.overall, self.sources.setdefault(source, _Tally())]


class _Bench:
    """A refiner and the gold that waits for it."""

    def __init__(self, refiner: Refiner) -> None:
        self.refiner = refiner
        self.policy = replace(getattr(refiner, "policy", Policy()), least_share=None, least_words=None)
        self.waiting: list[LineGold | DocumentGold] = []
        self.drafts = self.errors = 0
        self.first_error = ""

    def work(self, tallies: _Tallies) -> int:
        """Refine and judge what waits; the number of pages."""
        cut = [self._chunks(gold) for gold in self.waiting]
        chunks = [chunk for of_page in cut for chunk in of_page]
        drafts = self.refiner.refine(chunks) if chunks else []
        if len(drafts) != len(chunks):
            raise RunError(
                f"the refiner gave {len(drafts)} drafts for {len(chunks)} chunks; it has to give one for each"
            )
        position = 0
        for gold, of_page in zip(self.waiting, cut, strict=True):
            self._judge(gold, of_page, drafts[position : position + len(of_page)], tallies.of(gold.source))
            position += len(of_page)
        pages = len(self.waiting)
        self.waiting = []
        return pages

    def _chunks(self, gold: LineGold | DocumentGold) -> list[Chunk]:
        window = self.refiner.window if gold.level is Level.CHUNK else None  # a part cannot drop the whole
        return [chunk for chunk in chunk_document(gold.document, window) if not chunk.skipped]

    def _judge(
        self, gold: LineGold | DocumentGold, chunks: Sequence[Chunk], drafts: Sequence[Draft], tallies: list[_Tally]
    ) -> None:
        text = gold.document.text
        programs = [replace(draft.program, scope=chunk.scope) for chunk, draft in zip(chunks, drafts, strict=True)]
        outcome = execute(text, programs, self.policy)
        failures = _failures(text, programs, drafts, outcome, self.policy)
        for draft in drafts:
            self.drafts += 1
            self.errors += bool(draft.errors)
            self.first_error = self.first_error or "; ".join(draft.errors)
        for tally in tallies:
            tally.programs += len(programs)
            tally.failures += failures
            tally.calls += sum(len(program.operations) for program in programs)
        if isinstance(gold, LineGold):
            _judge_lines(gold, outcome, tallies)
            return
        for tally in tallies:
            tally.kept.append(not outcome.dropped)
            tally.keep_labels.append(gold.keep)
            if (probability := drafts[0].score) is not None:
                tally.probabilities.append(probability)
                tally.probability_labels.append(gold.keep)


def _failures(text: str, programs: Sequence[Program], drafts: Sequence[Draft], outcome: Outcome, policy: Policy) -> int:
    """How many of a document's programs have faults; only if there is one does anybody look at each alone."""
    if not outcome.errors and not outcome.rejected:
        return sum(bool(draft.errors) for draft in drafts)
    alone = [outcome] if len(programs) == 1 else [execute(text, program, policy) for program in programs]
    return sum(bool(each.errors or each.rejected or draft.errors) for each, draft in zip(alone, drafts, strict=True))


def _judge_lines(gold: LineGold, outcome: Outcome, tallies: list[_Tally]) -> None:
    lines = split_lines(gold.document.text)
    removed = {
        number
        for operation in outcome.applied
        if isinstance(operation, RemoveLines)
        for number in range(operation.first, operation.last + 1)
    }
    noise = {number for number, label in enumerate(gold.noise) if label}
    page = line_counts(removed, noise, gold.neutral)
    words = [len(line.split()) for line in lines]
    kept = [0 if number in removed else count for number, count in enumerate(words)]
    content = content_counts(words, kept, [number in noise for number in range(len(lines))], gold.neutral)

    partial_noise = partial_found = content_lost = 0
    replacements = [operation for operation in outcome.program.operations if isinstance(operation, Replace)]
    for number in range(len(lines)) if replacements else gold.partials:
        if number in removed or number in noise or number in gold.neutral or number in gold.unsure:
            continue
        line = lines[number]
        visible = {place for place, character in enumerate(line) if not character.isspace()}
        partial = {place for start, end in gold.partials.get(number, ()) for place in range(start, end)} & visible
        gone = visible - set(_places_left(line, number, replacements))
        partial_noise += len(partial)
        partial_found += len(gone & partial)
        content_lost += len(gone - partial)
    for tally in tallies:
        tally.pages.append(page)
        tally.content += content
        tally.partial_noise += partial_noise
        tally.partial_found += partial_found
        tally.content_lost += content_lost


def _places_left(line: str, number: int, replacements: Sequence[Replace]) -> Sequence[int]:
    """Which characters of a line its replacements leave; what a target invents has no place in it."""
    places: Sequence[int] = range(len(line))
    for each in replacements:
        if (each.first or 0) > number or (each.last is not None and each.last < number):
            continue
        text = "".join([line[place] for place in places])
        left: list[int] = []
        position = 0
        while (hit := text.find(each.source, position)) >= 0:
            left += places[position:hit]
            inside, position = hit, hit + len(each.source)
            for character in each.target:
                found = text.find(character, inside, position)
                if found >= 0:
                    left.append(places[found])
                    inside = found + 1
        places = [*left, *places[position:]]
    return places
