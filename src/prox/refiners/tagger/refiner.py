"""The embedded tagger as a refiner: one reading of a page serves both levels."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from prox.chunking import Chunk
from prox.errors import UsageError
from prox.program import DropDocument, KeepDocument, Operation, Program, Replace
from prox.refiners.draft import Draft, Level
from prox.refiners.tagger.cutting import chosen, replacements
from prox.refiners.tagger.documents import keep_logit
from prox.refiners.tagger.features import FloatArray, LineFeatures, line_features, pages_features
from prox.refiners.tagger.lines import removals, removed_lines
from prox.refiners.tagger.network import line_logits, line_states, sigmoid
from prox.refiners.tagger.part_judge import part_features, part_scores
from prox.refiners.tagger.parts import Part, find_parts
from prox.refiners.tagger.weights import TaggerWeights, embedded_path, parse_weights, read_weights

LONGEST = 20_000
"""Lines read at once: a longer document is read as several pages, so that memory stays bounded."""


@dataclass(frozen=True, slots=True)
class _Page:
    """Consecutive lines of a chunk, read at once."""

    lines: list[str]
    features: LineFeatures
    noise: FloatArray  # the probability of each visible line


class Tagger:
    """Reads pages. Remembers those of the last batch, because both levels ask about the same ones."""

    def __init__(self, weights: TaggerWeights) -> None:
        self.weights = weights
        self._last: dict[str, list[_Page]] = {}

    def read(self, texts: Sequence[str]) -> list[list[_Page]]:
        known = self._last  # another thread may replace it meanwhile
        read = {text: known.get(text, []) for text in texts}
        new = [text for text, pages in read.items() if not pages]
        short = [text for text in new if text.count("\n") < LONGEST]
        for text, features in zip(short, pages_features(short), strict=True):
            read[text] = [self._page(text.split("\n"), features)]
        for text in new:
            read[text] = read[text] or self._pages(text)
        self._last = read
        return [read[text] for text in texts]

    def _pages(self, text: str) -> list[_Page]:
        """Of a text that is read in several; one after another, as each takes eight times the memory of its text."""
        lines = text.split("\n")
        pages: list[_Page] = []
        judged = False
        for first in range(0, len(lines), LONGEST):
            piece = lines[first : first + LONGEST]
            page = self._page(piece, line_features("\n".join(piece)))
            pages.append(replace(page, features=_outline(page.features)) if judged else page)
            judged = judged or len(page.features.rows) > 0
        return pages

    def _page(self, lines: list[str], features: LineFeatures) -> _Page:
        if not len(features.rows):
            return _Page(lines, features, np.zeros(0, np.float32))
        states = line_states(features, self.weights.lines)
        return _Page(lines, features, sigmoid(line_logits(states, self.weights.lines)))


def _outline(features: LineFeatures) -> LineFeatures:
    """What editing needs of features: those of a page by which no document is judged may go once its lines are scored.

    They take eight times the memory of the text.
    """
    none = np.zeros(0, np.int64)
    return replace(
        features, numeric=none.astype(np.float32), buckets=none, starts=none, words=none, counts=none,
        tokens=none.astype(np.uint16), tokens_per_row=none,
    )  # fmt: skip


def embedded_tagger() -> Tagger:
    """The tagger that ships with the package."""
    return load_tagger(str(embedded_path()))


def load_tagger(path: str) -> Tagger:
    """The tagger whose weights lie in a folder or file. The same weights are the same tagger within a process.

    Raises:
        UsageError: There are no weights, or none that this prox reads.
    """
    return _tagger(read_weights(path), path)


@lru_cache(maxsize=4)
def _tagger(data: bytes, path: str) -> Tagger:
    return Tagger(parse_weights(data, path))


class TaggerRefiner:
    """Writes `drop_doc()` at document level, line removals and removals inside lines at chunk level.

    It always wants whole documents, and cannot write an invalid program.
    """

    window: int | None = None

    def __init__(self, level: Level, threshold: float | None = None, tagger: Tagger | None = None) -> None:
        """Load the weights, unless a tagger is given.

        Args:
            level: Documents or chunks.
            threshold: The probability of keeping below which a document is dropped, or the probability of noise from
                which a line is removed; the trained one if None.
            tagger: The embedded one if None.

        Raises:
            UsageError: The tagger was trained without document labels, and shall judge documents.
        """
        self.level = level
        self._tagger = tagger or embedded_tagger()
        weights = self._tagger.weights
        self.fingerprint = f"tagger:{weights.fingerprint}:{level}"
        if level == Level.DOCUMENT:
            if weights.documents is None:
                raise UsageError(
                    "this tagger judges no documents: it was trained on lines alone. Add --level chunk, or let another "
                    "refiner judge the documents: --refiner tagger before --refiner tagger:FOLDER"
                )
            self._judge_weights = weights.documents
            self.threshold = weights.documents.threshold if threshold is None else threshold
            self.fingerprint += f":keep={self.threshold!r}"
        else:
            self.threshold = weights.noise_threshold if threshold is None else threshold
            self.fingerprint += f":noise={self.threshold!r}"

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]:
        readings = self._tagger.read([chunk.text for chunk in chunks])
        if self.level == Level.DOCUMENT:
            return [self._judge(pages) for pages in readings]
        inside = self._parts([page for pages in readings for page in pages])
        drafts = []
        for chunk, pages in zip(chunks, readings, strict=True):
            drafts.append(self._edit(chunk, pages, inside[: len(pages)]))
            del inside[: len(pages)]
        return drafts

    def _judge(self, pages: list[_Page]) -> Draft:
        """A long document is judged by its first page with a visible line; one without any is worth nothing."""
        score = 0.0
        for page in pages:
            if len(page.features.rows):
                logit = keep_logit(page.features, page.noise, self._judge_weights)
                score = float(sigmoid(np.array([logit]))[0])
                break
        keep = score >= self.threshold
        return Draft(Program((KeepDocument() if keep else DropDocument(),)), score=score)

    def _edit(self, chunk: Chunk, pages: list[_Page], inside: Sequence["_Edits"]) -> Draft:
        operations: list[Operation] = []
        scores: list[np.ndarray] = []
        first_line = chunk.first_line
        for page, edits in zip(pages, inside, strict=True):
            noisy = page.noise >= self.threshold
            removed = removed_lines(noisy, page.features.rows, page.features.line_count)
            percent = np.zeros(page.features.line_count, np.uint8)
            percent[page.features.rows] = np.rint(page.noise * 100)
            scores.append(percent)
            for line, source, target in edits:
                operations.append(Replace(source, target, first_line + line, first_line + line))
            operations += removals(removed, first_line)
            first_line += page.features.line_count
        program = Program(tuple(operations or [KeepDocument()]))
        return Draft(program, line_scores=np.concatenate(scores).tobytes())

    def _parts(self, pages: Sequence[_Page]) -> list["_Edits"]:
        """For each page, the removals inside lines that stay. All are judged at once, each page as if it were alone."""
        weights = self._tagger.weights.parts
        if weights is None:
            return [[] for _ in pages]
        kept: list[list[int]] = []
        found: list[tuple[list[str], list[Part]]] = []
        for page in pages:
            numbers = page.features.rows[page.noise < self.threshold].tolist()
            lines = [page.lines[number] for number in numbers]
            kept.append(numbers)
            found.append((lines, find_parts(lines)))
        scores = part_scores(part_features(found), weights).tolist()
        thresholds = weights.thresholds.tolist()
        edits: list[_Edits] = []
        first = 0
        for numbers, (lines, parts) in zip(kept, found, strict=True):
            of_page = zip(parts, scores[first : first + len(parts)], strict=True)
            first += len(parts)
            noisy = [(part, score) for part, score in of_page if score >= thresholds[part.kind]]
            edits.append(
                [
                    (numbers[line], source, target)
                    for line, taken in chosen(noisy).items()
                    for source, target in replacements(lines[line], taken)
                ]
            )
        return edits


_Edits: TypeAlias = list[tuple[int, str, str]]
"""Lines of a page, with what is replaced in them by what."""
