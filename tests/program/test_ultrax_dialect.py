import pytest
from hypothesis import given
from hypothesis import strategies as st
from program_strategies import any_strings, insertions, removals, single_replacements

from prox.errors import UsageError
from prox.program import (
    ULTRAX,
    DropDocument,
    InsertLine,
    KeepDocument,
    Policy,
    Program,
    RemoveLines,
    ReplaceOnce,
    Scope,
    execute,
)

KEEP, DROP = KeepDocument(), DropDocument()
UNLIMITED = Policy.unlimited()
operations = st.one_of(removals, single_replacements, insertions, st.sampled_from([KEEP, DROP]))


@given(st.lists(operations).map(tuple))
def test_programs_survive_writing_and_reading(operations):
    assert ULTRAX.parse(ULTRAX.render(Program(operations))) == Program(operations)


def test_programs_look_like_this_and_count_lines_from_1():
    program = Program((RemoveLines(0, 2), ReplaceOnce(3, "it's", 'a "b"'), InsertLine(-1, "Title", 1), KEEP, DROP))
    assert ULTRAX.render(program).split("\n") == [
        "remove_lines(1, 3)",
        """replace_str(4, "it's", "a \\"b\\"")""",
        'add_line(0, 1, "Title")',
        "keep_all()",
        "remove_all()",
    ]


@pytest.mark.parametrize(
    ("text", "operation"),
    [
        ("remove_lines(3, 5)", RemoveLines(2, 4)),
        ("remove_lines(start=3, end=5)", RemoveLines(2, 4)),
        ("remove_lines(line_start=3, line_end=5)", RemoveLines(2, 4)),
        ("replace_str(1, 'a', 'b')", ReplaceOnce(0, "a", "b")),
        ('replace_str(1, "a", "")', ReplaceOnce(0, "a", "")),
        ("replace_str(line=1, old='a', new='b')", ReplaceOnce(0, "a", "b")),
        ("replace_str(line_number=1, old_content='a', new_content='b')", ReplaceOnce(0, "a", "b")),
        (r"replace_str(1, 'it\'s \"\\frac\" \n', '')", ReplaceOnce(0, 'it\'s "\\frac" \n', "")),
        ("add_line(0, 0, 'a')", InsertLine(-1, "a", 0)),
        ("add_line(2, 1, 'a')", InsertLine(1, "a", 1)),
        ("add_line(after_line=2, sub_index=1, text='a')", InsertLine(1, "a", 1)),
        ("add_line(base_position=2, content='a', sub_index=1)", InsertLine(1, "a", 1)),
        ("add_line(after_line=2, text='a')", InsertLine(1, "a", 0)),
        ("keep_all()", KEEP),
        ("remove_all()", DROP),
        ("```python\nkeep_all()\n```", KEEP),
    ],
)
def test_each_operation_is_read_in_every_spelling(text, operation):
    assert ULTRAX.parse(text) == Program((operation,))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("replace_str(1, 'a')", "lacks new"),
        ("replace_str('a', 'b')", "whole number"),
        ("add_line(1, 'a')", "whole number"),
        ("add_line(1, 0)", "lacks text"),
        ("drop_doc()", "not an operation of ultrax"),
        ("normalize('a')", "not an operation of ultrax"),
        ("replace_str(1, 'a', 'b", "quote never closes"),
    ],
)
def test_what_is_not_a_sound_call_is_an_error(text, message):
    program = ULTRAX.parse(text)
    assert program.operations == ()
    assert message in program.errors[0].message


def test_line_0_is_negative_except_for_what_is_added_before_the_first_line():
    outcome = execute(
        "a\nb", ULTRAX.parse("remove_lines(0, 0)\nreplace_str(0, 'a', '')\nadd_line(0, 0, 'x')"), UNLIMITED
    )
    assert outcome.text == "x\na\nb"
    assert [rejected.reason for rejected in outcome.rejected] == ["negative line number"] * 2


def test_remove_all_removes_the_chunk_and_drops_a_document_that_is_no_chunk():
    assert ULTRAX.parse("remove_all()", Scope(3, 9)).operations == (RemoveLines(3, 9),)
    assert execute("a\nb\nc", ULTRAX.parse("remove_all()", Scope(0, 1)), UNLIMITED).text == "c"
    assert execute("a\nb\nc", ULTRAX.parse("remove_all()"), UNLIMITED).dropped


def test_dropping_the_document_is_not_written_into_the_program_of_a_chunk():
    """It would be read back as the removal of the chunk."""
    with pytest.raises(UsageError, match="cannot say"):
        ULTRAX.render(Program((DROP,), scope=Scope(3, 9)))


@pytest.mark.parametrize(
    "before",
    [
        "<think></think>",
        "<think>\n\n</think>\n\n",
        "\n <think>remove_lines(1, 9) or it's \"not\n(</think> ",
        "<think><think>keep_all()</think>\n",
    ],
)
def test_thoughts_before_the_program_are_no_part_of_it(before):
    program = ULTRAX.parse(f"{before}remove_lines(1, 2)\nsee above")
    assert program.operations == (RemoveLines(0, 1),)
    (error,) = program.errors
    assert (error.offset, error.line) == (len(before) + 19, before.count("\n") + 1)


@pytest.mark.parametrize(
    "text",
    [
        "<think>remove_lines(1, 2)",
        "<think>\nremove_lines(1, 2",
        "so <think>\n</think>\nso",
        "<think></think><think></think>keep_all()",
    ],
)
def test_thoughts_that_never_end_or_stand_elsewhere_are_no_program(text):
    assert ULTRAX.parse(text).errors


@given(any_strings)
def test_no_thought_is_an_operation(thought):
    text = f"<think>{thought}</think>"
    if "</think>" not in thought:
        assert ULTRAX.parse(text) == Program()


def test_a_page_of_all_operations():
    page = "Home | About\nThe cat sat on teh mat.\n\nIt purred. [edit]\nShare"
    program = ULTRAX.parse(
        "remove_lines(1, 1)\nreplace_str(2, 'teh', 'the')\nreplace_str(4, ' [edit]', '')\nadd_line(0, 0, 'The cat')\n"
        "add_line(4, 1, 'It slept.')\nremove_lines(5, 5)"
    )
    outcome = execute(page, program, UNLIMITED)
    assert outcome.text == "The cat\nThe cat sat on the mat.\n\nIt purred.\nIt slept."
    assert outcome.rejected == () and execute(page, outcome.program, UNLIMITED).text == outcome.text
