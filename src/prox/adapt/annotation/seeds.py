"""The documents to label: read, drawn, and kept in the output folder so that nobody has to read the corpus twice."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from prox.adapt.annotation.sampling import Sample, Stratum, draw
from prox.adapt.annotation.selection import most_disputed
from prox.corpora import (
    Quarantined,
    StorageError,
    choose_presets,
    decode,
    find_files,
    json_text,
    read_blocks,
    shown_path,
    write_atomically,
)
from prox.corpora.arrow_values import to_json_value
from prox.corpora.files import CorpusFile
from prox.corpora.pages import HtmlToText
from prox.document import Document
from prox.errors import RunError, UsageError
from prox.refiners.draft import Level

_SAMPLE = "sample.jsonl"
_ABOUT = "sample.json"


@dataclass(frozen=True, slots=True)
class Source:
    """Which documents to label.

    Attributes:
        inputs: Files, folders and globs.
        count: How many.
        seed, stratify: See `draw`.
        disagree: Specs of two refiners; of a pool of documents those are taken on which they differ most.
        pool: Documents in that pool.
        corpus, text_field, html_to_text: How the corpus is read, see `choose_presets`.
    """

    inputs: tuple[str, ...]
    count: int
    seed: int = 0
    stratify: tuple[str, ...] = ()
    disagree: tuple[str, str] | None = None
    pool: int = 0
    corpus: str | None = None
    text_field: str | None = None
    html_to_text: HtmlToText = "resiliparse"


@dataclass(frozen=True, slots=True)
class Seeds:
    """The documents, and what was found on the way to them.

    Attributes:
        documents: To be labelled, in this order.
        records: Of the corpus, read or not.
        passed_over: Records that are no candidates, by reason.
        strata: Documents of the sample by stratum.
        disagreement: By place in `documents`, where that is why they were chosen.
        problems: With files.
    """

    documents: tuple[Document, ...]
    records: int
    passed_over: dict[str, int]
    strata: dict[str, int]
    disagreement: tuple[float, ...] = ()
    problems: tuple[str, ...] = ()


def find_seeds(
    source: Source, level: Level, output: str, on_records: Callable[[int], None] = lambda records: None
) -> Seeds:
    """Draw the documents, or take those that an earlier call with the same source and corpus has left in the output.

    Raises:
        UsageError: An input is wrong, lies in the output, or has no document.
        RunError: A file cannot be read on.
    """
    files = find_files(source.inputs)
    here = Path(output).resolve()
    if inside := [file.shown for file in files if Path(file.path).resolve().is_relative_to(here)]:
        raise UsageError(f"{inside[0]} lies in the output folder. Name another folder for the labels")
    fingerprint = _fingerprint(source, level, files)
    if (kept := _kept(output, fingerprint)) is not None:
        return kept
    seeds = _draw(source, level, files, on_records)
    if not seeds.documents:
        found = "; ".join(f"{reason} ({count})" for reason, count in list(seeds.passed_over.items())[:3])
        raise UsageError(f"there is no document in {', '.join(source.inputs)}: {found or 'no records'}")
    _keep(output, fingerprint, seeds)
    return seeds


def _draw(source: Source, level: Level, files: Sequence[CorpusFile], on_records: Callable[[int], None]) -> Seeds:
    presets, problems = choose_presets(files, source.corpus, source.text_field, source.html_to_text)
    passed_over: Counter[str] = Counter()
    records = 0

    def documents() -> Iterator[Document]:
        nonlocal records
        for file in files:
            try:
                for block in read_blocks(file):
                    batch = None if isinstance(block, Quarantined) else decode(block, presets[file.path])
                    quarantined = [block] if isinstance(block, Quarantined) else batch.quarantined if batch else []
                    passed_over.update(each.reason.partition(":")[0] for each in quarantined)
                    found = batch.documents if batch else []
                    records += len(quarantined) + len(found)
                    on_records(records)
                    for document in found:
                        if document.text.isspace() or not document.text:
                            passed_over["empty text"] += 1
                        else:
                            yield document
            except StorageError as error:
                raise RunError(f"{file.shown} cannot be read: {error}. The same command again begins anew") from error

    count = source.pool if source.disagree else source.count
    sample: Sample = draw(documents(), count, source.seed, source.stratify)
    drawn = [replace(document, metadata=to_json_value(document.metadata)) for document in sample.documents]
    disagreement: tuple[float, ...] = ()
    if source.disagree:
        disputed = most_disputed(drawn, source.disagree, level, source.count)
        drawn = [each.document for each in disputed.chosen]
        disagreement = tuple([each.disagreement for each in disputed.chosen])
        passed_over.update(disputed.without_programs)
    return Seeds(
        tuple(drawn),
        records,
        dict(passed_over.most_common()),
        {_shown(stratum): size for stratum, size in sample.strata.items()} if source.stratify else {},
        disagreement,
        tuple(map(shown_path, problems)),
    )


def _shown(stratum: Stratum) -> str:
    return shown_path(" · ".join(part or "unknown" for part in stratum))


def _fingerprint(source: Source, level: Level, files: Sequence[CorpusFile]) -> str:
    found = [(file.path, file.size, file.version) for file in files]
    asked = replace(source, inputs=())
    return hashlib.sha256(repr((asked, level if source.disagree else "", found)).encode(errors="replace")).hexdigest()


def _keep(output: str, fingerprint: str, seeds: Seeds) -> None:
    """First the documents, then the file that vouches for them."""
    marks: Sequence[float | None] = seeds.disagreement or [None] * len(seeds.documents)
    rows = [
        {"id": document.id, "text": document.text, "metadata": dict(document.metadata)}
        | ({} if mark is None else {"disagreement": mark})
        for document, mark in zip(seeds.documents, marks, strict=True)
    ]
    about = {
        "fingerprint": fingerprint,
        "documents": len(rows),
        "records": seeds.records,
        "passed_over": seeds.passed_over,
        "strata": seeds.strata,
        "problems": seeds.problems,
    }
    data = b"".join([json_text.dumps(row) + b"\n" for row in rows])
    Path(output, _ABOUT).unlink(missing_ok=True)
    write_atomically(f"{output}/{_SAMPLE}", data)
    write_atomically(f"{output}/{_ABOUT}", orjson.dumps(about, option=orjson.OPT_INDENT_2))


def _kept(output: str, fingerprint: str) -> Seeds | None:
    try:
        about = orjson.loads(Path(output, _ABOUT).read_bytes())
        if about["fingerprint"] != fingerprint:
            return None
        lines = Path(output, _SAMPLE).read_bytes().splitlines()
        rows = [json_text.loads(line) for line in lines]
        return Seeds(
            tuple([Document(row["id"], row["text"], row["metadata"]) for row in rows]),
            about["records"],
            about["passed_over"],
            about["strata"],
            tuple([row["disagreement"] for row in rows if "disagreement" in row]),
            tuple(about["problems"]),
        )
    except (OSError, ValueError, KeyError, TypeError):  # none, or not whole: it is drawn again
        return None
