"""Active selection: the documents on which two refiners disagree most teach most."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from prox.chunking import chunk_document
from prox.document import Document, split_lines
from prox.errors import RunError
from prox.program import DropDocument, Policy, RemoveLines, count_words, execute
from prox.refiners.draft import Draft, Level, Refiner
from prox.refiners.specs import load_refiner

_BATCH = 256
_POLICY = Policy(errors_allowed=None, least_share=None, least_words=None, deletions_only=False)


@dataclass(frozen=True, slots=True)
class Disputed:
    """A document, and how far two refiners differ on it, from 0 to 1."""

    document: Document
    disagreement: float


@dataclass(frozen=True, slots=True)
class Selection:
    """The most disputed documents first, and why others could not be compared, with their numbers."""

    chosen: tuple[Disputed, ...]
    without_programs: dict[str, int]


def most_disputed(documents: Sequence[Document], specs: tuple[str, str], level: Level, count: int) -> Selection:
    """Run both refiners over the documents and take those on which they differ most.

    Raises:
        UsageError: A spec is wrong.
        RunError: A refiner has no program for any document.
    """
    refiners = [load_refiner(spec, level) for spec in specs]
    disputed: list[Disputed] = []
    failures: Counter[str] = Counter()
    for start in range(0, len(documents), _BATCH):
        batch = documents[start : start + _BATCH]
        views = [_drafts(refiner, batch) for refiner in refiners]
        for document, one, other in zip(batch, *views, strict=True):
            errors = [
                f"no program of {spec}"
                for spec, drafts in zip(specs, (one, other), strict=True)
                if any(draft.errors for draft in drafts)
            ]
            if errors:
                failures.update(errors[:1])
                continue
            measure = _of_decisions if level is Level.DOCUMENT else _of_lines
            disputed.append(Disputed(document, measure(document, one, other)))
    if documents and not disputed:
        raise RunError(f"the refiners cannot be compared: {', '.join(failures)}, for all of {len(documents)} documents")
    disputed.sort(key=lambda each: -each.disagreement)  # documents alike stay in the order in which they were drawn
    return Selection(tuple(disputed[:count]), dict(failures))


def _drafts(refiner: Refiner, documents: Sequence[Document]) -> list[list[Draft]]:
    window = refiner.window if refiner.level is Level.CHUNK else None
    cut = [[chunk for chunk in chunk_document(document, window) if not chunk.skipped] for document in documents]
    chunks = [chunk for of_document in cut for chunk in of_document]
    drafts = iter(refiner.refine(chunks) if chunks else [])
    return [[next(drafts) for _ in of_document] for of_document in cut]


def _of_decisions(document: Document, one: Sequence[Draft], other: Sequence[Draft]) -> float:
    """The difference of their scores; where one has none, whether their decisions differ."""
    (left,), (right,) = one, other
    if left.score is not None and right.score is not None:
        return abs(left.score - right.score)
    return float((DropDocument() in left.program.operations) != (DropDocument() in right.program.operations))


def _of_lines(document: Document, one: Sequence[Draft], other: Sequence[Draft]) -> float:
    """The share of the document's words that lie in lines which one removes and the other does not.

    It is the distance of two sets of lines, weighted by words, over the document: over the removed lines alone, as F1
    is, a page on which only one short line is in dispute would be the most disputed of all.
    """
    words = [count_words(line) for line in split_lines(document.text)]
    removed = [_removed(document.text, drafts) for drafts in (one, other)]
    return sum(words[line] for line in removed[0] ^ removed[1]) / max(1, sum(words))


def _removed(text: str, drafts: Sequence[Draft]) -> set[int]:
    outcome = execute(text, [draft.program for draft in drafts], _POLICY)
    removals = [each for each in outcome.program.operations if isinstance(each, RemoveLines)]
    return {line for each in removals for line in range(each.first, each.last + 1)}
