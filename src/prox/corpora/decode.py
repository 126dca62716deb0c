"""Blocks to documents."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any

import pyarrow as pa

from prox.corpora import json_text
from prox.corpora.arrow_values import RowMetadata, column_values, row_values, take_rows, to_json_value
from prox.corpora.identity import id_fault, id_text, is_id, made_id, own_id, shown_id
from prox.corpora.json_text import InvalidJsonError
from prox.corpora.pages import NoTextError, page_records
from prox.corpora.presets import Preset
from prox.corpora.records import Block, Quarantined
from prox.corpora.text_columns import text_values
from prox.document import Document


@dataclass(frozen=True, slots=True)
class Batch:
    """The documents of one block, in the order of the file.

    Attributes:
        documents: Every record that has a text.
        records: The record number of each document.
        ids: The id of each document as its record has it (a number stays a number), or the one made for it.
        quarantined: The other records, with their numbers.
        table: Of Parquet, the rows of the documents as they were read; None for JSON.
        id_column: Of Parquet, the column that gave all ids; None if several did or some ids are made.
    """

    file: str
    preset: Preset
    documents: list[Document] = field(default_factory=list)
    records: list[int] = field(default_factory=list)
    ids: list[Any] = field(default_factory=list)
    quarantined: list[Quarantined] = field(default_factory=list)
    table: pa.Table | None = None
    id_column: str | None = None


def decode(block: Block, preset: Preset) -> Batch:
    """Parse a block. A record without a usable text is quarantined; nothing raises."""
    batch = _decode_table(block, preset) if block.layout == "arrow" else _decode_records(block, preset)
    if block.offset:
        return replace(batch, quarantined=[replace(entry, offset=block.offset) for entry in batch.quarantined])
    return batch


def json_values(block: Block) -> Iterator[tuple[int, bytes, Any]]:
    """Number, raw bytes and value of each JSON record; the value is an `InvalidJsonError` where there is none."""
    lines = block.payload.split(b"\n") if isinstance(block.payload, bytes) else block.payload
    for number, raw in enumerate(lines, block.first_record):
        if raw and not raw.isspace():
            try:
                yield number, raw, json_text.loads(raw)
            except InvalidJsonError as error:
                yield number, raw, error


def raw_records(block: Block, preset: Preset) -> Iterator[tuple[int, bytes, Any]]:
    """Number, raw bytes and value of each record of a block that is no table; an error where there is none."""
    return page_records(block, preset.html_to_text) if block.layout == "warc" else json_values(block)


def record_fault(value: Any) -> str | None:
    """Why a value of `raw_records` is no record; None if it is one."""
    if isinstance(value, dict):
        return None
    return str(value) if isinstance(value, ValueError) else f"not an object: {_JSON_NAMES[type(value)]}"


def table_of(block: Block) -> pa.Table:
    """The rows of a block of Parquet."""
    return pa.ipc.open_stream(block.payload).read_all()


_JSON_NAMES = {
    dict: "an object",
    list: "an array",
    str: "a string",
    int: "a number",
    float: "a number",
    bool: "a boolean",
    type(None): "null",
}


def _decode_records(block: Block, preset: Preset) -> Batch:
    batch = Batch(block.file, preset)
    used = preset.used_fields
    places: list[int] = []
    for number, raw, record in raw_records(block, preset):
        if reason := record_fault(record):
            id_of_page = record.id if isinstance(record, NoTextError) else None
            batch.quarantined.append(Quarantined(block.file, number, reason, raw, shown_id(id_of_page)))
            continue
        if not json_text.is_writable("".join(record)):
            reason = "lone surrogate: the name of a field is not Unicode"
            batch.quarantined.append(Quarantined(block.file, number, reason, raw))
            continue
        own = own_id(record, preset)
        text = record.get(preset.text_field)
        if reason := _text_fault(text, preset.text_field, preset.text_field in record):
            batch.quarantined.append(Quarantined(block.file, number, reason, raw, shown_id(own)))
            continue
        if own is None:
            places = places or _places(block)
            own = made_id(text, block.file, places[number - block.first_record])
        id = id_text(own)
        if reason := id_fault(id):
            batch.quarantined.append(Quarantined(block.file, number, reason, raw))
            continue
        metadata = {field: value for field, value in record.items() if field not in used}
        batch.documents.append(Document(id, text, metadata))
        batch.records.append(number)
        batch.ids.append(own)
    return batch


def _places(block: Block) -> list[int]:
    """Where the records lie in their file, by a measure that is the same however the file is cut: bytes for lines."""
    if isinstance(block.payload, bytes):
        return list(accumulate([len(line) + 1 for line in block.payload.split(b"\n")], initial=block.position))
    return list(range(block.first_record, block.first_record + block.records))


def _text_fault(text: Any, field: str, there: bool) -> str | None:
    if isinstance(text, str):
        return None if text.isascii() or json_text.is_writable(text) else "lone surrogate: the text is not Unicode"
    if not there:
        return f'no text: field "{field}" is missing'
    return f'no text: field "{field}" is {_JSON_NAMES[type(text)]}'


def _decode_table(block: Block, preset: Preset) -> Batch:
    table = table_of(block)
    names = table.column_names
    texts, faults = text_values(table, preset.text_field)
    own_ids, id_column = _own_ids(table, preset, block, texts)
    ids = [id_text(own) for own in own_ids]
    for row, id in enumerate(ids):
        if faults[row] is None:
            faults[row] = id_fault(id)
    good = [row for row, fault in enumerate(faults) if fault is None]
    quarantined = _quarantined_rows(table, block, preset, faults)
    if len(good) < table.num_rows:
        table = take_rows(table, good)
    shown = {name: position for position, name in enumerate(names) if name not in preset.used_fields}
    return Batch(
        file=block.file,
        preset=preset,
        documents=[Document(ids[row], texts[row] or "", RowMetadata(table, i, shown)) for i, row in enumerate(good)],
        records=[block.first_record + row for row in good],
        ids=[own_ids[row] for row in good],
        quarantined=quarantined,
        table=table,
        id_column=id_column,
    )


def _own_ids(table: pa.Table, preset: Preset, block: Block, texts: list[str | None]) -> tuple[list[Any], str | None]:
    """The ids of all rows, made ones where there is none, and the column that gave them all, if one did."""
    ids: list[Any] = [None] * table.num_rows
    for name in preset.id_fields:
        if name in table.column_names:
            values = column_values(table.column(table.column_names.index(name)))
            if all(map(is_id, values)) and not any(map(is_id, ids)):
                return values, name
            ids = [own if is_id(own) else value for own, value in zip(ids, values, strict=True)]
    for row, own in enumerate(ids):
        if not is_id(own):
            ids[row] = made_id(texts[row] or "", block.file, block.first_record + row)
    return ids, None


def _quarantined_rows(table: pa.Table, block: Block, preset: Preset, faults: list[str | None]) -> list[Quarantined]:
    bad = [row for row, fault in enumerate(faults) if fault is not None]
    if not bad:
        return []
    records = row_values(take_rows(table, bad))
    return [
        Quarantined(
            file=block.file,
            record=block.first_record + row,
            reason=faults[row] or "",
            raw=json_text.dumps(to_json_value(record)),
            id=shown_id(own_id(record, preset)),
        )
        for row, record in zip(bad, records, strict=True)
    ]
