"""The texts of a corpus, in an order that a seed decides."""

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from prox.corpora import (
    WHOLE,
    CorpusFile,
    Preset,
    Quarantined,
    Span,
    choose_presets,
    decode,
    find_files,
    open_file_system,
    read_blocks,
)
from prox.errors import UsageError
from prox.runs.plan import plan_units
from prox.runs.record import RUN_FILE

if TYPE_CHECKING:
    from prox.corpora.pages import HtmlToText


@dataclass(frozen=True, slots=True)
class Piece:
    """A range of one file."""

    file: CorpusFile
    preset: Preset
    span: Span


@dataclass(slots=True)
class Counts:
    """What was read.

    Attributes:
        quarantined: Records that could not be read, by kind of reason.
    """

    documents: int = 0
    empty: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Corpus:
    """All files that were found.

    Attributes:
        problems: With some of the files, for people.
        digest: Changes with the files, their sizes and versions.
    """

    files: tuple[CorpusFile, ...]
    presets: dict[str, Preset]
    problems: tuple[str, ...]
    digest: str

    def pieces(self, seed: int) -> list[Piece]:
        """In the order of a seed.

        A compressed file is one piece: whoever reads its end has to unpack all that stands before.
        """
        whole = [Piece(file, self.presets[file.path], WHOLE) for file in self.files if file.compression]
        others = [file for file in self.files if not file.compression]
        units = plan_units(others, self.presets, language_model=False).units() if others else iter(())
        pieces = whole + [Piece(unit.file, unit.preset, unit.span) for unit in units]
        random.Random(seed).shuffle(pieces)
        return pieces


def open_corpus(
    inputs: Sequence[str],
    name: str | None = None,
    text_field: str | None = None,
    html_to_text: str | None = None,
) -> Corpus:
    """Find the files and recognise what they hold; of an output folder of `prox refine`, its texts.

    Raises:
        UsageError: There are none, or they have no text.
        RunError: Their storage does not answer.
    """
    found = find_files([texts_of_run(given) for given in inputs])
    presets, problems = choose_presets(found.files, name, text_field, cast("HtmlToText", html_to_text or "resiliparse"))
    digest = hashlib.blake2b(digest_size=16)
    for file in found.files:
        digest.update(f"{file.shown}\0{file.size}\0{file.version}\0".encode())
    return Corpus(found.files, presets, tuple(problems), digest.hexdigest())


def texts_of_run(given: str) -> str:
    """Where the texts are: `text/` in an output folder of `prox refine`, or else what was given.

    Raises:
        UsageError: The run dropped everything.
    """
    fs, path = open_file_system(given)
    path = path.rstrip("/")
    try:
        is_run = fs.isdir(path) and fs.exists(f"{path}/{RUN_FILE}") and fs.isdir(f"{path}/programs")
        has_text = is_run and fs.isdir(f"{path}/text") and bool(fs.ls(f"{path}/text", detail=False))
    except Exception:  # storage libraries raise errors of their own kinds; find_files names the path with them
        return given
    if is_run and not has_text:
        raise UsageError(f"{given} is of a run of prox refine, but holds no text: everything was dropped")
    return f"{given.rstrip('/')}/text" if is_run else given


def texts(piece: Piece, counts: Counts) -> Iterator[list[str]]:
    """The texts of a piece, some megabytes at a time; counts what it gives and what it cannot.

    Raises:
        StorageError: A file cannot be opened or read on.
    """
    for block in read_blocks(piece.file, span=piece.span):
        if isinstance(block, Quarantined):
            counts.quarantined[_kind(block)] += 1
            continue
        batch = decode(block, piece.preset)
        counts.quarantined.update(map(_kind, batch.quarantined))
        found = [document.text for document in batch.documents if document.text]
        counts.documents += len(found)
        counts.empty += len(batch.documents) - len(found)
        if found:
            yield found


def _kind(entry: Quarantined) -> str:
    return entry.reason.partition(":")[0]


def shown_counts(counts: Counts) -> dict[str, Any]:
    return {
        "documents": counts.documents,
        "empty_documents": counts.empty,
        "quarantined": dict(counts.quarantined.most_common()),
    }
