"""Reasons as they are counted: without what is particular to one record."""

import pytest

from prox.program import Policy, Program, Scope, execute
from prox.runs.rows import reason_kind

IGNORED = "edited less or not: a program with too many wrong operations was ignored"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("dropped by tagger, keep score 0.12", "dropped by tagger"),
        ("too_few_sentences: dropped by rules:c4", "too_few_sentences"),
        ("too few words left: 3, the limit is 10", "too few words left"),
        ("the program is ignored: erroneous operations 3, allowed 1", IGNORED),
        ("record too long: 1,000 bytes; its first 9 bytes are kept", "record too long"),
    ],
)
def test_reasons_are_counted_by_kind(reason, kind):
    assert reason_kind(reason) == kind


def test_a_program_that_was_ignored_hides_no_drop():
    """As the executor writes it, for two chunks of which one has a program that cannot be used."""
    wrong = Program(Program.parse("remove_lines(50, 60)\nremove_lines(70, 80)").operations, scope=Scope(0, 0))
    right = Program(Program.parse("remove_lines(1, 1)").operations, scope=Scope(1, 1))
    kept, dropped = (
        execute("one\ntwo", [wrong, right], Policy(least_share=None, least_words=words)) for words in (0, 10)
    )
    assert not kept.dropped and reason_kind(kept.reason) == IGNORED
    assert dropped.dropped and reason_kind(dropped.reason) == "too few words left"
