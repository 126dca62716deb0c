import pytest
from hypothesis import given
from hypothesis import strategies as st
from program_strategies import any_strings, broken_programs, programs

from prox.program import DropDocument, InsertLine, KeepDocument, Program, RemoveLines, Replace, ReplaceOnce, Scope


@given(programs)
def test_the_canonical_form_reads_back_exactly(program):
    assert Program.parse(program.render()) == Program(program.operations)


@given(programs)
def test_the_canonical_form_is_one_line_a_call_in_any_editor_and_encodes_as_utf8(program):
    text = str(program)
    assert len(text.splitlines()) == len(program.operations)
    assert text.encode("utf-8").decode("utf-8") == text
    assert all(character.isprintable() or ord(character) > 0x9F for character in text.replace("\n", ""))


@given(st.text())
def test_any_string_survives_quoting(text):
    assert Program.parse(Program((Replace(text, text[::-1]),)).render()).operations == (Replace(text, text[::-1]),)


@given(st.one_of(st.text(), any_strings, broken_programs()))
def test_any_text_is_a_program_with_located_errors(text):
    program = Program.parse(text)
    offsets = [error.offset for error in program.errors]
    assert offsets == sorted(set(offsets))
    for error in program.errors:
        assert text.startswith(error.snippet, error.offset) and error.snippet
        assert error.line == text.count("\n", 0, error.offset)
        assert error.message


@given(st.one_of(any_strings, broken_programs()))
def test_canonical_text_of_whatever_was_read_reads_back_the_same(text):
    program = Program.parse(text)
    assert Program.parse(program.render()).operations == program.operations


def test_the_canonical_form_looks_like_this():
    program = Program(
        (
            DropDocument(),
            KeepDocument(),
            RemoveLines(3, 5),
            Replace('"\\\n\t\x85\u2028\ud800é', "“", 3, 9),
            ReplaceOnce(3, "teh", "the"),
            InsertLine(-1, "Title", 2),
        )
    )
    assert str(program).split("\n") == [
        "drop_doc()",
        "keep_doc()",
        "remove_lines(line_start=3, line_end=5)",
        r'normalize(source_str="\"\\\n\t\x85\u2028\ud800é", target_str="“", line_start=3, line_end=9)',
        'replace_str(line=3, source_str="teh", target_str="the")',
        'add_line(line_after=-1, place=2, text="Title")',
    ]


def test_the_target_and_the_place_may_be_left_out():
    text = "replace_str(3, 'a')\nadd_line(line_after=0, text='a')"
    assert Program.parse(text) == Program((ReplaceOnce(3, "a", ""), InsertLine(0, "a", 0)))


def test_replacements_can_be_bounded_on_one_side():
    program = Program((Replace("a", "", first=3), Replace("a", "", last=4)))
    assert Program.parse(str(program)) == program


def test_the_canonical_reader_knows_the_calls_of_both_prox_dialects():
    text = "drop_doc() keep_doc() keep_chunk() untouch_doc() remove_lines(1, 2) normalize('a', start=1)"
    program = Program.parse(text, Scope(0, 4))
    keep = KeepDocument()
    assert program.operations == (DropDocument(), keep, keep, keep, RemoveLines(1, 2), Replace("a", "", first=1))
    assert program.scope == Scope(0, 4)


@pytest.mark.parametrize("number", [10**30, -(10**30), 10**5000], ids=["large", "negative", "huge"])
def test_line_numbers_of_any_size_can_be_written_and_read(number):
    (operation,) = Program.parse(Program((RemoveLines(number, number),)).render()).operations
    assert abs(operation.first) == 10**18
    assert (operation.first < 0) == (number < 0)
