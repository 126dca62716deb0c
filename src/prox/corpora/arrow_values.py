"""Arrow values as Python values, also where pyarrow itself gives up."""

import base64
import datetime
import decimal
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from prox.corpora import json_text
from prox.corpora.json_text import InvalidJsonError

JSON_MARK = {b"prox.encoding": b"json"}
"""Metadata of an Arrow field whose strings are JSON text, because its values had no common Arrow type."""


def is_json_text(field: pa.Field) -> bool:
    """Whether the strings of this field are JSON text."""
    metadata = field.metadata or {}
    return all(metadata.get(key) == value for key, value in JSON_MARK.items())


def column_values(column: pa.Array | pa.ChunkedArray, field: pa.Field | None = None) -> list[Any]:
    """Like `to_pylist`, but total: bytes that are no UTF-8 come as surrogate escapes, instants that Python cannot hold
    as strings. A field of JSON text comes as what it encodes.
    """
    try:
        # Of nanoseconds pyarrow makes what pandas has, if it is there.
        exact = _with_leaves(column.type, _in_microseconds)
        values: list[Any] = (column if exact == column.type else column.cast(exact)).to_pylist()
    except (UnicodeDecodeError, ValueError, OverflowError, pa.ArrowNotImplementedError):
        values = [_surrogate_escaped(value) for value in column.cast(_with_leaves(column.type, _safe_type)).to_pylist()]
    if field is not None and is_json_text(field):
        return [_from_json_text(value) for value in values]
    return values


def _from_json_text(value: Any) -> Any:
    try:
        return json_text.loads(value.encode()) if isinstance(value, str) else value
    except (InvalidJsonError, UnicodeEncodeError):  # somebody else has edited the column
        return value


def row_values(table: pa.Table) -> list[dict[str, Any]]:
    """All rows as dicts, by `column_values`."""
    names = table.column_names
    columns = [column_values(column, field) for column, field in zip(table.columns, table.schema, strict=True)]
    if not columns:
        return [{} for _ in range(table.num_rows)]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def take_rows(table: pa.Table, rows: Sequence[int]) -> pa.Table:
    """The given rows of a table, in ascending order, of any type."""
    try:
        return table.take(pa.array(rows, pa.int64()))
    except pa.ArrowNotImplementedError:  # the view types
        pieces = [table.slice(0, 0), *(table.slice(row, 1) for row in rows)]
        return pa.concat_tables(pieces)


def to_json_value(value: Any) -> Any:
    """A Python value in the types that JSON knows.

    Instants become ISO 8601 strings, decimals strings, bytes base64, durations seconds, maps objects (a list of pairs
    if a key is no string or repeats).
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): to_json_value(inner) for key, inner in value.items()}
        case tuple() | list():
            return _json_list(value)
        case bytes():
            return base64.b64encode(value).decode()
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case datetime.timedelta():
            return value.total_seconds()
        case decimal.Decimal() | uuid.UUID():
            return str(value)
    return str(value)


class RowMetadata(Mapping[str, Any]):
    """The metadata of one row of an Arrow table, converted when somebody looks."""

    __slots__ = ("_names", "_row", "_table")

    def __init__(self, table: pa.Table, row: int, names: Mapping[str, int]) -> None:
        """Show the columns `names` (name to position) of the row."""
        self._table = table
        self._row = row
        self._names = names

    def __getitem__(self, name: str) -> Any:
        position = self._names[name]
        return column_values(self._table.column(position).slice(self._row, 1), self._table.field(position))[0]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and dict(self) == dict(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def _json_list(values: list[Any] | tuple[Any, ...]) -> Any:
    if values and all(isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[0], str) for pair in values):
        pairs = {key: to_json_value(inner) for key, inner in values}
        if len(pairs) == len(values):
            return pairs
    return [to_json_value(value) for value in values]


def _in_microseconds(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind) and kind.unit == "ns":
        return pa.timestamp("us", kind.tz)
    return pa.duration("us") if pa.types.is_duration(kind) and kind.unit == "ns" else kind


def _safe_type(kind: pa.DataType) -> pa.DataType:
    """A type that holds the same values and that `to_pylist` always converts."""
    if str(kind) in ("string", "string_view"):
        return pa.binary()
    if pa.types.is_large_string(kind):
        return pa.large_binary()
    return pa.string() if pa.types.is_temporal(kind) else kind


def _with_leaves(kind: pa.DataType, leaf: Callable[[pa.DataType], pa.DataType]) -> pa.DataType:
    """The same type with other types for its values, however deep they lie."""
    if pa.types.is_dictionary(kind):
        inner = _with_leaves(kind.value_type, leaf)
        return kind if inner == kind.value_type else inner
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_with_leaves(field.type, leaf)) for field in kind])
    if pa.types.is_map(kind):
        return pa.map_(_with_leaves(kind.key_type, leaf), _with_leaves(kind.item_type, leaf))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_with_leaves(kind.value_type, leaf), kind.list_size)
    if pa.types.is_large_list(kind):
        return pa.large_list(_with_leaves(kind.value_type, leaf))
    if pa.types.is_list(kind):
        return pa.list_(_with_leaves(kind.value_type, leaf))
    return leaf(kind)


def _surrogate_escaped(value: Any) -> Any:
    match value:
        case bytes():
            return value.decode(errors="surrogateescape")
        case dict():
            return {key: _surrogate_escaped(inner) for key, inner in value.items()}
        case list():
            return [_surrogate_escaped(inner) for inner in value]
        case tuple():
            return tuple(_surrogate_escaped(inner) for inner in value)
    return value
