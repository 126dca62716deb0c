"""The texts of an Arrow column of any type that can hold text."""

import pyarrow as pa


def text_values(table: pa.Table, name: str) -> tuple[list[str | None], list[str | None]]:
    """The text of each row, and why a row has none (None where it has one). Bytes count as text if they are UTF-8."""
    rows = table.num_rows
    if name not in table.column_names:
        return [None] * rows, [f'no text: column "{name}" is missing'] * rows
    column = table.column(table.column_names.index(name))
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_null(column.type):
        column = column.cast(pa.string())
    if not (is_string(column.type) or is_bytes(column.type)):
        return [None] * rows, [f'no text: column "{name}" holds {column.type}'] * rows
    texts, faults = _strings(column)
    if column.null_count:
        faults = [
            f'no text: column "{name}" is null' if text is None and fault is None else fault
            for text, fault in zip(texts, faults, strict=True)
        ]
    return texts, faults


def is_string(kind: pa.DataType) -> bool:
    """Whether Arrow promises text (Parquet does not check it)."""
    return str(kind) in ("string", "large_string", "string_view")


def is_bytes(kind: pa.DataType) -> bool:
    """Whether the values are bytes: how some writers store text."""
    return str(kind) in ("binary", "large_binary", "binary_view")


def _strings(column: pa.ChunkedArray) -> tuple[list[str | None], list[str | None]]:
    faults: list[str | None] = [None] * len(column)
    if is_string(column.type):
        try:
            return column.to_pylist(), faults
        except UnicodeDecodeError:
            column = column.cast(pa.large_binary())
    texts: list[str | None] = []
    for row, value in enumerate(column.to_pylist()):
        try:
            texts.append(None if value is None else value.decode())
        except UnicodeDecodeError as error:
            texts.append(None)
            faults[row] = f"invalid UTF-8: {error.reason} at byte {error.start:,}"
    return texts, faults
