"""JSON without loss: orjson where it keeps every value, Python's json where it would not."""

import json
import math
import re
from typing import Any

import orjson

_DIGITS_AS_ZERO = bytes(0x30 if 0x30 <= byte <= 0x39 else 0x20 for byte in range(256))
_LONG_NUMBER = b"0" * 19  # digits of the smallest integer beyond 64 bits
_FIRST_LOSSY_INTEGER = 2**63

DEEPEST = 200
"""Arrays and objects inside one another; deeper ones would exhaust the stack of whoever walks through them."""


class InvalidJsonError(ValueError):
    """Bytes that are no JSON; the text is a quarantine reason."""


def loads(data: bytes) -> Any:
    """Parse one JSON value with all integers, NaN, infinities and lone surrogates that Python's json knows.

    Raw control characters inside strings (a NUL, a tab) are accepted too.

    Raises:
        InvalidJsonError: "invalid UTF-8: …" or "invalid JSON: …".
    """
    if data.count(b"{") + data.count(b"[") > DEEPEST and _depth(data) > DEEPEST:
        raise InvalidJsonError("invalid JSON: nested too deeply")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        return _loads_by_json(data)
    if _has_long_number(data) and _has_lossy_integer(value):
        return _loads_by_json(data)
    return value


def dumps(value: Any) -> bytes:
    """One line of JSON in UTF-8 that `loads` reads back to an equal value; a lone surrogate becomes an escape.

    Raises:
        TypeError: The value holds something that JSON does not know.
    """
    try:
        text = orjson.dumps(value)
    except TypeError:
        return _dumps_by_json(value)
    if b"null" in text and _has_nonfinite(value):  # orjson writes NaN as null
        return _dumps_by_json(value)
    return text


def is_writable(text: str) -> bool:
    """Whether the text can be written as UTF-8: it has no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _loads_by_json(data: bytes) -> Any:
    try:
        return json.loads(data.decode("utf-8"), strict=False)
    except UnicodeDecodeError as error:
        raise InvalidJsonError(f"invalid UTF-8: {error.reason} at byte {error.start:,}") from None
    except json.JSONDecodeError as error:
        raise InvalidJsonError(f"invalid JSON: {error.msg} at character {error.pos:,}") from None
    except RecursionError:
        raise InvalidJsonError("invalid JSON: nested too deeply") from None
    except ValueError as error:  # Python's limit on the digits of an integer
        raise InvalidJsonError(f"invalid JSON: {error}") from None


def _dumps_by_json(value: Any) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":")).encode()


def _depth(data: bytes) -> int:
    """How many brackets are open at once, at most; those inside strings do not count."""
    depth = deepest = 0
    for bracket in _BRACKETS.findall(_STRING.sub(b"", data)):
        depth += 1 if bracket in b"{[" else -1
        deepest = max(deepest, depth)
    return deepest


_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_BRACKETS = re.compile(rb"[{}\[\]]")


def _has_long_number(data: bytes) -> bool:
    # Eight times as fast as searching for the regular expression [0-9]{19}.
    return _LONG_NUMBER in data.translate(_DIGITS_AS_ZERO)


def _has_lossy_integer(value: Any) -> bool:
    """Whether orjson may have read an integer beyond 64 bits as a float, as it does without a word."""
    kind = type(value)
    if isinstance(value, float):
        return abs(value) >= _FIRST_LOSSY_INTEGER
    if kind is dict:
        return any(map(_has_lossy_integer, value.values()))
    if kind is list:
        return any(map(_has_lossy_integer, value))
    return False


def _has_nonfinite(value: Any) -> bool:
    kind = type(value)
    if kind is float:
        return not math.isfinite(value)
    if kind is dict:
        return any(map(_has_nonfinite, value.values()))
    if kind is list or kind is tuple:
        return any(map(_has_nonfinite, value))
    return False
