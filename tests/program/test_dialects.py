"""What holds for every dialect: any text can be read, what is written reads back, lines are shown with numbers."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from program_strategies import any_strings, broken_programs, pages, programs, strings

from prox.document import join_lines, split_lines
from prox.errors import UsageError
from prox.program import (
    PROX_CHUNK,
    PROX_DOCUMENT,
    REFINEX,
    ULTRAX,
    DropDocument,
    InsertLine,
    KeepDocument,
    Program,
    RemoveLines,
    Replace,
    ReplaceOnce,
    Scope,
    get_dialect,
)
from prox.program.dialects import DIALECTS
from prox.program.dialects.grammars import number_between

NAMES = ["prox-document", "prox-chunk", "refinex", "ultrax"]
names = pytest.mark.parametrize("name", NAMES)
dialects = st.sampled_from([get_dialect(name) for name in NAMES])


def test_dialects_are_found_by_name_and_a_wrong_name_is_told():
    assert list(DIALECTS) == NAMES
    assert [get_dialect(name) for name in NAMES] == [PROX_DOCUMENT, PROX_CHUNK, REFINEX, ULTRAX]
    assert [get_dialect(name).name for name in NAMES] == NAMES
    with pytest.raises(UsageError, match="prox-chunk, refinex, ultrax"):
        get_dialect("prox")


@given(st.one_of(st.text(), any_strings, broken_programs()), dialects)
def test_any_text_is_a_program_with_located_errors_in_any_dialect(text, dialect):
    program = dialect.parse(text, Scope(0, 3))
    assert program.scope == Scope(0, 3)
    for error in program.errors:
        assert text.startswith(error.snippet, error.offset) and error.snippet
        assert error.line == text.count("\n", 0, error.offset)


@given(programs, dialects)
def test_a_dialect_writes_what_it_reads_or_says_that_it_cannot(program, dialect):
    for operation in program.operations:
        one = Program((operation,))
        try:
            text = dialect.render(one)
        except UsageError as error:
            assert str(one) in str(error)
            continue
        assert dialect.parse(text) == one
        assert ("\n" not in text and text.isprintable()) or any(ord(character) > 0x9F for character in text)


DROP, KEEP = DropDocument(), KeepDocument()
REMOVE, REPLACE, BOUNDED = RemoveLines(0, 2), Replace("a", "b"), Replace("a", "b", 1, 1)
DELETE_ONCE, REPLACE_ONCE, INSERT = ReplaceOnce(1, "a"), ReplaceOnce(1, "a", "b"), InsertLine(-1, "a")
SAID = {
    "prox-document": {DROP, KEEP},
    "prox-chunk": {KEEP, REMOVE, REPLACE},
    "refinex": {KEEP, REMOVE, DELETE_ONCE},
    "ultrax": {DROP, KEEP, REMOVE, DELETE_ONCE, REPLACE_ONCE, INSERT},
}


@names
@pytest.mark.parametrize(
    "operation", [DROP, KEEP, REMOVE, REPLACE, BOUNDED, DELETE_ONCE, REPLACE_ONCE, INSERT], ids=lambda op: str(op)[:30]
)
def test_what_a_dialect_cannot_say_is_not_written_wrongly(name, operation):
    if operation in SAID[name]:
        assert get_dialect(name).render(Program((operation,)))
    else:
        with pytest.raises(UsageError, match=f"{name} cannot say .*canonical form"):
            get_dialect(name).render(Program((operation,)))


# Numbers


@given(st.lists(strings.filter(lambda line: "\n" not in line), min_size=1), st.integers(0, 2000), dialects)
def test_lines_are_shown_one_by_one_with_their_numbers(lines, first, dialect):
    shown = split_lines(dialect.number(lines, first))
    assert len(shown) == len(lines)
    for number, (line, text) in enumerate(zip(shown, lines, strict=True), first):
        prefix = {"prox-document": "", "ultrax": f"<lid:{number + 1}>"}.get(dialect.name, f"[{number:03d}]")
        assert line == prefix + (text if dialect is PROX_DOCUMENT else text.removesuffix("\r"))


@names
def test_a_text_without_lines_has_one_line(name):
    first = {"prox-document": "", "prox-chunk": "[007]", "refinex": "[007]", "ultrax": "<lid:8>"}
    assert get_dialect(name).number(split_lines(""), 7) == first[name]


def test_windows_line_breaks_are_not_shown():
    lines = split_lines("a\r\nb\rc\r\r\n")
    assert PROX_CHUNK.number(lines, 998) == "[998]a\n[999]b\rc\r\n[1000]"
    assert ULTRAX.number(lines, 0) == "<lid:1>a\n<lid:2>b\rc\r\n<lid:3>"
    assert PROX_DOCUMENT.number(lines, 0) == join_lines(lines)


# Time


HOSTILE = [
    '"',
    "(",
    ")",
    "\\",
    "#",
    "```",
    "x()\n",
    "a_",
    "9",
    ";",
    "1,",
    'normalize("',
    "replace_str(1, '",
    "add_line(0, 0, 'a')\n",
    "<think>",
    "<think></think>",
    "normalize('a' # \n",
    'normalize("a" "b" ',
    "remove_lines(",
    "drop_doc() drop_doc() ",
    "keep_chunk() no\n",
    "keep_chunk   ",
    '(")',
]


@pytest.mark.parametrize("prefix", ["", 'normalize(source_str="', "remove_lines(", "<think>"])
@pytest.mark.parametrize("unit", HOSTILE)
@pytest.mark.parametrize("dialect", [PROX_CHUNK, REFINEX, ULTRAX], ids=lambda dialect: dialect.name)
def test_reading_time_is_linear_on_hostile_text(dialect, unit, prefix):
    def seconds(size):
        text = prefix + unit * (size // len(unit))
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            dialect.parse(text)
            best = min(best, time.process_time() - start)
        return best

    # Quadratic time would make this 256; linear time makes it 16.
    assert seconds(256_000) <= 64 * seconds(16_000) + 0.02


@pytest.mark.parametrize("unit", HOSTILE)
def test_a_megabyte_of_hostile_text_is_read(unit):
    hostile = unit * (1_000_000 // len(unit))
    for dialect, start in ((PROX_CHUNK, 'normalize("'), (REFINEX, 'remove_str(1, "'), (ULTRAX, 'replace_str(1, "')):
        program = dialect.parse(start + hostile)
        assert program.operations == () or unit == '"'
        assert dialect.parse(f"<think>{hostile}").errors


# Grammars (what they allow is tested in test_grammars.py, with llguidance)


@given(st.integers(0, 1200), st.integers(0, 1200))
def test_a_range_of_numbers_is_a_regular_expression(first, more):
    pattern = re.compile(number_between(first, first + more))
    numbers = [number for number in range(first + more + 300) if pattern.fullmatch(str(number))]
    assert numbers == list(range(first, first + more + 1))
    assert not any(pattern.fullmatch(text) for text in ("", "-1", "00", f"0{first}", f"{first} "))
    assert len(pattern.pattern) < 200


@given(pages, st.integers(0, 2000), dialects)
def test_a_grammar_can_be_written_for_any_text(text, first, dialect):
    grammar = dialect.grammar(text, first)
    assert grammar.startswith("start: ") and grammar.encode("utf-8")
    assert len(grammar.splitlines()) == len(grammar.split("\n"))
