"""Labelled pages to train on: from gold, from annotations, and from the programs of a run.

Gold and annotations are JSON Lines. Lines are labelled by `raw_text` with `line_labels` (`neutral_lines`, `partials`),
as people do it, or by `raw_text` with a `program` in the canonical form; whole documents by `text` with `keep`. What is
labelled by a program is what the executor does with it, without any limits.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from prox.corpora import (
    Quarantined,
    choose_presets,
    decode,
    find_files,
    open_file_system,
    read_blocks,
)
from prox.corpora.pages import HtmlToText
from prox.document import Document, split_lines
from prox.errors import UsageError
from prox.program import DropDocument, Policy, Program, RemoveLines, Replace, execute, get_dialect
from prox.runs.gold import SOME_LINES, DocumentGold, gold_records, of_document, parse_gold, site_of, writable
from prox.runs.stages import DROPPED, QUARANTINED, TOO_LONG

NEUTRAL = -1
"""Label of a line that is left out of training and scoring."""

MOST_SUSPECT = 0.25
"""Gold that doubts itself more than this (its field `suspect`) probably leaves text out; it is passed over."""

Place: TypeAlias = tuple[int, int, int]
"""A line, and the start and end of noise inside it."""


@dataclass(frozen=True, slots=True)
class LabelledPage:
    """A page with a label for each line: 1 noise, 0 content, NEUTRAL unknown.

    Attributes:
        source: Who labelled it or where it is from, for the report; "" if nobody says.
        site: What the split goes by: `site_key`, `site`, the host of `url`, or else the id.
        labels: All NEUTRAL where nobody judged the lines.
        titles: Lines that are the title of the page, where somebody says so.
        partials: Noise inside content lines.
        unsure_lines: Lines in which something is changed that no partial can say.
        program: What labelled the lines, where that was a program.
        keep: Whether the document is worth keeping; None where nobody judged it.
        why_no_lines: Why nothing is known of the lines of a page of a run, "" if it is.
    """

    id: str
    source: str
    site: str
    language: str
    text: str
    labels: np.ndarray
    titles: tuple[int, ...] = ()
    partials: tuple[Place, ...] = ()
    unsure_lines: frozenset[int] = frozenset()
    program: Program | None = None
    keep: bool | None = None
    why_no_lines: str = ""

    @property
    def has_lines(self) -> bool:
        return bool((self.labels != NEUTRAL).any())


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A record that labels nothing, and why."""

    place: str
    reason: str


@dataclass(slots=True)
class Sorted:
    """Pages in memory, and what became of the other records.

    Attributes:
        passed_over: How many records label nothing, by reason, with the place of the first.
        lines_unknown: How many pages say nothing of their lines, by reason.
    """

    pages: list[LabelledPage] = field(default_factory=list)
    passed_over: dict[str, tuple[int, str]] = field(default_factory=dict)
    lines_unknown: Counter[str] = field(default_factory=Counter)


def sort_out(entries: Iterable[LabelledPage | PassedOver]) -> Sorted:
    """Count what labels nothing; nothing is lost in silence."""
    out = Sorted()
    for entry in entries:
        if isinstance(entry, LabelledPage):
            out.pages.append(entry)
            if entry.why_no_lines:
                out.lines_unknown[entry.why_no_lines] += 1
        else:
            count, first = out.passed_over.get(entry.reason, (0, entry.place))
            out.passed_over[entry.reason] = (count + 1, first)
    return out


def read_labels(paths: Sequence[str] | str) -> Iterator[LabelledPage | PassedOver]:
    """The records of label files, in order: gold, annotations, document gold, mixed as they come.

    Raises:
        UsageError: A path is wrong.
    """
    for place, record in gold_records(find_files(paths)):
        yield labelled_page(record, place)


def labelled_page(record: dict[str, Any] | Quarantined, place: str) -> LabelledPage | PassedOver:
    """The page of one record. Human labels win over a program."""
    if isinstance(record, Quarantined):
        return PassedOver(place, record.reason.partition(":")[0])
    suspect = record.get("suspect")
    if isinstance(suspect, int | float) and suspect > MOST_SUSPECT:
        return PassedOver(place, f"suspect above {MOST_SUSPECT}")
    of_people = any(record.get(name) is not None for name in ("line_labels", *SOME_LINES))
    if {"program", "raw_text"} <= record.keys() and not of_people and not of_document(record):
        return _page_of_program(record, place)
    gold = parse_gold(record, place)
    if isinstance(gold, str):
        return PassedOver(place, gold)
    page = unlabelled_page(gold.document, record)
    if isinstance(gold, DocumentGold):
        return replace(page, keep=gold.keep)
    labels = np.array(gold.noise, np.int64)
    labels[list(gold.neutral)] = NEUTRAL
    partials = tuple((line, start, end) for line, places in gold.partials.items() for start, end in places)
    titles = _numbers(record.get("title_lines"), len(labels))
    return replace(page, labels=labels, titles=titles, partials=partials, unsure_lines=gold.unsure)


def with_titles(page: LabelledPage) -> LabelledPage:
    """The page with its title as content, where nobody is sure of that.

    The texts that people made of pages often begin behind the title, so that gold leaves it neutral. Who trains on a
    corpus wants to know what a text is called.
    """
    unknown = [line for line in page.titles if page.labels[line] == NEUTRAL]
    if not unknown:
        return page
    labels = page.labels.copy()
    labels[unknown] = 0
    return replace(page, labels=labels)


def _numbers(given: Any, lines: int) -> tuple[int, ...]:
    """Numbers of lines that a record names beside its labels; anything else there says nothing."""
    if not isinstance(given, list):
        return ()
    return tuple(line for line in given if type(line) is int and 0 <= line < lines)


def unlabelled_page(document: Document, fields: Mapping[str, Any]) -> LabelledPage:
    extractor = fields.get("extractor")
    source = extractor.split("==")[0] if isinstance(extractor, str) and extractor else fields.get("source")
    language = fields.get("language")
    return LabelledPage(
        id=writable(document.id),
        source="" if source is None else writable(str(source)),
        site=site_of(fields) or writable(document.id),
        language=writable(language) if isinstance(language, str) else "",
        text=document.text,
        labels=np.full(document.text.count("\n") + 1, NEUTRAL, np.int64),
    )


def _page_of_program(record: dict[str, Any], place: str) -> LabelledPage | PassedOver:
    text, written = record["raw_text"], record["program"]
    if not isinstance(text, str) or not isinstance(written, str):
        return PassedOver(place, f"{'program' if isinstance(text, str) else 'raw_text'} is not a string")
    try:
        text.encode()
    except UnicodeEncodeError:
        return PassedOver(place, "lone surrogate")
    page = unlabelled_page(Document(str(record.get("id") or place), text), record)
    labelled = labelled_by(Program.parse(written), page)
    return PassedOver(place, labelled) if isinstance(labelled, str) else labelled


def labelled_by(program: Program, page: LabelledPage) -> LabelledPage | str:
    """The page with the labels that a program gives it, or why it gives none.

    Lines that it removes are noise, and what it takes out of other lines is partial noise where that says the same;
    else the line is one that nobody is sure of. New lines and new strings cannot be said by labels. A program that
    drops the document says nothing of its lines.
    """
    if program.errors:
        return "the program cannot be parsed"
    outcome = execute(page.text, program, Policy.unlimited())
    if any(isinstance(each.operation, RemoveLines) for each in outcome.rejected):
        return "the program names lines that the text does not have"
    if outcome.dropped:
        return replace(page, keep=False)
    lines = split_lines(page.text)
    labels = np.zeros(len(lines), np.int64)
    effective = outcome.program.operations
    said = outcome.program if outcome.rejected else program
    for operation in effective:
        if isinstance(operation, RemoveLines):
            labels[operation.first : operation.last + 1] = 1
    partials: list[Place] = []
    unsure = set()
    for number, replacements in _replacements(effective, lines).items():
        if labels[number]:
            continue
        places = _places(lines[number], replacements)
        if places is None:
            unsure.add(number)
        elif _is_all(lines[number], places):
            labels[number] = 1
        else:
            partials += [(number, start, end) for start, end in places]
    return replace(page, labels=labels, partials=tuple(partials), unsure_lines=frozenset(unsure), program=said)


def _replacements(operations: Sequence[object], lines: Sequence[str]) -> dict[int, list[Replace]]:
    """The replacements that act on each line, in order."""
    found: dict[int, list[Replace]] = {}
    for each in operations:
        if isinstance(each, Replace):
            first, last = each.first or 0, len(lines) - 1 if each.last is None else min(each.last, len(lines) - 1)
            across = "\n" in each.source
            pieces = split_lines(each.source)
            for number in range(first, last + 1):
                line = lines[number]
                if (
                    each.source in line
                    or number in found
                    or (across and any(piece and piece in line for piece in pieces))
                ):
                    found.setdefault(number, []).append(each)
    return found


def _places(line: str, replacements: Sequence[Replace]) -> list[tuple[int, int]] | None:
    """Where deletions alone take strings out of a line; None if that is not all that happens, or where is not clear."""
    places: list[tuple[int, int]] = []
    after = line
    for each in replacements:
        if each.target or "\n" in each.source:
            return None
        start = line.find(each.source)
        while start >= 0:
            places.append((start, start + len(each.source)))
            start = line.find(each.source, start + len(each.source))
        after = after.replace(each.source, "")
    gone = np.zeros(len(line), bool)
    for start, end in places:
        gone[start:end] = True
    left = "".join(character for character, out in zip(line, gone.tolist(), strict=True) if not out)
    return sorted(set(places)) if left == after else None


def _is_all(line: str, places: Sequence[tuple[int, int]]) -> bool:
    """Whether nothing visible is left."""
    gone = {place for start, end in places for place in range(start, end)}
    return bool(places) and all(character.isspace() for place, character in enumerate(line) if place not in gone)


# --- the programs of a run


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a run says of one document.

    Attributes:
        lines: The program for its lines, None if there is none to learn from.
        keep: What the document level decided; None if it did not, or failed.
        fault: Why `lines` is None.
        unread: Lines that were too long to be shown to a refiner.
    """

    lines: str | None
    keep: bool | None
    dialect: str | None
    fault: str
    unread: tuple[int, ...] = ()


def read_run(
    programs: str,
    input: Sequence[str] | str,
    corpus: str | None = None,
    text_field: str | None = None,
    html_to_text: HtmlToText = "resiliparse",
) -> Iterator[LabelledPage | PassedOver]:
    """The documents of a run with what its refiners said of them, in the order of the corpus.

    A document is known by its id and the hash of its text. Document labels are what the document level decided; lines
    are labelled by the program of the chunk level, if its refiner wrote one. All programs are held in memory.

    Args:
        programs: The `programs/` of `prox refine`, whoever the refiner was, or a table of another tool (see `stored:`).
        input: The raw corpus; what `corpus`, `text_field` and `html_to_text` were in the run.

    Raises:
        UsageError: A path is wrong, or the tables are no programs.
    """
    rows = _program_rows(programs)
    ids = {id for id, _ in rows}
    met: set[tuple[str, str]] = set()
    files = find_files(input)
    presets, _ = choose_presets(files, corpus, text_field, html_to_text)
    for file in files:
        for block in read_blocks(file):
            if isinstance(block, Quarantined):
                yield PassedOver(file.name, block.reason.partition(":")[0])
                continue
            batch = decode(block, presets[file.path])
            for entry in batch.quarantined:
                yield PassedOver(f"{file.name}, record {entry.record}", entry.reason.partition(":")[0])
            for document in batch.documents:
                key = (document.id, hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest())
                place = f"{file.name}, id {writable(document.id)}"
                if key in rows:
                    met.add(key)
                    yield _page_of_run(document, rows[key], place)
                elif document.id in ids:
                    yield PassedOver(place, "the text differs from the one the program was written for")
                else:
                    yield PassedOver(place, "no program for this id")
    for id, _ in [key for key in rows if key not in met]:  # in their order: a set has another one every time
        yield PassedOver(f"program of {writable(id)}", "the document of the program is not in the input")


def _page_of_run(document: Document, judged: _Judged, place: str) -> LabelledPage | PassedOver:
    page = replace(unlabelled_page(document, document.metadata), keep=judged.keep)
    if judged.lines is not None:
        try:
            program = (get_dialect(judged.dialect).parse if judged.dialect else Program.parse)(judged.lines)
        except UsageError as error:
            return PassedOver(place, str(error))
        labelled = labelled_by(program, page)
        if not isinstance(labelled, str):
            unread = [number for number in judged.unread if number < len(labelled.labels)]
            labelled.labels[unread] = NEUTRAL
            return labelled
        judged = replace(judged, fault=labelled)
    if page.keep is None:
        return PassedOver(place, judged.fault)
    return replace(page, why_no_lines=judged.fault)


def _program_rows(programs: str) -> dict[tuple[str, str], _Judged]:
    """What is said of each document, by its id and the hash of its text."""
    fs, path = open_file_system(programs)
    inside = sorted(fs.ls(path, detail=False)) if fs.isdir(path) else []
    parts = [name for name in inside if name.endswith(".parquet") and name.rpartition("/")[2].startswith("part-")]
    if not parts:
        beside = f" Did you mean {programs.rstrip('/')}/programs?" if fs.isdir(f"{path.rstrip('/')}/programs") else ""
        raise UsageError(f"{programs} holds no programs (part-*.parquet) of a run.{beside}")
    rows = {}
    for part in parts:
        with fs.open(part, "rb") as file:
            try:
                parquet = pq.ParquetFile(file)
                there = parquet.schema_arrow.names
                if missing := {"id", "text_sha256", "decision", "program"}.difference(there):
                    raise UsageError(f"{part} is no part of programs: it has no {', '.join(sorted(missing))}")
                wanted = ["id", "text_sha256", "decision", "program", "reason", "dialect", "stages"]
                for batch in parquet.iter_batches(1024, columns=[name for name in wanted if name in there]):
                    for row in batch.to_pylist():
                        if row["text_sha256"] is None:
                            continue  # could not be read in the run, and cannot be now
                        rows[str(row["id"]), str(row["text_sha256"])] = _judged(row)
            except (pa.ArrowException, OSError) as error:
                raise UsageError(f"{part} is no part of programs: {error}") from error
    return rows


def _judged(row: dict[str, Any]) -> _Judged:
    decision, dialect = row["decision"], row.get("dialect")
    if decision == QUARANTINED:
        return _Judged(None, None, dialect, "quarantined in the run")
    stages = row.get("stages")
    if not stages:  # a table of another tool
        if decision == DROPPED:
            return _Judged(None, False, dialect, "dropped as a document")
        return _Judged(row["program"] or "", True, dialect, "")
    of_level = {stage["level"]: stage for stage in stages}
    document, lines = of_level.get("document"), of_level.get("chunk")
    keep = None if document is None or document["failures"] else not _drops(document["program"])
    if lines is None:
        fault = "dropped as a document" if keep is False else "the run had no chunk level"
    elif lines["failures"]:
        fault = "its refiner wrote no usable program"
    elif _drops(lines["program"]):
        fault = "so little was left after editing that the run dropped it"
    else:
        unread = [found for each in lines["rejected"] or () if (found := _UNREAD.fullmatch(each))]
        return _Judged(lines["program"] or "", keep, None, "", tuple(int(found[1]) for found in unread))
    return _Judged(None, keep, None, fault)


_UNREAD = re.compile(rf"line (\d{{1,12}}): {re.escape(TOO_LONG)}")


def _drops(program: str | None) -> bool:
    return any(isinstance(operation, DropDocument) for operation in Program.parse(program or "").operations)
