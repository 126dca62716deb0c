import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prox.program import Outcome, Policy, Program, execute
from prox.refiners.draft import Draft
from prox.runs.failure_kinds import LONGEST, failure_kind, failure_kinds


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("remove_lines(7, 9)", "lines out of bounds"),
        ("remove_lines(-3, 0)", "lines out of bounds"),
        ("remove_lines(1, 0)", "lines out of bounds"),
        ('normalize("zebra")', "source string not in the text"),
        ('replace_str(0, "zebra", "")', "source string not in the text"),
        ('replace_str(0, "a", "")', "source string not unique in its line"),
        ('normalize("a", "zebra")', "more than a deletion"),
        ('add_line(0, 0, "x")', "more than a deletion"),
        ("erase(1)", "unknown operation"),
        ("remove_lines(1)", "wrong arguments"),
        ('remove_lines("1", 2)', "wrong arguments"),
        ("remove_lines(0, 1", "cut off"),
        ('normalize("abc', "cut off"),
        ("I would keep this page.", "no program"),
    ],
)
def test_programs_fail_in_named_ways(written, kind):
    program = Program.parse(written)
    outcome = execute("a b a\nsecond", program, Policy(least_words=None, least_share=None))
    assert failure_kinds(outcome, Draft(program)) == {kind}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("empty output", "empty output"),
        ("the program is cut off after 256 tokens", "cut off"),
        ("the output is no program: the program repeats itself, empty output", "no program"),
        ("the program repeats itself: 9 times remove_lines(line_start=1, line_end=1)", "repeated output"),
        ("quarantine: no stored program for this id", "no stored program for this id"),
        ("server error 503: come back later", "server error N"),
        ("", "other"),
    ],
)
def test_drafts_fail_in_named_ways(error, kind):
    assert failure_kinds(Outcome(""), Draft(Program(), errors=(error,))) == {kind}


def test_a_sound_program_has_no_kinds():
    assert failure_kinds(Outcome("a"), Draft(Program())) == set()


@given(st.text(st.characters()))
@example("\ud800 is what I say")
def test_a_kind_is_short_and_can_be_written_whatever_a_server_says(message):
    assert 0 < len(failure_kind(message).encode().decode()) <= LONGEST
