r"""What the grammars of the dialects are made of, in the Lark syntax of llguidance.

A grammar is written for one chunk: it names the lines and the strings that are there. llguidance compiles one for a
page of 8,000 characters in some 20 ms, because everything that depends on the page is in terminals, which are regular
expressions, and the rules above them are few.
"""

import json
from collections.abc import Iterable, Sequence

from prox.program.calls import quote

MOST_CALLS = 64
"""Calls of one program."""

MOST_CHARACTERS = 200
"""Characters of one replacing or inserted string; of a source there are as many as its line has."""


def literal(text: str) -> str:
    r"""A text as a grammar writes it.

    >>> print(literal('say "hi"'))
    "say \"hi\""
    """
    return json.dumps(text, ensure_ascii=False)


def program(whole: Sequence[str], calls: Sequence[str]) -> str:
    """The rules for one of the calls that make a program of their own, or for several other ones, one a line.

    Args:
        whole: Calls, as text.
        calls: Bodies of rules.
    """
    alone = " | ".join(map(literal, whole))
    return f'start: {alone} | call ("\\n" call){{0,{MOST_CALLS - 1}}}\ncall: {" | ".join(calls)}'


def number_between(first: int, last: int) -> str:
    """A regular expression for the decimal numbers from `first` to `last`, both included.

    It has one alternative for each run of numbers that differ in one digit and the places behind it.

    >>> number_between(8, 120)
    '[8-9]|[1-9][0-9]|1[0-1][0-9]|120'
    """
    runs = []
    while first <= last:
        places, size = 0, 1
        while first and first % (size * 10) == 0 and first + size * 10 - 1 <= last:
            places, size = places + 1, size * 10
        before, digit = divmod(first // size, 10)
        more = min(9 - digit, (last - first + 1) // size - 1)
        runs.append(f"{before or ''}{f'[{digit}-{digit + more}]' if more else digit}{'[0-9]' * places}")
        first += size * (more + 1)
    return "|".join(runs)


def ranges(first: int, last: int, before: str, between: str) -> str:
    """A body of a terminal for all ranges of lines within `first` to `last`: no range ends before it starts.

    Args:
        before: The text before the first number.
        between: The text between the numbers.
    """
    of_start = [f"{literal(f'{start}{between}')} /{number_between(start, last)}/" for start in range(first, last + 1)]
    return f'{literal(before)} ({" | ".join(of_start)}) ")"'


def pieces(name: str, lines: Iterable[str], quotation: str = '"') -> str:
    """Terminals, the one of this name for all strings of one character or more within one of the lines.

    Each character is written as it is in quotes, so that no piece begins or ends within an escape. The line break that
    stands between the lines here cannot be part of one.
    """
    characters: list[str] = []
    for line in lines:
        characters += [_quoted(character, quotation) for character in line]
        characters.append("\n")
    chunks = json.dumps({"substring_chunks": characters[:-1]}, ensure_ascii=False)
    return f"{name}: {name}_PART & /[^\\n]+/\n{name}_PART: %regex {chunks}"


def _quoted(character: str, quotation: str) -> str:
    if quotation == "'" and character in "\"'":
        return character if character == '"' else "\\'"
    return character if character.isalnum() else quote(character)[1:-1]


def any_text(quotation: str = '"') -> str:
    """A body of a terminal for a string in quotes that can replace another one or become a line.

    Without control characters; a line break or tab only as an escape.
    """
    character = rf"[^{quotation}\\\x00-\x1f\x7f-\x9f\u{{2028}}\u{{2029}}]|\\[{quotation}\\nrt]"
    return rf"/{quotation}({character}){{0,{MOST_CHARACTERS}}}{quotation}/"
