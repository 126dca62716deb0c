import pytest
from hypothesis import given
from hypothesis import strategies as st
from program_strategies import programs, without_bounds

from prox.errors import UsageError
from prox.program import (
    PROX_CHUNK,
    PROX_DOCUMENT,
    DropDocument,
    KeepDocument,
    Program,
    RemoveLines,
    Replace,
)

KEEP, DROP = KeepDocument(), DropDocument()


def operations(text, dialect=PROX_CHUNK):
    program = dialect.parse(text)
    assert program.errors == (), program.errors
    return list(program.operations)


def only_error(text, dialect=PROX_CHUNK):
    program = dialect.parse(text)
    assert program.operations == ()
    (error,) = program.errors
    return error


@given(programs.map(without_bounds))
def test_chunk_programs_survive_writing_and_reading(program):
    assert PROX_CHUNK.parse(PROX_CHUNK.render(program)) == program


@given(st.lists(st.sampled_from([KEEP, DROP])))
def test_document_programs_survive_writing_and_reading(found):
    program = Program(tuple(found))
    assert PROX_DOCUMENT.parse(PROX_DOCUMENT.render(program)) == program


def test_dialects_write_their_own_word_for_keep():
    assert PROX_CHUNK.render(Program((KEEP,))) == "keep_chunk()"
    assert PROX_DOCUMENT.render(Program((KEEP,))) == "keep_doc()"


@pytest.mark.parametrize("operation", [DROP, Replace("a", "", first=3)])
def test_what_a_dialect_cannot_say_is_not_written_wrongly(operation):
    with pytest.raises(UsageError, match="cannot say"):
        PROX_CHUNK.render(Program((operation,)))


@pytest.mark.parametrize(
    "text",
    [
        "remove_lines(line_start=3, line_end=5)",
        "remove_lines(start=3, end=5)",
        "remove_lines(line_end=5, line_start=3)",
        "remove_lines(3, 5)",
        "remove_lines(3, line_end=5)",
        "remove_lines(line_start=3, 5)",
        "remove_lines(line_start=003, end = 005,)",
        "remove_lines (3,5);",
        "remove_lines(  # the menu (top)\n  3,\r\n  5,\n)",
        "```python\nremove_lines(3, 5)\n```",
        "```\nremove_lines(3, 5)```",
        "# it's the menu\nremove_lines(3, 5)  # don't keep it (\n",
    ],
)
def test_lines_can_be_removed_in_every_spelling(text):
    assert operations(text) == [RemoveLines(3, 5)]


@pytest.mark.parametrize(
    ("text", "source", "target"),
    [
        ('normalize(source_str="a", target_str="b")', "a", "b"),
        ('normalize(target_str="b", source_str="a")', "a", "b"),
        ("normalize('a', 'b')", "a", "b"),
        ("normalize('a', target_str='b')", "a", "b"),
        ('normalize(source_str="a")', "a", ""),
        ("normalize('a')", "a", ""),
        (r"""normalize('it\'s "x"')""", 'it\'s "x"', ""),
        (r'normalize("\n\r\t\\\"\x41\u00e9\U0001F600")', '\n\r\t\\"Aé😀', ""),
        (r'normalize("\frac \alpha \x4 \u12 \U00110000 \xi")', r"\frac \alpha \x4 \u12 \U00110000 \xi", ""),
        ('normalize("a,)=#\'(\n]; remove_lines(0, 1)")', "a,)=#'(\n]; remove_lines(0, 1)", ""),
        ('normalize("")', "", ""),
    ],
)
def test_strings_can_be_replaced_in_every_spelling(text, source, target):
    assert operations(text) == [Replace(source, target)]


@pytest.mark.parametrize("separator", ["\n", ";", " ", "\r\n\r\n", ", ", "\n# then\n", "\n```\n"])
def test_calls_may_be_separated_in_every_usual_way(separator):
    text = separator.join(["remove_lines(0, 1)", "normalize('a')", "keep_chunk()"])
    assert operations(text) == [RemoveLines(0, 1), Replace("a"), KEEP]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("remove_lines(3)", "lacks line_end"),
        ("remove_lines()", "lacks line_start"),
        ("normalize(target_str='a')", "lacks source_str"),
        ("remove_lines(1, 2, 3)", "too many"),
        ("remove_lines(1, 2, all=True)", "no argument all"),
        ("remove_lines(all=True)", "no argument all"),
        ("remove_lines(line_start=1, start=2)", "line_start is given twice"),
        ("remove_lines(1, 2, line_end=3)", "line_end is given twice"),
        ("remove_lines('1', 2)", "whole number"),
        ("remove_lines(1.0, 2)", "whole number"),
        ("remove_lines(1e3, 2)", "whole number"),
        ("remove_lines(None, 2)", "whole number"),
        ("remove_lines(one, 2)", "whole number"),
        ("normalize(3)", "string in quotes"),
        ("normalize(bare)", "string in quotes"),
        ("normalize('a', line_start=3)", "no argument line_start"),
        ("drop_doc()", "not an operation of prox-chunk"),
        ("keep_doc()", "not an operation of prox-chunk"),
        ("__import__('os').system('rm')", "not a call"),
        ("eval('1')", "not an operation"),
        ("remove_lines(1,, 2)", "cannot be read"),
        ("remove_lines(,)", "cannot be read"),
        ("remove_lines((1), 2)", "cannot be read"),
        ("remove_lines([1, 2])", "whole number"),
        ("normalize('a' 'b')", "cannot be read"),
        ("normalize(r'a')", "cannot be read"),
        ('normalize("""a""")', "cannot be read"),
        ("remove_lines(1, 2", "bracket never closes"),
        ("remove_lines(", "bracket never closes"),
        ("normalize('a)\nremove_lines(0, 1)", "quote never closes"),
        ("normalize(source_str=it's)\nremove_lines(0, 1)", "quote never closes"),
        ("remove_lines[1, 2]", "not a call"),
        ("remove_lines 1, 2", "not a call"),
        ("drop", "not a call"),
        ("'", "not a call"),
        ("Sure! Here you go:\n\nlines 3 to 5 (the menu)\n```\nit's that", "not a call"),
        ("I would call remove_lines(0, 5) here.", "not a call"),
        ("remove_lines(0, 5) would go too far, keep_chunk() is better", "not a call"),
        ("edit = remove_lines(0, 5)", "not a call"),
    ],
)
def test_what_is_not_a_sound_call_is_one_error_and_no_edit(text, message):
    error = only_error(text)
    assert message in error.message
    assert (error.offset, error.line) == (0, 0)


def test_document_programs_know_no_edits():
    program = PROX_DOCUMENT.parse("drop_doc()\nremove_lines(0, 1)")
    assert program.operations == (DROP,)
    assert [(error.offset, error.line) for error in program.errors] == [(11, 1)]


def test_sound_calls_around_an_unsound_one_are_read():
    program = PROX_CHUNK.parse("remove_lines(0, 1)\nremove_lines(x, (1))\nsee below\nremove_lines(8, 9) # end\nbye")
    assert program.operations == (RemoveLines(0, 1), RemoveLines(8, 9))
    assert [(error.line, error.snippet[:4]) for error in program.errors] == [(1, "remo"), (2, "see "), (4, "bye")]


def test_a_call_that_was_cut_off_is_never_an_edit():
    text = 'remove_lines(line_start=10, line_end=12)\nnormalize(source_str="a, (b) \\" c", target_str="d")'
    whole = tuple(operations(text))
    for end in range(len(text)):
        program = PROX_CHUNK.parse(text[:end])
        assert program.operations == whole[: len(program.operations)]
        assert len(program.errors) == (0 if end in (0, 40, 41) else 1)


@pytest.mark.parametrize("digits", ["9" * 19, "9" * 10**6, "-" + "9" * 10**6], ids=["19", "a million", "minus"])
def test_numbers_of_any_length_are_numbers_beyond_every_document(digits):
    (operation,) = operations(f"remove_lines(0, {digits})")
    assert abs(operation.last) == 10**18


def test_leading_zeros_do_not_make_a_number_long():
    assert operations(f"remove_lines({'0' * 10**6}7, 0)") == [RemoveLines(7, 0)]


def test_a_number_is_written_in_plain_digits():
    for number in ("+1", "1_000", "٣", "0x1", "1-"):
        assert "whole number" in only_error(f"remove_lines(0, {number})").message
