import pytest
from hypothesis import given
from hypothesis import strategies as st
from program_strategies import any_strings, numbers, removals

from prox.program import REFINEX, KeepDocument, Policy, Program, RemoveLines, ReplaceOnce, execute

operations = st.one_of(removals, st.builds(ReplaceOnce, numbers, any_strings), st.just(KeepDocument()))


@given(st.lists(operations).map(tuple))
def test_programs_survive_writing_and_reading(operations):
    assert REFINEX.parse(REFINEX.render(Program(operations))) == Program(operations)


def test_programs_look_like_this():
    program = Program((RemoveLines(0, 2), ReplaceOnce(3, 'say "hi"\t'), KeepDocument()))
    assert REFINEX.render(program).split("\n") == [
        "remove_lines(0, 2)",
        r'remove_str(3, "say \"hi\"\t")',
        "keep_all()",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "remove_str(3, 'a')",
        'remove_str(3, "a")',
        "remove_str(line=3, source_str='a')",
        "remove_str(line_number=3, text='a')",
        "remove_str(3, content='a')",
    ],
)
def test_strings_can_be_removed_in_every_spelling(text):
    assert REFINEX.parse(text) == Program((ReplaceOnce(3, "a"),))


@pytest.mark.parametrize("text", ["remove_lines(3, 5)", "remove_lines(start=3, end=5)"])
def test_lines_can_be_removed_in_every_spelling(text):
    assert REFINEX.parse(text) == Program((RemoveLines(3, 5),))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("remove_str('a')", "whole number"),
        ("remove_str(3)", "lacks source_str"),
        ("remove_str(3, 'a', 'b')", "too many"),
        ("replace_str(3, 'a', 'b')", "not an operation of refinex"),
        ("drop_doc()", "not an operation of refinex"),
        ("keep_all", "not a call"),
    ],
)
def test_what_is_not_a_sound_call_is_an_error(text, message):
    (error,) = REFINEX.parse(text).errors
    assert message in error.message


def test_a_string_is_removed_only_where_it_occurs_once_in_its_line():
    page = "Home\nThe river rose. Read more\nRead more. Read more"
    outcome = execute(
        page, REFINEX.parse('remove_str(1, " Read more")\nremove_str(2, "Read more")'), Policy.unlimited()
    )
    assert outcome.text == "Home\nThe river rose.\nRead more. Read more"
    assert [rejected.operation for rejected in outcome.rejected] == [ReplaceOnce(2, "Read more")]
