import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.corpora.json_text import InvalidJsonError, dumps, is_writable, loads

TEXT = st.text(st.characters())  # with lone surrogates
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(-(2**70), 2**70) | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
)


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return (math.isnan(a) and math.isnan(b)) or (a == b and math.copysign(1, a) == math.copysign(1, b))
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and a == b


@given(VALUES)
def test_every_value_comes_back_with_its_type(value):
    line = dumps(value)
    assert b"\n" not in line
    assert same(loads(line), value)


@given(VALUES)
def test_whatever_python_reads_is_read_to_the_same_value(value):
    assert same(loads(json.dumps(value).encode()), json.loads(json.dumps(value)))


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"18446744073709551616", 2**64),  # orjson gives a float here
        (b'{"a": [{"b": -9223372036854775809}]}', {"a": [{"b": -(2**63) - 1}]}),
        (b"1e400", math.inf),
        (b"[NaN, Infinity, -Infinity]", [math.nan, math.inf, -math.inf]),
        (b'"a\x00b\tc\x0c"', "a\0b\tc\f"),
        (b'"\\u0000\\u2028\xe2\x80\xa8"', "\0\u2028\u2028"),
        (b'"\\ud800"', "\ud800"),
        (b'{"a": 1}\r', {"a": 1}),
        (b"12345678901234567890123.5", 1.2345678901234568e22),
    ],
)
def test_values_beyond_strict_json_are_read(raw, value):
    assert same(loads(raw), value)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"a": "\xff"}', "invalid UTF-8: invalid start byte at byte 7"),
        (b'{"a": "\xed\xa0\x80"}', "invalid UTF-8: "),
        (b'{"a": ', "invalid JSON: Expecting value at character 6"),
        (b"{'a': 1}", "invalid JSON: "),
        (b"\0\0\0\0", "invalid JSON: "),
        (b"[" * 100_000, "invalid JSON: nested too deeply"),
        (b"9" * 5000, "invalid JSON: "),
    ],
)
def test_what_is_no_json_says_why(raw, reason):
    with pytest.raises(InvalidJsonError, match=reason.replace("(", r"\(")):
        loads(raw)


def test_a_lone_surrogate_cannot_be_written_as_text():
    assert is_writable("ä\U0001f600\0")
    assert not is_writable("a\udc00")
