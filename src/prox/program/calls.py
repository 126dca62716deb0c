r"""The text form that all dialects share: calls with numbers and strings, as a language model writes them.

The reader is total: any text gives values and located errors, in time linear in its length. What it accepts:

* calls `name(…)` separated by line breaks, spaces, `;` or `,`; code fences and `#` comments around and inside them;
* arguments by keyword in any order, or by position: a bare argument fills the parameter at its own place in the call;
* numbers without a point; strings in single or double quotes, in which brackets, commas, `=`, `#` and line breaks are
  plain text and `\n \r \t \\ \" \' \xhh \uXXXX \UXXXXXXXX` are decoded. Any other backslash is itself (LaTeX).

What is never turned into a value:

* a call that is cut off. Everything behind a quote that never closes belongs to its string;
* prose. A line that holds prose is prose as a whole, with the calls it mentions ("drop_doc() would be wrong"), and
  prose up to the next call on a line of its own is one error, however long.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")

FAR = 10**18
"""Numbers beyond this one (in either direction) are read and written as this one: no document has such a line."""

SNIPPET = 40
"""Characters of the program that an error quotes."""


@dataclass(frozen=True, slots=True)
class ParseError:
    """A place in a program that could not be read; it stands for one erroneous operation.

    Attributes:
        offset: Where it starts, in characters from 0.
        line: The line of the program text, from 0.
        message: What is wrong, for a person.
        snippet: The first characters of the place.
    """

    offset: int
    line: int
    message: str
    snippet: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a call: its spellings, the type of its values, and the default where it may be missing."""

    names: tuple[str, ...]
    type: type[int] | type[str]
    default: int | str | None = None
    required: bool = True


@dataclass(frozen=True, slots=True)
class Signature(Generic[T]):
    """A call that a dialect knows: what it builds from which parameters, in positional order."""

    build: Callable[..., T]
    parameters: tuple[Parameter, ...] = ()
    places: Mapping[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        places = {name: place for place, parameter in enumerate(self.parameters) for name in parameter.names}
        object.__setattr__(self, "places", places)


_SPACE = r"\s*+(?:\#[^\n]*+\s*+)*+"
_DOUBLE = r'"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
_SINGLE = r"'([^'\\]*+(?:\\.[^'\\]*+)*+)'"
_NAME = r"([A-Za-z_]\w*+)"

# Groups: 1 what separates statements, 2 the name of a call, 3 the space before its bracket; or a fence or a comment.
_STATEMENT = re.compile(rf"([\s;,]*+)(?:{_NAME}([ \t]*+)\(|```(?:[\w+.-]*+(?=[ \t\r]*+(?:\n|\Z)))?|\#[^\n]*+)?")
# Groups: 1 the closing bracket; or 2 a keyword and a value: 3 number, 4 or 5 string, 6 anything else.
_ARGUMENT = re.compile(
    rf"{_SPACE}(?:(\))|(?:{_NAME}{_SPACE}={_SPACE})?(?:(-?[0-9]++)|{_DOUBLE}|{_SINGLE}|([^\s,()\"'\#=]++)){_SPACE}(?:,|(?=\))))",
    re.DOTALL,
)
# Skips to the next bracket, or to the quote of a string that never closes.
_SKIP = re.compile(rf"(?:[^()\"'\#]++|{_DOUBLE}|{_SINGLE}|\#[^\n]*+)*+", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:([nrt\\\"'])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
_PLAIN = {"n": "\n", "r": "\r", "t": "\t"}
# Whatever an editor may take for a line break or cannot show, and what UTF-8 cannot encode.
_UNSAFE = re.compile('[\\\\"\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]')
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", '"': '\\"'}


def parse_calls(text: str, signatures: Mapping[str, Signature[T]], dialect: str) -> tuple[list[T], list[ParseError]]:
    """Read all calls of a program text.

    Args:
        text: Anything a model may have written.
        signatures: The calls that the dialect knows, by name.
        dialect: The name of the dialect, for the messages.
    """
    values: list[T] = []
    problems: list[tuple[int, str]] = []
    position = 0
    line_offset = values_before = problems_before = 0  # at the start of the present line
    prose_end = (-1, -1)  # how much had been read when the last prose ended
    while True:
        match = _STATEMENT.match(text, position)
        assert match is not None
        gap_end = match.end(1)
        if "\n" in match[1] or not position:
            line_offset, values_before, problems_before = gap_end, len(values), len(problems)
        position = match.end()
        if position == len(text) and position == gap_end:
            break
        name = match[2]
        if name is not None and (name in signatures or not match[3]):
            signature = signatures.get(name)
            arguments, problem, position = _parse_arguments(text, position, name, signature, dialect)
            if problem or signature is None:
                problems.append((gap_end, problem))
            else:
                values.append(signature.build(*arguments))
        elif name is not None or position == gap_end:
            del values[values_before:], problems[problems_before:]
            if prose_end != (len(values), len(problems)):
                problems.append((line_offset, "text that is not a call"))
                prose_end = (len(values), len(problems))
            end = text.find("\n", gap_end)
            position = len(text) if end < 0 else end
    return values, _locate(text, problems)


def _parse_arguments(
    text: str, position: int, name: str, signature: Signature[T] | None, dialect: str
) -> tuple[list[int | str | None], str, int]:
    """Read the arguments of a call from behind its bracket: them, or what is wrong, and where the call ends."""
    problem = "" if signature is not None else f"{name}() is not an operation of {dialect}"
    parameters = () if signature is None else signature.parameters
    places: Mapping[str, int] = {} if signature is None else signature.places
    given: list[int | str | None] = [None] * len(parameters)
    count = 0
    while True:
        match = _ARGUMENT.match(text, position)
        if match is None:
            end, cut_off = _skip_call(text, position)
            return given, cut_off or problem or f"the arguments of {name}() cannot be read", end
        position = match.end()
        kind = match.lastindex
        if kind == 1:
            break
        if problem:
            continue
        keyword = match[2]
        place = count if keyword is None else places.get(keyword, -1)
        count += 1
        if place < 0:
            problem = f"{name}() has no argument {keyword[:SNIPPET]}"
        elif place >= len(parameters):
            problem = f"{name}() has too many arguments"
        elif given[place] is not None:
            problem = f"{parameters[place].names[0]} is given twice"
        elif kind == 3 and parameters[place].type is int:
            given[place] = _number(match[3])
        elif (kind == 4 or kind == 5) and parameters[place].type is str:
            given[place] = _unescape(match[kind])
        else:
            wanted = "a whole number" if parameters[place].type is int else "a string in quotes"
            problem = f"{parameters[place].names[0]} must be {wanted}"
    if not problem and None in given:
        for place, parameter in enumerate(parameters):
            if given[place] is None:
                if parameter.required:
                    problem = f"{name}() lacks {parameter.names[0]}"
                    break
                given[place] = parameter.default
    return given, problem, position


def _skip_call(text: str, position: int) -> tuple[int, str]:
    """Find the end of a call that cannot be read: behind its closing bracket, or the end of the text and why."""
    depth = 1
    while True:
        match = _SKIP.match(text, position)
        assert match is not None
        position = match.end()
        if position == len(text):
            return position, "cut off: a bracket never closes"
        mark = text[position]
        position += 1
        if mark == "(":
            depth += 1
        elif mark == ")":
            depth -= 1
            if not depth:
                return position, ""
        else:
            return len(text), "cut off: a quote never closes"


def _locate(text: str, problems: list[tuple[int, str]]) -> list[ParseError]:
    errors = []
    line = counted = 0
    for offset, message in problems:
        line += text.count("\n", counted, offset)
        counted = offset
        errors.append(ParseError(offset, line, message, text[offset : offset + SNIPPET]))
    return errors


def _number(digits: str) -> int:
    """Read an integer of any length in linear time; `int()` alone is quadratic and refuses long ones."""
    if len(digits) <= 18:
        return int(digits)
    size = digits.lstrip("-").lstrip("0")
    number = int(size or "0") if len(size) <= 18 else FAR
    return -number if digits[0] == "-" else number


def _unescape(body: str) -> str:
    return _ESCAPE.sub(_character, body) if "\\" in body else body


def _character(match: re.Match[str]) -> str:
    plain = match[1]
    if plain is not None:
        return _PLAIN.get(plain, plain)
    code = int(match[2] or match[3] or match[4], 16)
    return chr(code) if code <= 0x10FFFF else match[0]


def quote(text: str) -> str:
    r"""Write a string so that it stays on one line in any editor, encodes as UTF-8 and reads back exactly.

    >>> print(quote('a "b"\n\u2028'))
    "a \"b\"\n\u2028"
    """
    return f'"{_UNSAFE.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def write_number(number: int) -> str:
    """Write a line number; see `FAR`."""
    return str(max(-FAR, min(FAR, number)))
