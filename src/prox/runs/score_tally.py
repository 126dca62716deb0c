"""From pages to the published figures: F1 of documents, lines and content words, failures, calls, cost."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prox.program import Counts, auc, document_score, macro_f1
from prox.refiners.draft import Level
from prox.runs.score_pages import DocumentFigures, LineFigures, PageFigures


@dataclass(frozen=True, slots=True)
class LineScore:
    """Removed lines against noise lines, neutral lines left out; `macro_f1` is the mean of the pages' F1.

    Attributes:
        noisy_macro_f1: The same over the pages that have noise; None if none has.
        noise_words_found: The share of the words on noise lines that is removed; None without noise.
        content_words_lost: The share of the words on content lines that is removed; None without content.
        words_kept: The share of all words that is left.
    """

    precision: float
    recall: float
    f1: float
    macro_f1: float
    noisy_macro_f1: float | None
    noise_words_found: float | None
    content_words_lost: float | None
    words_kept: float | None


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
    """Keep or drop; `auc` of the keep probabilities, None without probabilities for documents of both kinds.

    `words_kept` is the share of all words that is in documents that are kept.
    """

    keep_f1: float
    drop_f1: float
    accuracy: float
    auc: float | None
    words_kept: float | None


@dataclass(frozen=True, slots=True)
class ProgramsScore:
    """What the programs are like, one for each chunk that was read.

    Attributes:
        count: Programs.
        failure_ratio: The share with a parse error, a rejected operation, or no usable program at all.
        failure_kinds: In how many programs each kind of failure is, most frequent first; a program may have several.
        calls_mean: Operations per program.
    """

    count: int
    failure_ratio: float
    failure_kinds: dict[str, int]
    calls_mean: float


@dataclass(frozen=True, slots=True)
class CostScore:
    """Means per document; `flops` is None where no language model of known size is at work.

    FLOPs are about 2·N·(D_prefill + D_decode), N without embeddings (ProX, appendix on FLOPs).
    """

    tokens_in: float
    tokens_out: float
    flops: float | None


@dataclass(frozen=True, slots=True)
class Scores:
    """The figures of a group of records; None for a kind of gold that the group does not hold.

    Attributes:
        line_pages: Pages of line gold.
        program_pages: Those of them whose labels are a program: the figures say how far two refiners agree.
        document_pages: Documents of document gold.
        partials: None also where no page has partial noise that counts.
        costs: By level.
    """

    line_pages: int
    program_pages: int
    document_pages: int
    lines: LineScore | None
    content_tokens: ContentScore | None
    partials: PartialScore | None
    documents: DocumentsScore | None
    programs: ProgramsScore
    costs: dict[str, CostScore]


def tally(pages: Sequence[PageFigures]) -> Scores:
    """The figures of a group of pages."""
    of_level = {level: [page for page in pages if page.level is level] for level in Level}
    judged = [page.judged for page in pages]
    lined = [each for each in judged if isinstance(each, LineFigures)]
    programs = sum([page.programs for page in pages])
    kinds = Counter(kind for page in pages for kind in page.kinds)
    return Scores(
        line_pages=len(lined),
        program_pages=sum([each.by_program for each in lined]),
        document_pages=len(pages) - len(lined),
        lines=_lines(lined, _words_kept(of_level[Level.CHUNK])) if lined else None,
        content_tokens=_content(lined) if lined else None,
        partials=_partials(lined),
        documents=_documents(of_level[Level.DOCUMENT]),
        programs=ProgramsScore(
            programs,
            sum([page.failures for page in pages]) / max(programs, 1),
            dict(sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0]))),
            sum([page.calls for page in pages]) / max(programs, 1),
        ),
        costs={str(level): _cost(of_level[level]) for level in sorted(Level) if of_level[level]},
    )


def by_source(pages: Sequence[PageFigures]) -> dict[str, Scores]:
    """The figures of each source, sorted by name; pages without a source are in none."""
    sources: dict[str, list[PageFigures]] = {}
    for page in pages:
        if page.source is not None:
            sources.setdefault(page.source, []).append(page)
    return {source: tally(own) for source, own in sorted(sources.items())}


def _lines(pages: Sequence[LineFigures], words_kept: float | None) -> LineScore:
    counts = [page.lines for page in pages]
    total, content = sum(counts, Counts()), _content_counts(pages)
    noisy = [page for page in counts if page.tp + page.fn]
    return LineScore(
        precision=total.precision,
        recall=total.recall,
        f1=total.f1,
        macro_f1=macro_f1(counts),
        noisy_macro_f1=macro_f1(noisy) if noisy else None,
        noise_words_found=_one_less(_share(content.fp, sum([page.noise_words for page in pages]))),
        content_words_lost=_share(content.fn, content.tp + content.fn),
        words_kept=words_kept,
    )


def _content(pages: Sequence[LineFigures]) -> ContentScore:
    content = _content_counts(pages)
    return ContentScore(content.precision, content.recall, content.f1)


def _content_counts(pages: Sequence[LineFigures]) -> Counts:
    return sum([page.content for page in pages], Counts())


def _partials(pages: Sequence[LineFigures]) -> PartialScore | None:
    noise = sum([page.partial_noise for page in pages])
    lost = sum([page.content_characters_lost for page in pages])
    found = _share(sum([page.partial_found for page in pages]), noise)
    return PartialScore(found, lost) if noise or lost else None


def _documents(pages: Sequence[PageFigures]) -> DocumentsScore | None:
    judged = [page.judged for page in pages if isinstance(page.judged, DocumentFigures)]
    if not judged:
        return None
    decisions = document_score([each.kept for each in judged], [each.keep for each in judged])
    scored = [(each.probability, each.keep) for each in judged if each.probability is not None]
    area = auc([probability for probability, _ in scored], [keep for _, keep in scored])
    return DocumentsScore(
        keep_f1=decisions.keep.f1,
        drop_f1=decisions.drop.f1,
        accuracy=decisions.accuracy,
        auc=None if math.isnan(area) else area,
        words_kept=_words_kept(pages),
    )


def _words_kept(pages: Sequence[PageFigures]) -> float | None:
    return _share(sum([page.words_after for page in pages]), sum([page.words_before for page in pages]))


def _cost(pages: Sequence[PageFigures]) -> CostScore:
    flops = [page.flops for page in pages if page.flops is not None]
    return CostScore(
        tokens_in=sum([page.tokens_in for page in pages]) / len(pages),
        tokens_out=sum([page.tokens_out for page in pages]) / len(pages),
        flops=sum(flops) / len(flops) if flops else None,
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _one_less(share: float | None) -> float | None:
    return None if share is None else 1 - share


def figure(scores: Scores, name: str) -> float | None:
    """A figure by where it stands, e.g. `lines.f1`; None where the group has none."""
    part, _, field = name.partition(".")
    group = getattr(scores, part)
    found: float | None = None if group is None else getattr(group, field)
    return found


NAMES: Mapping[str, str] = {
    "lines.f1": "noise-line F1",
    "lines.macro_f1": "… mean of pages",
    "lines.noisy_macro_f1": "… of pages with noise",
    "content_tokens.f1": "content-word F1",
    "lines.noise_words_found": "noise words found",
    "lines.content_words_lost": "content words lost",
    "lines.words_kept": "words kept",
    "documents.keep_f1": "document F1 (keep)",
    "documents.drop_f1": "document F1 (drop)",
    "documents.accuracy": "accuracy",
    "documents.auc": "AUC",
    "documents.words_kept": "words in kept documents",
    "programs.failure_ratio": "failure ratio",
    "programs.calls_mean": "operations a program",
}
"""The figures that refiners are compared by, each with its name for people."""
