"""What is known about records that end a worker, and how a block is taken apart around them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa

from prox.corpora import Block, Quarantined, table_of
from prox.document import Document
from prox.runs.plan import Unit


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker is in its unit: what it was about to do when it was last heard of.

    Attributes:
        step: `read` the next block, `decode` it, or `refine` documents of it; `commit` when all that is done.
        block: Number of the block in the unit.
        record: Number of the first record, where `step` is about some records only.
        records: How many.
    """

    step: str
    block: int = 0
    record: int = 0
    records: int = 0


@dataclass(frozen=True, slots=True)
class Care:
    """What earlier attempts at a unit taught: they ended the worker, and this one shall not.

    Attributes:
        apart: Numbers of blocks whose records are decoded one by one.
        alone: First records of batches that are refined one by one.
        refused: Records that go to quarantine unrefined, with the reason.
        avoided: Records that go there without even being decoded.
        skipped: Blocks of which all records do.
        end: From this block on nothing is read, with the reason.
        again: It is not the first attempt of this session, so parts of another one may lie about.
    """

    apart: frozenset[int] = frozenset()
    alone: frozenset[int] = frozenset()
    refused: tuple[tuple[int, str], ...] = ()
    avoided: tuple[tuple[int, str], ...] = ()
    skipped: tuple[tuple[int, str], ...] = ()
    end: tuple[int, str] | None = None
    again: bool = False


def rest_of(unit: Unit, record: int | None, offset: int, reason: str) -> Quarantined:
    """Stands for what is not read of a unit, from this record on; its place is told as well as it is known."""
    if record is not None:
        return Quarantined(unit.file.shown, record, reason, offset=offset)
    if unit.file.format == "parquet":
        return Quarantined(unit.file.shown, unit.span.first, reason)
    return Quarantined(unit.file.shown, 0, reason, offset=unit.span.first)


def single_records(block: Block) -> Iterator[Block]:
    """A block of JSON as blocks of one record each."""
    lines = block.payload.split(b"\n") if isinstance(block.payload, bytes) else block.payload
    position = block.position
    for number, raw in enumerate(lines, block.first_record):
        payload = raw if isinstance(block.payload, bytes) else (raw,)
        yield replace(block, first_record=number, records=1, payload=payload, position=position)
        position += len(raw) + 1


def single_rows(block: Block) -> Iterator[Block]:
    """A block of Arrow as blocks of one row each."""
    table = table_of(block)
    for row in range(block.records):
        yield _rows(block, table, row, 1)


def _rows(block: Block, table: pa.Table, first: int, rows: int) -> Block:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.slice(first, rows))
    return replace(block, first_record=block.first_record + first, records=rows, payload=sink.getvalue().to_pybytes())


def around(block: Block, avoided: dict[int, str]) -> list[Block | Quarantined]:
    """A block of Arrow in pieces around the rows that must not be decoded; nothing if there are none in it.

    Such a row is kept as Arrow has it: as an IPC stream of its own.
    """
    places = sorted(number - block.first_record for number in avoided if number >= block.first_record)
    places = [place for place in places if place < block.records]
    if not places:
        return []
    table = table_of(block)
    pieces: list[Block | Quarantined] = []
    reached = 0
    for place in [*places, block.records]:
        if place > reached:
            pieces.append(_rows(block, table, reached, place - reached))
        if place < block.records:
            number, own = block.first_record + place, _rows(block, table, place, 1)
            assert isinstance(own.payload, bytes)
            pieces.append(Quarantined(block.file, number, avoided[number], own.payload))
        reached = place + 1
    return pieces


def without(block: Block, avoided: dict[int, str]) -> tuple[Block, list[Quarantined]]:
    """A block without records that must not be read; blanks in their place let the others keep their numbers."""
    numbers = [number for number in avoided if block.first_record <= number < block.first_record + block.records]
    if not numbers:
        return block, []
    of_lines = isinstance(block.payload, bytes)
    raw = list(block.payload.split(b"\n") if isinstance(block.payload, bytes) else block.payload)
    quarantined = []
    for number in numbers:
        own = raw[number - block.first_record]
        quarantined.append(Quarantined(block.file, number, avoided[number], own, offset=block.offset))
        raw[number - block.first_record] = b" " * len(own) if of_lines else b""
    return replace(block, payload=b"\n".join(raw) if of_lines else tuple(raw)), quarantined


def in_pieces(
    records: Sequence[int], documents: Sequence[Document], refused: dict[int, str], alone: bool
) -> Iterator[list[tuple[int, Document]]]:
    """A batch as it is refined: in one, or what must stand alone apart from the others."""
    together: list[tuple[int, Document]] = []
    for pair in zip(records, documents, strict=True):
        if alone or pair[0] in refused:
            if together:
                yield together
            yield [pair]
            together = []
        else:
            together.append(pair)
    if together:
        yield together
