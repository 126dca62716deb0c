"""Dicts as Arrow columns, without losing a value.

A column whose values have no common Arrow type that Parquet can write (a number here and a string there, objects with
different keys, integers beyond 64 bits, empty objects) becomes JSON text and is marked as such. Integers among
floats become floats, as far as that is exact. A field that a record lacks is null.
"""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from prox.corpora import json_text
from prox.corpora.arrow_values import JSON_MARK, is_json_text, to_json_value
from prox.corpora.identity import id_text

_DEEPEST = 20
"""Lists and objects inside one another that become Arrow types; Parquet readers refuse schemas of 100 levels."""

_EXACT_AS_FLOAT = range(-(2**53), 2**53 + 1)


class _NoCommonType(Exception):
    """The values need to be JSON text."""


def table_from_rows(rows: Sequence[dict[str, Any]], like: pa.Schema | None = None) -> pa.Table:
    """The rows as an Arrow table that Parquet can hold; columns in the order in which they first appear.

    Args:
        like: Types to use where the values allow it, so that the parts of one corpus agree (a column that is null
            throughout one part keeps its type). Its columns come first.
    """
    names = dict.fromkeys(like.names if like is not None else ("id", "text"))
    for row in rows:
        names.update(dict.fromkeys(row))
    fields, columns = [], []
    for name in names:
        wanted = like.field(name) if like is not None and name in like.names else None
        field, column = _column(name, [row.get(name) for row in rows], wanted)
        fields.append(field)
        columns.append(column)
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def _column(name: str, values: list[Any], wanted: pa.Field | None) -> tuple[pa.Field, pa.Array]:
    if wanted is not None and is_json_text(wanted):
        return _json_column(name, values)
    if name == "id" and wanted is not None and wanted.type == pa.string():
        return _text_ids(name, values)
    try:
        kind = _common_type(values)
        if wanted is not None and (kind is None or _holds(wanted.type, kind, values)):
            kind = wanted.type
        kind = kind or pa.string()
        return pa.field(name, kind), pa.array(values, kind)
    except (_NoCommonType, pa.ArrowException, UnicodeEncodeError, OverflowError):
        return _text_ids(name, values) if name == "id" else _json_column(name, values)


def _text_ids(name: str, values: list[Any]) -> tuple[pa.Field, pa.Array]:
    return pa.field(name, pa.string()), pa.array([id_text(value) for value in values], pa.string())


def _json_column(name: str, values: list[Any]) -> tuple[pa.Field, pa.Array]:
    texts = [None if value is None else json_text.dumps(to_json_value(value)).decode() for value in values]
    return pa.field(name, pa.string(), metadata=JSON_MARK), pa.array(texts, pa.string())


def _holds(wanted: pa.DataType, kind: pa.DataType, values: list[Any]) -> bool:
    if kind == wanted:
        return True
    try:
        stored = pa.array(values, wanted).to_pylist()
    except (pa.ArrowException, UnicodeEncodeError, OverflowError, ValueError, TypeError):
        return False
    return all(map(_is_same, stored, values))


def _is_same(stored: Any, value: Any) -> bool:
    """Whether Arrow kept the value; an integer may have become an equal float."""
    match stored, value:
        case float(), int():
            return stored == value
        case list(), list():
            return len(stored) == len(value) and all(map(_is_same, stored, value))
        case dict(), dict():
            return stored.keys() == value.keys() and all(_is_same(stored[name], value[name]) for name in value)
    return type(stored) is type(value) and (stored == value or stored != stored)


def _common_type(values: Sequence[Any], depth: int = 0) -> pa.DataType | None:
    """The Arrow type of all values, None if all are null."""
    kinds = set(map(type, values))
    kinds.discard(type(None))
    if not kinds:
        return None
    if kinds == {str}:
        return pa.string()
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        present = [value for value in values if value is not None]
        if min(present) >= -(2**63) and max(present) < 2**63:
            return pa.int64()
        raise _NoCommonType
    if kinds == {float} or (kinds == {int, float} and _exact_as_floats(values)):
        return pa.float64()
    if depth < _DEEPEST and kinds == {list}:
        inner_values = [inner for value in values if value is not None for inner in value]
        return pa.list_(_common_type(inner_values, depth + 1) or pa.string())
    if depth < _DEEPEST and kinds == {dict}:
        return _struct_type([value for value in values if value is not None], depth + 1)
    raise _NoCommonType


def _struct_type(values: list[dict[str, Any]], depth: int) -> pa.DataType:
    names = values[0].keys()
    if not names or any(value.keys() != names for value in values):
        raise _NoCommonType
    fields = {name: _common_type([value[name] for value in values], depth) or pa.string() for name in names}
    return pa.struct(list(fields.items()))


def _exact_as_floats(values: Sequence[Any]) -> bool:
    return all(value in _EXACT_AS_FLOAT for value in values if type(value) is int)
