"""Numbers as people write them on the command line, exactly: 60B, 26e9, 0.31B, 20 %."""

import re
from fractions import Fraction

from prox.errors import UsageError
from prox.visible import visible

# Bounds on digits and exponent keep the number small before anything is reckoned with it.
_NUMBER = re.compile(
    r"((?:[0-9]{1,40}(?:\.[0-9]{0,40})?|\.[0-9]{1,40})(?:e[+-]?[0-9]{1,3})?) ?([kmbt%]?)", re.IGNORECASE
)
_SUFFIXES = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9, "t": 10**12}
_LEAST, _MOST = Fraction(1, 10**6), Fraction(10**24)
_SHOWN = 40


def count(option: str, text: str) -> int:
    """Tokens or parameters, rounded to whole ones.

    Raises:
        UsageError: It is no number, below 1, or more than anything has.

    >>> count("tokens", "26B"), count("tokens", "26e9"), count("parameters", "0.31B"), count("parameters", "350m")
    (26000000000, 26000000000, 310000000, 350000000)
    """
    return round(_checked(option, text, Fraction(1), "60B, 26e9 or 350M"))


def amount(option: str, text: str) -> Fraction:
    """A price or a speed.

    Raises:
        UsageError: It is no number, or not between a millionth and 1e24.
    """
    return _checked(option, text, _LEAST, "2.5 or 120T")


def share(option: str, text: str, whole: bool) -> Fraction:
    """A share, as 0.2 or 20%. `whole`: it may be 1.

    Raises:
        UsageError: It is none, or below a millionth.
    """
    value = _value(text, percent=True)
    if value is None or not _LEAST <= value <= 1 or (value == 1 and not whole):
        most = "at most 1" if whole else "below 1"
        raise UsageError(f"--{option}: {_quoted(text)} is no share above 0 and {most}. Write for example 0.2 or 20%")
    return value


def _checked(option: str, text: str, least: Fraction, examples: str) -> Fraction:
    value = _value(text, percent=False)
    if value is None:
        raise UsageError(f"--{option}: {_quoted(text)} is no number. Write for example {examples}")
    if not least <= value <= _MOST:
        bounds = f"{float(least):g} to {float(_MOST):g}"
        raise UsageError(f"--{option}: {_quoted(text)} is not in the range {bounds}. Write for example {examples}")
    return value


def _value(text: str, percent: bool) -> Fraction | None:
    found = _NUMBER.fullmatch(text.strip())
    if not found or (found[2] == "%") > percent or (percent and found[2] not in ("", "%")):
        return None
    return Fraction(found[1]) / 100 if found[2] == "%" else Fraction(found[1]) * _SUFFIXES[found[2].lower()]


def _quoted(text: str) -> str:
    return f'"{visible(text[:_SHOWN])}"' + ("…" if len(text) > _SHOWN else "")
