"""Content of kinds that nobody labelled, in pages: code, formulas, tables of numbers, chats, wrapped lines.

The labelled pages are nearly all articles, threads and shops. A tagger that has seen nothing else takes a line of code
or a formula for a menu, since both are short and end without a full stop.
"""

import keyword
import random
import re
import sysconfig
import textwrap
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np

Lines: TypeAlias = tuple[list[str], np.ndarray]
"""Lines with their labels."""

CHANCES = (0.03, 0.03, 0.03, 0.03, 0.02)
"""Of a page to be wrapped, to become a chat, to contain code, formulas, a table of numbers."""

_SENTENCE_END = re.compile(r"(?<=[.!?]) +")
_SYLLABLES = (
    "an",
    "be",
    "cor",
    "da",
    "el",
    "fi",
    "gar",
    "ho",
    "is",
    "jo",
    "ka",
    "lu",
    "mi",
    "na",
    "ol",
    "pet",
    "ro",
    "su",
)


def with_strange_content(lines: list[str], labels: np.ndarray, content: np.ndarray, chance: random.Random) -> Lines:
    """The page as it is, nearly always, or with something in it that is content all the same.

    Args:
        content: Which lines are content, (n,).
    """
    drawn = chance.random()
    makers: Sequence[Callable[[list[str], np.ndarray, np.ndarray, random.Random], Lines]]
    makers = (_wrapped, _as_chat, _with_code, _with_formulas, _with_numbers)
    if content.any():
        for share, make in zip(CHANCES, makers, strict=True):
            if drawn < share:
                return make(lines, labels, content, chance)
            drawn -= share
    return lines, labels


def _wrapped(lines: list[str], labels: np.ndarray, content: np.ndarray, chance: random.Random) -> Lines:
    """All lines broken at one width, as in mail, in old texts, and in poems."""
    width = chance.randint(30, 90)
    pieces = [textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [line] for line in lines]
    return _flat(pieces, labels)


def _as_chat(lines: list[str], labels: np.ndarray, content: np.ndarray, chance: random.Random) -> Lines:
    """Each sentence of the content is said by somebody."""
    names = ["".join(chance.choices(_SYLLABLES, k=chance.randint(1, 3))) for _ in range(chance.randint(2, 5))]
    shape = chance.choice(("[{time}] <{name}> {text}", "{name}: {text}", "{time} {name}: {text}", "<{name}> {text}"))
    careless = chance.random() < 0.5
    minute = chance.randrange(24 * 60)
    pieces = []
    for line, is_content in zip(lines, content.tolist(), strict=True):
        if not is_content:
            pieces.append([line])
            continue
        said = []
        for sentence in _SENTENCE_END.split(line):
            minute = (minute + chance.randrange(4)) % (24 * 60)
            text = sentence[:1].lower() + sentence[1:].rstrip(".") if careless else sentence
            said.append(shape.format(time=f"{minute // 60:02}:{minute % 60:02}", name=chance.choice(names), text=text))
        pieces.append(said)
    return _flat(pieces, labels)


def _with_code(lines: list[str], labels: np.ndarray, content: np.ndarray, chance: random.Random) -> Lines:
    """Some lines of Python's own library stand between two lines of the content, or alone in its place."""
    source = chance.choice(_sources()).read_text("utf-8", errors="replace").split("\n")
    first = chance.randrange(len(source))
    code = source[first : first + chance.randint(4, 60)]
    code = chance.choice((_as_it_is, _with_braces, _with_capitals))(code)
    return _inserted([code], lines, labels, content, chance)


def _as_it_is(code: list[str]) -> list[str]:
    return code


def _with_braces(code: list[str]) -> list[str]:
    """As it might stand in a language of that kind."""
    open_ends = (",", "(", "[", "{")
    return [
        line if not line.strip() or line.endswith(open_ends) else line[:-1] + " {" if line.endswith(":") else line + ";"
        for line in code
    ]


def _with_capitals(code: list[str]) -> list[str]:
    """As it might stand in a language whose keywords are written so."""
    shouted = [_KEYWORD.sub(lambda word: word[0].upper(), line).rstrip(":") for line in code]
    return [line + ";" if line.strip() and not after.strip() else line for line, after in pairwise([*shouted, ""])]


_KEYWORD = re.compile(rf"\b(?:{'|'.join(keyword.kwlist)})\b")


@cache
def _sources() -> tuple[Path, ...]:
    """The files of the standard library: code that lies on every machine with Python."""
    return tuple(sorted(path for path in Path(sysconfig.get_path("stdlib")).glob("*.py") if path.stat().st_size > 2000))


def _with_formulas(lines: list[str], labels: np.ndarray, content: np.ndarray, chance: random.Random) -> Lines:
    return _inserted([_formula_lines(chance) for _ in range(chance.randint(1, 6))], lines, labels, content, chance)


def _with_numbers(lines: list[str], labels: np.ndarray, content: np.ndarray, chance: random.Random) -> Lines:
    """A table, with a name at the head of each row or without."""
    between = chance.choice(("  ", "\t", " | ", ", ", " "))
    digits, names = [chance.randint(0, 3) for _ in range(chance.randint(2, 7))], chance.random() < 0.5
    rows = []
    for _ in range(chance.randint(4, 40)):
        cells = [f"{chance.lognormvariate(3, 2):.{places}f}" for places in digits]
        name = "".join(chance.choices(_SYLLABLES, k=2)).capitalize()
        rows.append(between.join([name, *cells] if names else cells))
    return _inserted([rows], lines, labels, content, chance)


def _formula_lines(chance: random.Random) -> list[str]:
    shape = chance.randrange(4)
    if shape == 0:
        return [f"$${_expression(chance, 2)} = {_expression(chance, 2)}{chance.choice(('', '.', ','))}$$"]
    if shape == 1:
        return ["\\[", f"  {_expression(chance, 2)} {chance.choice(_RELATIONS)} {_expression(chance, 2)}", "\\]"]
    if shape == 2:
        rows = [f"  &{chance.choice(_RELATIONS)} {_expression(chance, 2)} \\\\" for _ in range(chance.randint(1, 4))]
        name = chance.choice(("align*", "align", "aligned", "equation"))
        return [f"\\begin{{{name}}}", f"  {_expression(chance, 1)}", *rows, f"\\end{{{name}}}"]
    return [f"{_expression(chance, 1)} = {_expression(chance, 1)}"]


_LETTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHKLMNPQRSTUVWXYZ"
_GREEK = (r"\alpha", r"\beta", r"\gamma", r"\epsilon", r"\theta", r"\lambda", r"\mu", r"\pi", r"\sigma", r"\omega")
_SIGNS = (" + ", " - ", " ", " \\cdot ", " \\times ", " / ")
_RELATIONS = ("=", "\\le", "\\ge", "\\approx", "<", ">", "\\in", "\\to", "\\equiv")


def _expression(chance: random.Random, depth: int) -> str:
    terms = [_term(chance, depth) for _ in range(chance.randint(1, 3))]
    return "".join(f"{chance.choice(_SIGNS)}{term}" if place else term for place, term in enumerate(terms))


def _term(chance: random.Random, depth: int) -> str:
    kind = chance.randrange(9 if depth else 4)
    if kind == 0:
        return str(chance.randint(0, 100)) if chance.random() < 0.8 else f"{chance.random():.4f}"
    if kind == 1:
        return chance.choice(_GREEK)
    if kind == 2:
        return f"{chance.choice(_LETTERS)}_{chance.choice('012ijkn')}"
    if kind == 3:
        return chance.choice(_LETTERS)
    inner = _expression(chance, depth - 1)
    if kind == 4:
        return f"\\frac{{{inner}}}{{{_expression(chance, depth - 1)}}}"
    if kind == 5:
        sign, index = chance.choice(("sum", "prod", "int", "bigcup")), chance.choice("ijkn")
        end = chance.choice(("n", "m", "N", r"\infty"))
        return f"\\{sign}_{{{index}={chance.randint(0, 2)}}}^{{{end}}} {inner}"
    if kind == 6:
        return f"({inner})^{{{chance.choice(('2', '3', 'n', '-1', 'k+1'))}}}"
    if kind == 7:
        return f"\\sqrt{{{inner}}}"
    return f"{chance.choice('fgFP')}({inner})"


def _inserted(
    blocks: Sequence[list[str]], lines: list[str], labels: np.ndarray, content: np.ndarray, chance: random.Random
) -> Lines:
    """Each block behind a content line; sometimes one alone instead of all content lines."""
    pieces = [[line] for line in lines]
    places = np.flatnonzero(content).tolist()
    if len(blocks) == 1 and chance.random() < 0.3:
        for place in places:
            pieces[place] = []
        pieces[places[0]] = blocks[0]
    else:
        for block in blocks:
            pieces[chance.choice(places)] += block
    return _flat(pieces, labels)


def _flat(pieces: Sequence[list[str]], labels: np.ndarray) -> Lines:
    """Every piece of a line has its label."""
    return [line for piece in pieces for line in piece], np.repeat(labels, [len(piece) for piece in pieces])
