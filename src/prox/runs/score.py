"""How well a refiner does on gold: pages with a label for each line, documents labelled keep or drop.

What is scored is what the refiner said: the word limits of the policy, which drop documents, are lifted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prox.chunking import Chunk, chunk_document
from prox.corpora import FoundFiles, find_files
from prox.errors import RunError, UsageError
from prox.program import Outcome, Policy, Program, count_words, execute
from prox.refiners.cascade import CascadeRefiner
from prox.refiners.draft import Draft, Level, Refiner
from prox.refiners.language_model.refiner import LanguageModelRefiner
from prox.refiners.stored import StoredRefiner
from prox.runs.costs import inference_flops
from prox.runs.failure_kinds import failure_kinds
from prox.runs.gold import DocumentGold, LineGold, gold_records, parse_gold
from prox.runs.score_pages import DocumentFigures, PageFigures, judge_lines
from prox.runs.score_tally import Scores, by_source, tally

BATCH = 64
"""Documents whose chunks go to the refiner at once."""


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
        pages: What the figures were made of, level by level and in the order of the gold.
    """

    overall: Scores
    sources: dict[str, Scores]
    left_out: int
    unusable: tuple[Unusable, ...]
    fingerprints: dict[str, str]
    pages: tuple[PageFigures, ...]


def score_gold(
    paths: Sequence[str] | str,
    refiners_for: Callable[[Level], Refiner],
    keep_record: Callable[[dict[str, Any]], bool] = lambda record: True,
    on_pages: Callable[[int], None] = lambda pages: None,
) -> GoldScore:
    """Refine gold and compare.

    Line gold (`raw_text` with `line_labels` or `program`) is for the chunk-level refiner alone, document gold (`text`,
    `keep`) for the document-level one; any other record is counted with its reason.

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
            on_pages(bench.work())
    for bench in benches.values():
        on_pages(bench.work())
    reasons = tuple(sorted(unusable.values(), key=lambda each: -each.count))
    if not benches:
        raise UsageError(_nothing_to_score(files, left_out, reasons))
    for level, bench in benches.items():
        if bench.errors == bench.drafts and bench.first_error:
            raise RunError(f"the refiner wrote no usable program at {level} level: {bench.first_error}")
    pages = tuple(page for _, bench in sorted(benches.items()) for page in bench.pages)
    return GoldScore(
        overall=tally(pages),
        sources=by_source(pages),
        left_out=left_out,
        unusable=reasons,
        fingerprints={str(level): bench.refiner.fingerprint for level, bench in sorted(benches.items())},
        pages=pages,
    )


def _nothing_to_score(files: FoundFiles, left_out: int, unusable: Sequence[Unusable]) -> str:
    names = ", ".join(file.name for file in files[:3]) + (" …" if len(files) > 3 else "")
    if left_out:
        return f"none of the {left_out} gold records of {names} passes the filters. Loosen them."
    found = "; ".join(f"{each.reason} ({each.count}, first: {each.first})" for each in unusable[:3])
    return (
        f"no gold in {names}: {found or 'no records'}. Line gold has the fields raw_text and line_labels (one for each "
        "line, 1 = noise) or program, document gold has text and keep (0 or 1)."
    )


class _Bench:
    """A refiner, the gold that waits for it, and the pages that are done."""

    def __init__(self, refiner: Refiner) -> None:
        self.refiner = refiner
        model = refiner.second if isinstance(refiner, CascadeRefiner) else refiner
        self.policy = replace(_policy(model), least_share=None, least_words=None)
        self.parameters = model.parameters if isinstance(model, LanguageModelRefiner) else None
        self.waiting: list[LineGold | DocumentGold] = []
        self.pages: list[PageFigures] = []
        self.drafts = self.errors = 0
        self.first_error = ""

    def work(self) -> int:
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
            self.pages.append(self._judge(gold, of_page, drafts[position : position + len(of_page)]))
            position += len(of_page)
        pages = len(self.waiting)
        self.waiting = []
        return pages

    def _chunks(self, gold: LineGold | DocumentGold) -> list[Chunk]:
        window = self.refiner.window if gold.level is Level.CHUNK else None  # a part cannot drop the whole
        return [chunk for chunk in chunk_document(gold.document, window) if not chunk.skipped]

    def _judge(self, gold: LineGold | DocumentGold, chunks: Sequence[Chunk], drafts: Sequence[Draft]) -> PageFigures:
        text = gold.document.text
        programs = [replace(draft.program, scope=chunk.scope) for chunk, draft in zip(chunks, drafts, strict=True)]
        outcome = execute(text, programs, self.policy)
        faults = [kinds for kinds in _kinds(text, programs, drafts, outcome, self.policy) if kinds]
        for draft in drafts:
            self.drafts += 1
            self.errors += bool(draft.errors)
            self.first_error = self.first_error or "; ".join(draft.errors)
        if isinstance(gold, LineGold):
            judged: Any = judge_lines(gold, outcome)
        else:
            judged = DocumentFigures(not outcome.dropped, gold.keep, drafts[0].score)
        tokens_in, tokens_out = sum(draft.tokens_in for draft in drafts), sum(draft.tokens_out for draft in drafts)
        words = count_words(text)
        return PageFigures(
            level=gold.level,
            source=gold.source,
            site=gold.site,
            programs=len(programs),
            failures=len(faults),
            kinds=tuple(sorted(kind for kinds in faults for kind in kinds)),
            calls=sum(len(program.operations) for program in programs),
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            flops=None if self.parameters is None else inference_flops(self.parameters, tokens_in, tokens_out),
            words_before=words,
            words_after=count_words(outcome.text or "") if outcome.edited or outcome.dropped else words,
            judged=judged,
        )


def _policy(refiner: Refiner) -> Policy:
    """The limits under which a run executes the programs of a refiner."""
    if isinstance(refiner, StoredRefiner):
        return Policy.unlimited()  # its programs were judged when they were written
    policy: Policy = getattr(refiner, "policy", Policy())
    return policy


def _kinds(
    text: str, programs: Sequence[Program], drafts: Sequence[Draft], outcome: Outcome, policy: Policy
) -> list[set[str]]:
    """What is wrong with each of a document's programs; only if one has a fault does anybody look at each alone."""
    if not outcome.errors and not outcome.rejected:
        return [failure_kinds(Outcome(text), draft) for draft in drafts if draft.errors or draft.rejected]
    alone = [outcome] if len(programs) == 1 else [execute(text, program, policy) for program in programs]
    return [failure_kinds(each, draft) for each, draft in zip(alone, drafts, strict=True)]
