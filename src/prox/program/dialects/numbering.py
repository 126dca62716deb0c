"""Numbered lines, as the models of a dialect see them."""

from collections.abc import Sequence


def shown(line: str) -> str:
    r"""A line without the `\r` of a text with Windows line breaks at its end."""
    return line.removesuffix("\r")


def in_brackets(lines: Sequence[str], first_line: int) -> str:
    """Three digits or more, from 0 over the whole document.

    >>> print(in_brackets(["Home", "The text."], 9))
    [009]Home
    [010]The text.
    """
    return "\n".join([f"[{number:03d}]{shown(line)}" for number, line in enumerate(lines, first_line)])
