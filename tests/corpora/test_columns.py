import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prox.corpora import get_preset, part_schema, read_records, table_from_rows
from prox.corpora.arrow_values import is_json_text

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(st.characters(), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=5,
)
ROWS = st.lists(
    st.fixed_dictionaries(
        {"id": st.text(min_size=1, max_size=3) | st.integers(), "text": st.text(max_size=5)},
        optional={"a": VALUES, "b": VALUES, "c": st.integers() | st.floats(), "": VALUES},
    ),
    max_size=4,
)


def same(stored, value):
    """Equal, where an integer may have become an equal float."""
    if isinstance(value, list):
        return isinstance(stored, list) and len(stored) == len(value) and all(map(same, stored, value))
    if isinstance(value, dict):
        return (
            isinstance(stored, dict) and stored.keys() == value.keys() and all(same(stored[k], value[k]) for k in value)
        )
    if isinstance(value, float) and math.isnan(value):
        return isinstance(stored, float) and math.isnan(stored)
    if type(value) is int and isinstance(stored, float):
        return stored == value
    return type(stored) is type(value) and stored == value


@settings(deadline=None, max_examples=200)
@given(ROWS)
def test_json_comes_back_from_parquet_with_its_types(tmp_path_factory, write_part, rows):
    path = str(tmp_path_factory.mktemp("parts") / "a.parquet")
    write_part(path, rows)
    stored = list(read_records(path))
    assert len(stored) == len(rows)
    for after, before in zip(stored, rows, strict=True):
        assert after.pop("text") == before["text"]
        assert str(after.pop("id")) == str(before["id"])
        for name, value in after.items():
            assert same(value, before.get(name)), (name, value, before.get(name))
        assert before.keys() - {"id", "text"} <= after.keys()


@settings(deadline=None, max_examples=100)
@given(ROWS, ROWS)
def test_types_wished_for_change_no_value(tmp_path_factory, write_part, rows, others):
    path = str(tmp_path_factory.mktemp("parts") / "a.parquet")
    write_part(path, rows, like=table_from_rows(others).schema)
    for after, before in zip(read_records(path), rows, strict=True):
        for name in after.keys() - {"id"}:
            assert same(after[name], before.get(name)), (name, after[name], before.get(name))


@pytest.mark.parametrize(
    ("values", "kind", "as_json"),
    [
        (["a", None], pa.string(), False),
        ([1, None, -(2**63)], pa.int64(), False),
        ([1, 2.5], pa.float64(), False),
        ([True, False], pa.bool_(), False),
        ([[1], [], None], pa.list_(pa.int64()), False),
        ([[], []], pa.list_(pa.string()), False),
        ([{"a": 1, "b": "x"}, {"b": "y", "a": None}, None], pa.struct([("a", pa.int64()), ("b", pa.string())]), False),
        ([None, None], pa.string(), False),
        ([1, "a"], pa.string(), True),
        ([1, True], pa.string(), True),
        ([2**53 + 1, 0.5], pa.string(), True),
        ([2**63], pa.string(), True),
        ([{}], pa.string(), True),
        ([{"a": {}}], pa.string(), True),
        ([{"en": 0.9}, {"de": 0.8}], pa.string(), True),
        ([[1], ["a"]], pa.string(), True),
        ([{"a": 1}, [1]], pa.string(), True),
        (["\ud800"], pa.string(), True),
        ([math.nan, math.inf], pa.float64(), False),
    ],
)
def test_a_column_has_the_common_type_of_its_values_or_is_marked_json_text(values, kind, as_json):
    table = table_from_rows([{"m": value} for value in values])
    assert table.schema.field("m").type == kind
    assert is_json_text(table.schema.field("m")) == as_json


def test_ids_of_several_types_become_strings():
    table = table_from_rows([{"id": 1, "text": ""}, {"id": "a", "text": ""}])
    assert table["id"].to_pylist() == ["1", "a"]
    assert not is_json_text(table.schema.field("id"))


def test_no_rows_still_give_id_and_text():
    assert table_from_rows([]).schema.names == ["id", "text"]


def test_parts_agree_on_types_where_a_sample_says_them(put, json_lines):
    from prox.corpora import find_files

    records = [{"text": "a", "date": None, "score": 1, "m": {"en": 1}}, {"text": "b", "score": 0.5, "m": {"de": 1}}]
    file = find_files(put("a.jsonl", json_lines([*records, {"text": "c", "date": "2024", "score": 2}])))
    like = part_schema(file, get_preset("plain"))
    first = table_from_rows([{"id": "1", "text": "x", "date": None, "score": 3, "m": {"en": 1}, "new": 1}], like)
    second = table_from_rows([{"id": "2", "text": "x"}], like)
    assert second.schema.equals(like, check_metadata=True)
    assert first.schema.names == [*like.names, "new"]
    assert [first.schema.field(name).type for name in like.names] == like.types
    assert first["score"].to_pylist() == [3.0]
    assert first["m"].to_pylist() == ['{"en":1}']
    conflict = table_from_rows([{"id": "3", "text": "x", "score": "high"}], like)
    assert conflict["score"].to_pylist() == ["high"]
