"""Refined documents as rows: `id`, `text`, then all metadata of the record."""

from collections.abc import Container, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from prox.corpora.arrow_values import row_values, take_rows
from prox.corpora.decode import Batch
from prox.corpora.text_columns import is_string

Rows: TypeAlias = pa.Table | list[dict[str, Any]]
"""Rows ready to write: an Arrow table where the input was Parquet, dicts where it was JSON."""

_STALE_METADATA = (b"huggingface", b"pandas")  # describe the columns, which may be others now


def refined_rows(batch: Batch, texts: Sequence[str | None]) -> Rows:
    """The rows of the documents whose text is not None, in the order of the batch.

    `text` takes the place of the input's text field. Another input field named `text` or `id` becomes `input_text` or
    `input_id`. Parquet columns keep their Arrow type; `id` becomes a string where not all ids come from one column.

    Raises:
        ValueError: There is not one text per document.
    """
    if len(texts) != len(batch.documents):
        raise ValueError(f"{len(texts)} texts for {len(batch.documents)} documents")
    return _record_rows(batch, texts) if batch.table is None else _table_rows(batch, batch.table, texts)


def concat_rows(parts: Sequence[Rows]) -> Rows:
    """Several rows in one, in order. Arrow tables of different types that do not combine become dicts."""
    if all(isinstance(part, pa.Table) for part in parts) and parts:
        try:
            return pa.concat_tables(parts, promote_options="default")
        except pa.ArrowException:
            pass
    return [row for part in parts for row in (row_values(part) if isinstance(part, pa.Table) else part)]


def _record_rows(batch: Batch, texts: Sequence[str | None]) -> list[dict[str, Any]]:
    rows = []
    for document, id, text in zip(batch.documents, batch.ids, texts, strict=True):
        if text is not None:
            metadata = document.metadata
            if "text" in metadata or "id" in metadata:
                metadata = {_output_name(name, metadata): value for name, value in metadata.items()}
            rows.append({"id": id, "text": text, **metadata})
    return rows


def _table_rows(batch: Batch, table: pa.Table, texts: Sequence[str | None]) -> pa.Table:
    kept = [row for row, text in enumerate(texts) if text is not None]
    used = batch.preset.used_fields
    names = table.column_names
    metadata = [(position, name) for position, name in enumerate(names) if name not in used]
    others = {name for _, name in metadata}
    if batch.preset.text_field in names:
        text_field = table.field(names.index(batch.preset.text_field)).with_name("text")
    else:  # then no row had a text
        text_field = pa.field("text", pa.string())
    text_type = _text_type(text_field.type)
    text_column = pa.chunked_array([pa.array([texts[row] for row in kept], text_type)])
    if len(kept) < table.num_rows:
        table = take_rows(table, kept)
    if batch.id_column is None:
        id_field = pa.field("id", pa.string())
        id_column = pa.chunked_array([pa.array([batch.documents[row].id for row in kept], pa.string())])
    else:
        position = names.index(batch.id_column)
        id_field, id_column = table.field(position).with_name("id"), table.column(position)
    fields = [id_field, text_field.with_type(text_type)]
    fields += [table.field(position).with_name(_output_name(name, others)) for position, name in metadata]
    columns = [id_column, text_column, *(table.column(position) for position, _ in metadata)]
    schema = pa.schema(fields, metadata=table.schema.metadata)
    if schema.names != names:
        schema = _without_stale_metadata(schema)
    return pa.Table.from_arrays(columns, schema=schema)


def _text_type(kind: pa.DataType) -> pa.DataType:
    if is_string(kind):
        return kind
    return pa.large_string() if pa.types.is_large_binary(kind) else pa.string()


def _output_name(name: str, taken: Container[str]) -> str:
    """The name of a metadata field in the output, where `id` and `text` belong to the document."""
    if name not in ("id", "text"):
        return name
    name = f"input_{name}"
    while name in taken:
        name = f"input_{name}"
    return name


def _without_stale_metadata(schema: pa.Schema) -> pa.Schema:
    metadata = {key: value for key, value in (schema.metadata or {}).items() if key not in _STALE_METADATA}
    return schema.with_metadata(metadata or None)
