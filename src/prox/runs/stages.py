"""Documents through stages: the same few lines for a corpus, a preview and a list of texts."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from prox.chunking import Chunk, chunk_document
from prox.document import Document
from prox.program import DropDocument, KeepDocument, Operation, Outcome, Policy, Program, Scope, count_words, execute
from prox.refiners import Draft, Level, Refiner
from prox.runs.costs import Stopwatch

KEPT, EDITED, DROPPED, QUARANTINED = DECISIONS = ("kept", "edited", "dropped", "quarantined")


@dataclass(frozen=True, slots=True)
class Stage:
    """A refiner, at its level, with the policy under which its programs are executed.

    Attributes:
        name: The spec that the refiner was loaded from.
        quarantines: A document whose refiner failed goes to quarantine; otherwise what the failed program was for stays
            as it was.
        language_model: Whether its refiner is one, or has one behind it.
        parameters: Of that language model, without embeddings; None where nobody knows.
        stopwatch: How long it has been at work.
    """

    name: str
    refiner: Refiner
    policy: Policy = field(default_factory=Policy)
    quarantines: bool = False
    language_model: bool = False
    parameters: int | None = None
    stopwatch: Stopwatch = field(default_factory=Stopwatch, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class StageResult:
    """What one stage did to one document.

    Attributes:
        program: The effective program: executed without limits on the text that the stage read, it does the same.
        score: The refiner's score of the document, if it gave one.
        line_scores: Noise probability of each line in percent, one byte a line; None without scores.
        rejected: What was not carried out, each with its reason.
        failures: Why the refiner could write no usable program; what it was for was then left as it was.
        programs: How many the refiner was asked for: one for each chunk.
        unusable: How many of these were none, or were ignored for their errors.
        raw_output: What a language model wrote; None for other refiners.
        words_sent: Of a cascade, the words that its second refiner was asked about; else None.
    """

    stage: str
    level: str
    program: Program
    score: float | None
    line_scores: bytes | None
    words_before: int
    words_after: int
    rejected: tuple[str, ...]
    failures: tuple[str, ...]
    tokens_in: int
    tokens_out: int
    programs: int = 0
    unusable: int = 0
    raw_output: str | None = None
    words_sent: int | None = None

    @property
    def acts(self) -> bool:
        """Whether the program changes or drops anything."""
        return any(map(_acts, self.program.operations))


@dataclass(frozen=True, slots=True)
class Refined:
    """A document after all stages.

    Attributes:
        text: The refined text, None if the document was dropped.
        decision: One of `kept` (unchanged), `edited`, `dropped`, `quarantined`.
        reason: Why it was dropped or quarantined, or what went wrong on the way; else "".
    """

    document: Document
    text: str | None
    decision: str
    reason: str
    words_before: int
    words_after: int
    stages: tuple[StageResult, ...]

    @property
    def program(self) -> Program:
        """The one program that makes the refined text of the raw one: at most one stage edits, and a drop ends it."""
        acting = [stage.program for stage in self.stages if stage.acts]
        return acting[-1] if acting else Program((KeepDocument(),))


TOO_LONG = "longer than the window, so it stays as it is"
"""Why a line was not read."""

IGNORED = "is ignored: erroneous operations"
"""How the executor begins its reason for ignoring a program."""


def _acts(operation: Operation) -> bool:
    return not isinstance(operation, KeepDocument)


def refine_documents(documents: Sequence[Document], stages: Sequence[Stage]) -> list[Refined]:
    """Send documents through the stages in order; a dropped document meets no further stage."""
    texts: list[str | None] = [document.text for document in documents]
    words = [count_words(document.text) for document in documents]
    results: list[list[StageResult]] = [[] for _ in documents]
    reasons = [""] * len(documents)
    quarantined = [False] * len(documents)
    now = list(words)
    for stage in stages:
        alive = [i for i, text in enumerate(texts) if text is not None and not quarantined[i]]
        current = [
            documents[i] if texts[i] is documents[i].text else replace(documents[i], text=texts[i] or "") for i in alive
        ]
        with stage.stopwatch.running():
            through = _through(current, [now[i] for i in alive], stage)
        for i, (outcome, drafts) in zip(alive, through, strict=True):
            before, after = now[i], 0 if outcome.text is None else now[i]
            if outcome.edited and outcome.text is not None:
                after = count_words(outcome.text)
            results[i].append(_result(stage, outcome, drafts, before, after))
            texts[i], now[i] = outcome.text, after
            failures = results[i][-1].failures
            held = next((each for each in failures if stage.quarantines or each.startswith(QUARANTINE)), "")
            reasons[i] = held or _reason(outcome, drafts, stage) or reasons[i] or "; ".join(failures)
            if not reasons[i] and any(each.endswith(TOO_LONG) for each in results[i][-1].rejected):
                reasons[i] = f"a line is {TOO_LONG}"
            quarantined[i] = bool(held)
    return [
        _refined(document, text, quarantine, reason, before, after, tuple(stage_results))
        for document, text, quarantine, reason, before, after, stage_results in zip(
            documents, texts, quarantined, reasons, words, now, results, strict=True
        )
    ]


def unrefined(document: Document, reason: str) -> Refined:
    """A document that no stage has seen to its end: it goes to quarantine."""
    return Refined(document, None, QUARANTINED, reason, count_words(document.text), 0, ())


QUARANTINE = "quarantine: "
"""A draft error that begins so sends the document to quarantine instead of leaving it as it was."""


def _refined(
    document: Document,
    text: str | None,
    quarantined: bool,
    reason: str,
    before: int,
    after: int,
    stages: tuple[StageResult, ...],
) -> Refined:
    if quarantined:
        return Refined(document, None, QUARANTINED, reason.removeprefix(QUARANTINE), before, 0, stages)
    decision = DROPPED if text is None else KEPT if text == document.text else EDITED
    return Refined(document, text, decision, reason, before, after, stages)


def _through(documents: Sequence[Document], words: Sequence[int], stage: Stage) -> list[tuple[Outcome, list[Draft]]]:
    """What executing the drafts of each document gave. Lines that do not fit the window are told of."""
    window = stage.refiner.window if stage.refiner.level == Level.CHUNK else None  # a part cannot drop the whole
    chunks = [chunk_document(document, window) for document in documents]
    readable = [chunk for of_document in chunks for chunk in of_document if not chunk.skipped]
    drafts = iter(stage.refiner.refine(readable))
    out = []
    for document, of_document, of_text in zip(documents, chunks, words, strict=True):
        own = [(chunk, next(drafts)) for chunk in of_document if not chunk.skipped]
        programs = [_scoped(draft.program, chunk, document, stage.refiner.level) for chunk, draft in own]
        drafts_of_document = [draft for _, draft in own]
        if len(own) < len(of_document):
            # Some lines have no scores, so the others would stand at wrong lines.
            drafts_of_document = [replace(draft, line_scores=None) for draft in drafts_of_document]
            drafts_of_document.append(_skipped([chunk for chunk in of_document if chunk.skipped]))
        out.append((execute(document.text, programs, stage.policy, of_text), drafts_of_document))
    return out


def _skipped(chunks: Sequence[Chunk]) -> Draft:
    """Stands for the lines that nobody was asked about, because one alone is longer than the window."""
    return Draft(Program(), asked=False, rejected=tuple(f"line {chunk.first_line}: {TOO_LONG}" for chunk in chunks))


def _scoped(program: Program, chunk: Chunk, document: Document, level: Level) -> Program:
    if level == Level.DOCUMENT:
        return program
    whole = chunk.text is document.text  # then nobody has to count its lines: there are no more than characters
    return Program(program.operations, program.errors, Scope(0, len(chunk.text)) if whole else chunk.scope)


def _result(stage: Stage, outcome: Outcome, drafts: Sequence[Draft], before: int, after: int) -> StageResult:
    if len(drafts) == 1 and _is_plain(outcome, drafts[0]):  # as for most documents
        draft = drafts[0]
        return StageResult(
            stage.name, str(stage.refiner.level), outcome.program, draft.score, draft.line_scores, before, after,
            (), (), draft.tokens_in, draft.tokens_out, int(draft.asked), 0, draft.raw_output, draft.words_sent,
        )  # fmt: skip
    scores = [draft.score for draft in drafts if draft.score is not None]
    line_scores = [draft.line_scores for draft in drafts if draft.line_scores is not None]
    outputs = [draft.raw_output for draft in drafts if draft.raw_output is not None]
    asked = sum(draft.asked for draft in drafts)
    sent = [draft.words_sent for draft in drafts if draft.words_sent is not None]
    return StageResult(
        stage=stage.name,
        level=str(stage.refiner.level),
        program=outcome.program,
        score=scores[0] if scores else None,
        line_scores=b"".join(line_scores) if line_scores and len(line_scores) == len(drafts) else None,
        words_before=before,
        words_after=after,
        rejected=tuple(
            [f"{Program((entry.operation,))}: {entry.reason}" for entry in outcome.rejected]
            + [f"{error.snippet!r}: {error.message}" for error in outcome.errors]
            + [each for draft in drafts for each in draft.rejected]
        ),
        failures=(
            *[error for draft in drafts for error in draft.errors],
            *[reason for reason in outcome.reason.split("; ") if IGNORED in reason],
        ),
        tokens_in=sum(draft.tokens_in for draft in drafts),
        tokens_out=sum(draft.tokens_out for draft in drafts),
        programs=asked,
        unusable=min(asked, sum(bool(draft.errors) for draft in drafts) + outcome.reason.count(IGNORED)),
        raw_output="\n".join(outputs) if outputs else None,
        words_sent=sum(sent) if sent else None,
    )


def _is_plain(outcome: Outcome, draft: Draft) -> bool:
    """Whether nothing went wrong."""
    wrong = outcome.rejected or outcome.errors or draft.rejected or draft.errors
    return not wrong and IGNORED not in outcome.reason


def _reason(outcome: Outcome, drafts: Sequence[Draft], stage: Stage) -> str:
    """The policy's words; where the refiner itself wrote the drop, its reason, its name and its score."""
    if not outcome.dropped or not any(isinstance(operation, DropDocument) for operation in outcome.applied):
        return outcome.reason
    score = next((f", keep score {draft.score:.2f}" for draft in drafts if draft.score is not None), "")
    why = next((f"{draft.reason}: " for draft in drafts if draft.reason), "")  # first, as that is what is counted
    return f"{why}dropped by {stage.name}{score}"
