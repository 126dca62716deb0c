"""The embedded tagger as a refiner: one reading of a page serves both levels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from prox.chunking import Chunk
from prox.errors import UsageError
from prox.program import DropDocument, KeepDocument, Operation, Program, Replace
from prox.refiners.draft import Draft, Level
from prox.refiners.tagger.documents import BoolArray, keep_logit
from prox.refiners.tagger.features import FloatArray, LineFeatures, line_features, pages_features
from prox.refiners.tagger.lines import removals, removed_lines
from prox.refiners.tagger.network import line_logits, line_states, sigmoid
from prox.refiners.tagger.parts import find_parts, part_scores
from prox.refiners.tagger.weights import TaggerWeights, embedded_path, parse_weights, read_weights

LONGEST = 20_000
"""Lines read at once: a longer document is read as several pages, so that memory stays bounded."""


@dataclass(frozen=True, slots=True)
class _Page:
    """Consecutive lines of a chunk, read at once."""

    lines: list[str]
    features: LineFeatures
    logits: FloatArray  # of each visible line


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
        return _Page(lines, features, line_logits(states, self.weights.lines))


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

    def __init__(self, level: Level, keep_threshold: float | None = None, tagger: Tagger | None = None) -> None:
        """`keep_threshold`: the probability of keeping below which a document is dropped; the trained one if None.

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
            self._keep_threshold = weights.documents.threshold if keep_threshold is None else keep_threshold
            self.fingerprint += f":keep={self._keep_threshold!r}"

    def refine(self, chunks: Sequence[Chunk]) -> list[Draft]:
        readings = self._tagger.read([chunk.text for chunk in chunks])
        write = self._judge if self.level == Level.DOCUMENT else self._edit
        return [write(chunk, pages) for chunk, pages in zip(chunks, readings, strict=True)]

    def _judge(self, chunk: Chunk, pages: list[_Page]) -> Draft:
        """A long document is judged by its first page with a visible line; one without any is worth nothing."""
        score = 0.0
        for page in pages:
            if len(page.features.rows):
                logit = keep_logit(page.features, sigmoid(page.logits), self._judge_weights)
                score = float(sigmoid(np.array([logit]))[0])
                break
        keep = score >= self._keep_threshold
        return Draft(Program((KeepDocument() if keep else DropDocument(),)), score=score)

    def _edit(self, chunk: Chunk, pages: list[_Page]) -> Draft:
        operations: list[Operation] = []
        scores: list[np.ndarray] = []
        first_line = chunk.first_line
        for page in pages:
            probabilities = sigmoid(page.logits)
            noisy = probabilities >= self._tagger.weights.noise_threshold
            removed = removed_lines(noisy, page.features.rows, page.features.line_count)
            percent = np.zeros(page.features.line_count, np.uint8)
            percent[page.features.rows] = np.rint(probabilities * 100)
            scores.append(percent)
            operations += self._parts(page, ~noisy, first_line)
            operations += removals(removed, first_line)
            first_line += page.features.line_count
        program = Program(tuple(operations or [KeepDocument()]))
        return Draft(program, line_scores=np.concatenate(scores).tobytes())

    def _parts(self, page: _Page, kept: BoolArray, first_line: int) -> list[Operation]:
        """Each removal names its line. It takes a string out wherever the line has it, so all of them must be noise."""
        weights = self._tagger.weights.parts
        if weights is None:
            return []
        lines = page.features.rows[kept]
        parts = find_parts([page.lines[line] for line in lines.tolist()])
        if not parts:
            return []
        of_line = np.array([part.line for part in parts])
        scores = part_scores(parts, page.logits[kept][of_line], weights)
        noisy = Counter(
            (int(lines[part.line]), part.source)
            for part, score in zip(parts, scores.tolist(), strict=True)
            if score >= weights.threshold
        )
        operations: list[Operation] = []
        texts: dict[int, str] = {}
        for (number, source), count in noisy.items():
            text = texts.get(number, page.lines[number])
            rest = text.replace(source, "")
            if text.count(source) == count and rest.strip():
                texts[number] = rest
                operations.append(Replace(source, "", first_line + number, first_line + number))
        return operations
