import random
import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from program_strategies import (
    any_strings,
    dense_pages,
    dense_programs,
    is_subsequence,
    operations,
    pages,
    policies,
    programs,
    removals,
    strings,
)

from prox.document import join_lines, split_lines
from prox.program import (
    DropDocument,
    InsertLine,
    KeepDocument,
    ParseError,
    Policy,
    Program,
    RemoveLines,
    Replace,
    ReplaceOnce,
    Scope,
    count_words,
    execute,
)

ANYTHING = Policy(None, None, None)
UNLIMITED = Policy.unlimited()
FAULT = ParseError(0, 0, "text that is not a call", "no")


def run(text, *edits, policy=UNLIMITED, scope=None, errors=()):
    return execute(text, Program(edits, errors, scope), policy)


def only_reason(text, *edits, **options):
    outcome = run(text, *edits, **options)
    assert outcome.text == text
    assert not outcome.edited
    (rejected,) = outcome.rejected
    return rejected.reason


# What must hold for every text and every program


@given(pages, st.one_of(programs, st.lists(programs, max_size=4)), policies)
def test_no_program_and_no_text_makes_it_raise(text, program, policy):
    outcome = execute(text, program, policy)
    assert outcome.dropped == (outcome.text is None)
    assert outcome.edited == (outcome.text is not None and outcome.text != text)
    assert all(rejected.reason for rejected in outcome.rejected)
    assert outcome.reason or not outcome.dropped


@given(st.text(), st.lists(operations), policies)
def test_unlikely_text_does_not_make_it_raise(text, edits, policy):
    execute(text, Program(tuple(edits)), policy)


@given(dense_pages, st.lists(dense_programs, min_size=1, max_size=3), st.integers(0, 3))
def test_the_effective_program_of_busy_programs_gives_the_same_text_again(text, found, errors_allowed):
    check_replay(text, found, Policy(errors_allowed, None, None, deletions_only=False))


@given(pages, st.one_of(programs, st.lists(programs, max_size=4)), policies)
def test_the_effective_program_gives_the_same_text_again(text, program, policy):
    check_replay(text, program, policy)


def check_replay(text, program, policy):
    outcome = execute(text, program, policy)
    again = execute(text, outcome.program, UNLIMITED)
    assert again.text == outcome.text
    assert again.rejected == ()
    assert again.program == outcome.program
    stored = Program.parse(str(outcome.program))
    assert stored == outcome.program
    assert execute(text, stored, UNLIMITED).text == outcome.text


@given(dense_pages, st.lists(dense_programs, min_size=1, max_size=3))
def test_with_deletions_only_nothing_is_invented_by_busy_programs(text, found):
    assert is_subsequence(execute(text, found, Policy(None, None, None)).text, text)


@given(pages, st.lists(programs, min_size=1, max_size=4), policies)
def test_with_deletions_only_nothing_is_invented(text, found, policy):
    assume(policy.deletions_only)
    outcome = execute(text, found, policy)
    assert outcome.dropped or is_subsequence(outcome.text, text)


@given(pages, st.lists(removals, max_size=6))
def test_lines_that_no_operation_names_survive(text, edits):
    outcome = run(text, *edits)
    lines = split_lines(text)
    named = {n for o in outcome.applied for n in range(o.first, o.last + 1)}
    assert outcome.text == join_lines([line for number, line in enumerate(lines) if number not in named])


@given(pages, st.lists(removals, max_size=6), st.randoms(use_true_random=False))
def test_order_and_overlap_of_removals_do_not_matter(text, edits, chance):
    shuffled = [*edits, *chance.sample(edits, len(edits) // 2)]
    chance.shuffle(shuffled)
    first, second = run(text, *edits), run(text, *shuffled)
    assert (first.text, first.program) == (second.text, second.program)


@given(pages, strings, strings, st.integers(0, 6), st.integers(0, 6))
def test_a_replacement_changes_no_line_outside_its_bounds(text, source, target, first, last):
    assume(source and len(target) <= len(source))
    lines = split_lines(text)
    expected = [line.replace(source, target) if first <= n <= last else line for n, line in enumerate(lines)]
    bounded = run(text, Replace(source, target, first, last))
    scoped = run(text, Replace(source, target), scope=Scope(first, last))
    for outcome in (bounded, scoped):
        assert outcome.text == (text if outcome.rejected else join_lines(expected))


@given(pages, st.integers(0, 30), st.integers(1, 5), any_strings)
def test_a_replacement_over_all_lines_is_what_one_expects(text, start, length, target):
    source = text[start : start + length] or text[:1]
    assume(source)
    assert run(text, Replace(source, target)).text == text.replace(source, target)


@given(pages, st.lists(st.tuples(st.integers(0, 3), removals, strings), max_size=4))
def test_programs_of_disjoint_chunks_do_not_meet(text, edits):
    lines = split_lines(text)
    middle = len(lines) // 2
    assume(middle > 0)
    halves = (lines[:middle], 0), (lines[middle:], middle)
    together, apart = [], []
    for half, start in halves:
        edit = [RemoveLines(start, start + max(0, len(half) - 2)), Replace("a")]
        together.append(Program(tuple(edit), (), Scope(start, start + len(half) - 1)))
        apart.append(run(join_lines(half), RemoveLines(0, max(0, len(half) - 2)), Replace("a")).text)
    outcome = execute(text, together, UNLIMITED)
    left = [piece for piece, (half, _) in zip(apart, halves, strict=True) if len(half) > 1]
    assert outcome.text == join_lines(left)


@given(pages)
def test_an_empty_program_leaves_the_text_byte_for_byte(text):
    for program in (Program(), [], [Program(scope=Scope(0, 0))], Program((KeepDocument(),))):
        outcome = execute(text, program)
        assert outcome.text == text
        assert not outcome.edited


# Lines


def test_line_numbers_mean_the_original_lines():
    assert run("a\nb\nc\nd\ne", RemoveLines(0, 1), RemoveLines(3, 3)).text == "c\ne"


def test_blank_lines_and_foreign_line_breaks_survive():
    text = "menu\n\na\r\n\fb\u2028c\x85d\x0b\x1ce\r\n\n\n"
    assert run(text, RemoveLines(0, 0)).text == text[5:]


def test_removing_every_line_gives_an_empty_text_or_a_drop():
    assert run("a\nb\n", RemoveLines(0, 2)).text == ""
    assert run("a\nb\n", RemoveLines(0, 2), policy=Policy(least_words=0)).dropped
    assert run("a\nb\n", RemoveLines(0, 2), policy=Policy(least_words=None)).dropped


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        (RemoveLines(-1, 1), "negative"),
        (RemoveLines(-3, -1), "negative"),
        (RemoveLines(2, 1), "first line after last"),
        (RemoveLines(0, 3), "beyond the last line of the document, 2"),
        (RemoveLines(3, 3), "beyond"),
        (Replace(""), "empty source"),
        (Replace("z"), "not in its lines"),
        (Replace("a\nc"), "not in its lines"),
        (Replace("a", "", 1, 2), "not in its lines"),
        (Replace("a", "", -1, 2), "negative"),
        (Replace("a", "", None, -1), "negative"),
        (Replace("a", "", 2, 1), "first line after last"),
        (Replace("a", "", 0, 3), "beyond"),
        (Replace("a", "", 3), "beyond"),
        (ReplaceOnce(-1, "a"), "negative"),
        (ReplaceOnce(3, "a"), "beyond the last line of the document, 2"),
        (ReplaceOnce(0, ""), "empty source"),
        (ReplaceOnce(0, "z"), "source is not in its line"),
        (ReplaceOnce(1, "a"), "source is not in its line"),
        (ReplaceOnce(0, "a\nb"), "line break"),
        (InsertLine(-2, "x"), "negative"),
        (InsertLine(3, "x"), "beyond the last line of the document, 2"),
    ],
)
def test_an_operation_that_makes_no_sense_is_rejected_with_its_reason(operation, reason):
    assert reason in only_reason("a\nb\nc", operation)


@pytest.mark.parametrize("number", [3 * 10**7, 10**18, 10**5000], ids=["millions", "far", "huge"])
def test_a_huge_number_takes_no_time(number):
    start = time.process_time()
    for operation in (
        RemoveLines(0, number),
        RemoveLines(-number, 1),
        Replace("a", "", 0, number),
        ReplaceOnce(number, "a"),
        InsertLine(number, "a"),
    ):
        outcome = run("a\nb", operation)
        assert outcome.text == "a\nb" and len(outcome.rejected) == 1
    assert time.process_time() - start < 0.5


def test_many_operations_take_time_in_proportion():
    text = "\n".join("line" for _ in range(20_000))
    chance = random.Random(3)
    edits = [RemoveLines(first, 19_998) for first in chance.choices(range(1, 19_998), k=20_000)]
    start = time.process_time()
    assert len(run(text, *edits).text) < len(text)
    assert time.process_time() - start < 2  # every range on its own would be 2 * 10**8 lines


def test_many_new_lines_and_single_replacements_take_time_in_proportion():
    text = "\n".join(f"line {number}" for number in range(20_000))
    edits = [ReplaceOnce(number, "line", "a line") for number in range(20_000)]
    edits += [InsertLine(number, "x" * (number % 50)) for number in range(20_000)]
    edits += [InsertLine(0, "x" * 10**7)] * 5000  # refused, each
    start = time.process_time()
    assert len(run(text, *edits).rejected) == 5000
    assert time.process_time() - start < 2  # every line for every edit would be 9 * 10**8


# Scope


@pytest.mark.parametrize(
    "operation",
    [
        RemoveLines(0, 1),
        RemoveLines(0, 3),
        RemoveLines(2, 3),
        Replace("a", "", 0, 0),
        Replace("a", "", 3),
        Replace("a", "", None, 0),
        ReplaceOnce(0, "a"),
        ReplaceOnce(3, "a"),
        InsertLine(-1, "a"),
        InsertLine(3, "a"),
    ],
)
def test_a_program_touches_nothing_outside_its_scope(operation):
    assert "outside" in only_reason("a\na\na\na", operation, scope=Scope(1, 2))


def test_a_replacement_acts_on_its_lines_within_the_scope():
    assert run("a\na\na\na", Replace("a"), scope=Scope(1, 2)).text == "a\n\n\na"
    assert run("a\na\na\na", Replace("a", "", 0, 1), scope=Scope(1, 2)).text == "a\n\na\na"


@pytest.mark.parametrize(
    "scope", [Scope(5, 9), Scope(3, 1), Scope(2, 1), Scope(1, 0), Scope(-5, -2), Scope(10**30, 10**31)]
)
def test_a_scope_without_lines_allows_nothing(scope):
    edits = [InsertLine(number, "x") for number in range(-1, 2)]
    outcome = run("a\na", RemoveLines(0, 0), Replace("a"), ReplaceOnce(0, "a"), *edits, scope=scope)
    assert outcome.text == "a\na"
    assert len(outcome.rejected) == 6


def test_scopes_become_the_bounds_of_the_effective_program():
    outcome = run("a\na\na", Replace("a"), RemoveLines(2, 2), RemoveLines(1, 1), scope=Scope(1, 9))
    assert outcome.program == Program((Replace("a", "", 1, 2), RemoveLines(1, 2)))
    assert run("a\na", Replace("a"), scope=Scope(0, 0)).program == Program((Replace("a", "", 0, 0),))
    assert run("a\na", Replace("a"), scope=Scope(0, 1)).program == Program((Replace("a"),))


# Replacements


def test_replacements_come_first_and_each_sees_the_one_before():
    outcome = run("ab\nx", RemoveLines(1, 1), Replace("a", ""), Replace("b", "c"), Replace("c", "d"))
    assert outcome.text == "d"
    assert "not in its lines" in only_reason("ab", Replace("ba"))


def test_a_source_without_a_line_break_does_not_cross_lines():
    assert only_reason("a\nb", Replace("ab"))


@pytest.mark.parametrize(
    ("text", "source", "target", "expected"),
    [
        ("a\nb\nc", "a\nb", "", "\nc"),
        ("a\nb\nc", "\n", "", "abc"),
        ("a\nb\nc", "\n", " ", "a b c"),
        ("a1\n1b1\n1c", "1\n1", "-", "a-b-c"),
        ("a\n\n\n\nb", "\n\n", "\n", "a\n\nb"),
        ("foo\nbar", "foo\n", "", "bar"),
        ("foo\nbar\n", "bar\n", "", "foo\n"),
        ("\n\n\n", "\n\n", "", "\n"),
    ],
)
def test_a_source_with_line_breaks_joins_lines(text, source, target, expected):
    outcome = run(text, Replace(source, target))
    assert outcome.text == expected == text.replace(source, target)


def test_joined_lines_do_not_shift_the_numbers_of_the_others():
    text = "a\nb\nc\nd\ne"
    outcome = run(text, RemoveLines(3, 3), Replace("a\nb", "ab"), Replace("e", "E", 4, 4), Replace("b", "x", 0, 0))
    assert outcome.text == "ax\nc\nE"
    assert "not in its lines" in run(text, Replace("a\nb", "ab"), Replace("ab", "", 1, 1)).rejected[0].reason


def test_lines_that_are_removed_cannot_be_joined():
    outcome = run("a\nb\nc\nd", Replace("a\nb", "ab"), RemoveLines(1, 1))
    assert outcome.text == "a\nc\nd"
    assert "removed" in outcome.rejected[0].reason
    assert run("a\nb\nc\nd", Replace("c\nd", "cd"), RemoveLines(1, 1)).text == "a\ncd"


def test_a_line_that_a_later_program_removes_cannot_be_joined_either():
    outcome = execute("a\nb", [Program((Replace("a\nb", "ab"),)), Program((RemoveLines(1, 1),))], UNLIMITED)
    assert outcome.text == "a"


@pytest.mark.parametrize(
    ("target", "allowed"), [("", True), ("ac", True), ("abc", True), ("ca", False), ("x", False), ("abcc", False)]
)
def test_a_replacement_may_only_delete_unless_the_policy_says_otherwise(target, allowed):
    outcome = run("abc", Replace("abc", target), policy=ANYTHING)
    assert (outcome.text == target) == allowed
    assert allowed or "only deletions" in outcome.rejected[0].reason
    assert run("abc", Replace("abc", target)).text == target


def test_doubling_again_and_again_does_not_fill_the_memory():
    outcome = run("a" * 1000, *[Replace("a", "aa"), Replace("\n", "\n\n")] * 200, policy=Policy.released())
    assert outcome.reason  # too many errors: ignored
    outcome = run("a\n" * 1000, *[Replace("a", "aa"), Replace("\n", "\n\n")] * 200)
    assert len(outcome.text) <= 10 * 2000 + 10_000
    assert "grow" in outcome.rejected[0].reason
    assert execute("a\n" * 1000, outcome.program, UNLIMITED).text == outcome.text


# A source that was taken before its turn came


@pytest.mark.parametrize(
    "again",
    [
        Replace("b"),
        Replace("b", "", 0, 0),
        Replace("a b"),
        Replace("b\nc"),
        ReplaceOnce(0, "b"),
        ReplaceOnce(0, "a b", " "),
    ],
)
def test_a_source_that_an_earlier_replacement_took_has_nothing_left_to_do(again):
    """A program that said the same twice had an error for it, and with two it was ignored."""
    outcome = run("a b\nc", Replace("b"), again, policy=ANYTHING)
    assert (outcome.text, outcome.rejected) == ("a \nc", ())
    assert outcome.applied == (Replace("b"), again)
    assert outcome.program == Program((Replace("b"),))


@pytest.mark.parametrize(
    ("never", "reason"),
    [
        (Replace("d"), "source is not in its lines"),
        (Replace("b", "", 1, 1), "source is not in its lines"),
        (Replace("b\na"), "source is not in its lines"),
        (ReplaceOnce(1, "b"), "source is not in its line"),
    ],
)
def test_a_source_that_never_was_there_is_rejected_still(never, reason):
    (rejected,) = run("a b\nc", Replace("b"), never).rejected
    assert (rejected.operation, rejected.reason) == (never, reason)


def test_what_another_program_took_was_not_there_when_a_program_began():
    outcome = execute("a b", [Program((Replace("b"),)), Program((Replace("b"), ReplaceOnce(0, "b")))], UNLIMITED)
    assert [rejected.reason for rejected in outcome.rejected] == [
        "source is not in its lines",
        "source is not in its line",
    ]


def test_lines_that_another_program_joined_do_not_come_back_to_be_searched():
    joined = Program((Replace("a\nb", "ab"),))
    outcome = execute("a\nb\nc\nx", [joined, Program((Replace("x"), Replace("\n\nc")))], UNLIMITED)
    assert outcome.text == "ab\nc\n"
    assert outcome.rejected[0].reason == "source is not in its lines"


# A replacement in one line


def test_a_string_that_occurs_once_in_its_line_is_replaced_there_only():
    outcome = run("ab\nab\nab", ReplaceOnce(1, "b", "c"))
    assert outcome.text == "ab\nac\nab"
    assert outcome.program == Program((Replace("b", "c", 1, 1),))


def test_a_string_that_occurs_more_than_once_in_its_line_is_not_replaced():
    assert only_reason("a b a b a", ReplaceOnce(0, "a", "")) == "source occurs 3 times in its line, not once"


def test_occurrences_are_counted_in_the_line_before_the_program():
    (rejected,) = run("a a b", Replace("a b", "b"), ReplaceOnce(0, "a")).rejected
    assert rejected.reason == "source occurs 2 times in its line, not once"
    (rejected,) = run("b c", ReplaceOnce(0, "b", "a"), ReplaceOnce(0, "a")).rejected
    assert rejected.reason == "source is not in its line"


def test_a_string_that_an_earlier_target_doubled_is_left_alone():
    outcome = run("a b", ReplaceOnce(0, "b", "a"), ReplaceOnce(0, "a"))
    assert outcome.text == "a a"
    assert outcome.rejected[0].reason == "source occurs 2 times in its line, not once"


@pytest.mark.parametrize("target", ["", "b", "ab", "a a"])
def test_the_same_single_replacement_twice_acts_once(target):
    outcome = run("xay", ReplaceOnce(0, "a", target), ReplaceOnce(0, "a", target))
    assert (outcome.text, outcome.rejected) == (f"x{target}y", ())
    assert len(outcome.applied) == 2 and len(outcome.program.operations) == 1


def test_the_same_wrong_single_replacement_twice_is_two_errors():
    assert len(run("a a", ReplaceOnce(0, "a"), ReplaceOnce(0, "a")).rejected) == 2


def test_each_program_counts_in_the_line_as_it_finds_it():
    outcome = execute("a a", [Program((Replace("a a", "a b"),)), Program((ReplaceOnce(0, "a"),))], UNLIMITED)
    assert outcome.text == " b"
    assert execute("a a", outcome.program, UNLIMITED).text == " b"


def test_single_replacements_and_others_act_in_order():
    assert run("ab", ReplaceOnce(0, "b", "c"), Replace("ac", "d")).text == "d"
    assert run("ab", Replace("a", "x"), ReplaceOnce(0, "b", "c"), RemoveLines(0, 0)).text == ""
    outcome = run("a\nb\nc", Replace("a\nb", "ab"), ReplaceOnce(1, "b"))
    assert (outcome.text, outcome.rejected) == ("ab\nc", ())  # line 1 has become part of line 0


@pytest.mark.parametrize(("target", "allowed"), [("", True), ("ac", True), ("ca", False), ("abcc", False)])
def test_a_single_replacement_may_only_delete_unless_the_policy_says_otherwise(target, allowed):
    outcome = run("abc", ReplaceOnce(0, "abc", target), policy=ANYTHING)
    assert (outcome.text == target) == allowed
    assert allowed or "only deletions" in outcome.rejected[0].reason


# New lines


def test_new_lines_stand_behind_their_line_in_the_order_of_their_places():
    edits = [InsertLine(0, "third", 2), InsertLine(0, "first"), InsertLine(-1, "top"), InsertLine(0, "second")]
    outcome = run("a\nb", *edits, InsertLine(1, "end", -1))
    assert outcome.text == "top\na\nfirst\nsecond\nthird\nb\nend"
    assert str(outcome.program).split("\n")[0] == 'add_line(line_after=-1, place=0, text="top")'
    assert outcome.applied == (*edits, InsertLine(1, "end", -1))


def test_new_lines_shift_no_numbers():
    outcome = run("a\nb\nc", InsertLine(0, "x\ny"), RemoveLines(1, 1), ReplaceOnce(2, "c", "d"), Replace("x"))
    assert outcome.text == "a\nx\ny\nd"
    assert [rejected.operation for rejected in outcome.rejected] == [Replace("x")]


def test_a_new_line_stays_where_its_line_is_removed():
    assert run("a\nb\nc", RemoveLines(0, 1), InsertLine(0, "x"), InsertLine(1, "y")).text == "x\ny\nc"
    assert run("a\nb", RemoveLines(0, 1), InsertLine(-1, "x")).text == "x"
    assert run("a", RemoveLines(0, 0), InsertLine(0, "")).text == ""


def test_a_new_line_behind_a_line_that_was_joined_stands_behind_the_whole():
    for after in (0, 1):
        assert run("a\nb\nc", Replace("a\nb", "ab"), InsertLine(after, "x")).text == "ab\nx\nc"


def test_a_program_may_add_lines_before_and_behind_each_of_its_lines():
    edits = [InsertLine(0, "x"), InsertLine(2, "y")]
    assert run("a\nb\nc\nd", *edits, scope=Scope(1, 2)).text == "a\nx\nb\nc\ny\nd"


def test_lines_of_several_programs_at_one_place_stand_in_the_order_of_the_programs():
    programs = [Program((InsertLine(0, "x"),), (), Scope(0, 0)), Program((InsertLine(0, "y"),), (), Scope(1, 1))]
    outcome = execute("a\nb", programs, UNLIMITED)
    assert outcome.text == execute("a\nb", outcome.program, UNLIMITED).text == "a\nx\ny\nb"


def test_no_line_is_added_where_only_deletions_are_allowed():
    reason = only_reason("a", InsertLine(0, "x"), policy=ANYTHING)
    assert reason == "a new line, and only deletions are allowed"


def test_new_lines_do_not_fill_the_memory():
    outcome = run("a" * 1000, *[InsertLine(0, "x" * 999)] * 100)
    assert len(outcome.text) == 1000 + 19 * 1000
    assert len(outcome.rejected) == 81 and "grow" in outcome.rejected[0].reason
    outcome = run(
        "a" * 1000, *[InsertLine(0, "x" * 999), Replace("a", "aa"), ReplaceOnce(0, "a" * 1000, "b" * 9000)] * 9
    )
    assert len(outcome.text) <= 20_000
    assert execute("a" * 1000, outcome.program, UNLIMITED).text == outcome.text


def test_an_ignored_program_leaves_no_line_and_no_size():
    unsound = Program((InsertLine(0, "x" * 15_000), ReplaceOnce(0, "a", "b"), ReplaceOnce(9, "a"), ReplaceOnce(9, "b")))
    sound = Program((InsertLine(0, "y" * 9_000),))
    policy = Policy(least_words=None, deletions_only=False)
    outcome = execute("a" + "c" * 999, [unsound, sound], policy)
    assert outcome.text == "a" + "c" * 999 + "\n" + "y" * 9_000
    assert outcome.applied == sound.operations and outcome.program == sound


# Drop and keep


def test_a_drop_drops():
    outcome = run("a", DropDocument(), RemoveLines(0, 0))
    assert outcome.dropped
    assert outcome.reason == "the program drops the document"
    assert str(outcome.program) == "drop_doc()"


@pytest.mark.parametrize("edits", [(DropDocument(), KeepDocument()), (KeepDocument(), DropDocument())])
def test_a_program_that_keeps_and_drops_keeps(edits):
    outcome = run("a", *edits)
    assert outcome.text == "a"
    assert [rejected.operation for rejected in outcome.rejected] == [DropDocument()]
    assert outcome.program == Program((KeepDocument(),))


def test_the_program_of_a_part_cannot_drop_the_document():
    assert "part" in only_reason("a\nb", DropDocument(), scope=Scope(0, 0))
    assert run("a\nb", DropDocument(), scope=Scope(0, 1)).dropped


def test_any_of_several_programs_may_drop():
    assert execute("a", [Program((KeepDocument(),)), Program((DropDocument(),))]).dropped


# Errors

BAD = RemoveLines(7, 7)


def test_one_error_is_forgiven_and_two_are_not():
    text = "menu\n" + "word " * 30
    assert run(text, RemoveLines(0, 0), BAD, policy=Policy()).text == text[5:]
    for options in ({"errors": (FAULT,)}, {"errors": (FAULT, FAULT)}):
        outcome = run(text, RemoveLines(0, 0), Replace("word"), BAD, policy=Policy(), **options)
        assert outcome.text == text
        assert not outcome.applied and not outcome.edited
        assert "ignored" in outcome.reason
        assert outcome.program == Program()
    assert run(text, RemoveLines(0, 0), BAD, BAD, policy=Policy(errors_allowed=2)).text == text[5:]
    assert run(text, RemoveLines(0, 0), BAD, policy=Policy(errors_allowed=0)).text == text


def test_errors_are_counted_program_by_program():
    text = "a\n" + "word " * 30 + "\nb"
    sound = Program((RemoveLines(0, 0),), (FAULT,), Scope(0, 0))
    unsound = Program((RemoveLines(2, 2), Replace("b"), Replace("word\nb")), (FAULT,), Scope(1, 2))
    outcome = execute(text, [sound, unsound])
    assert outcome.text == text[2:]
    assert outcome.reason == "the program for lines 1 to 2 is ignored: erroneous operations 2, allowed 1"
    assert outcome.errors == (FAULT, FAULT)
    assert outcome.applied == (RemoveLines(0, 0),)


def test_an_ignored_program_leaves_no_trace():
    unsound = Program((Replace("a\nb", "ab"), Replace("c"), BAD, BAD))
    outcome = execute("a\nb\nc\nd", [unsound, Program((Replace("b"), RemoveLines(2, 2)))], Policy(least_words=0))
    assert outcome.text == "a\n\nd"
    assert outcome.applied == (Replace("b"), RemoveLines(2, 2))


def test_an_ignored_program_cannot_drop():
    assert run("a " * 20, DropDocument(), errors=(FAULT, FAULT), policy=Policy()).text == "a " * 20


# Word limits


def words(count):
    return " ".join(["word"] * count)


def test_a_document_of_which_too_small_a_share_is_left_is_dropped():
    text = words(20 * 19) + "\n" + words(20)
    outcome = run(text, RemoveLines(0, 0), policy=Policy())
    assert outcome.dropped
    assert outcome.reason == "too small a share of words left: 20 of 400, the limit is 0.05"
    assert run(text + " word", RemoveLines(0, 0), policy=Policy()).text == words(21)


def test_a_document_of_which_too_few_words_are_left_is_dropped():
    text = words(15) + "\n" + words(10)
    outcome = run(text, RemoveLines(0, 0), policy=Policy())
    assert outcome.reason == "too few words left: 10, the limit is 10"
    assert run(text + " word", RemoveLines(0, 0), policy=Policy()).text == words(11)


def test_short_unedited_documents_stay_unless_the_policy_says_otherwise():
    for text in ("", "\n \n", words(10)):
        assert run(text, policy=Policy()).text == text
        assert run(text, policy=Policy.released()).dropped
    assert run(words(11), policy=Policy.released()).text == words(11)


@given(st.one_of(pages, dense_pages), st.one_of(programs, dense_programs), policies)
def test_the_short_cut_of_the_word_limits_is_exact(text, program, policy):
    outcome = execute(text, program, policy)
    undisturbed = execute(text, program, Policy(policy.errors_allowed, None, None, policy.deletions_only))
    assume(not undisturbed.dropped)
    left, total = count_words(undisturbed.text), count_words(text)
    judged = undisturbed.edited or not policy.short_unedited_kept
    too_few = judged and policy.least_words is not None and left <= policy.least_words
    too_little = undisturbed.edited and policy.least_share is not None and total and left / total <= policy.least_share
    assert outcome.dropped == bool(too_few or too_little)


def test_chinese_letters_are_words():
    text = "菜单\n" + "没有空格的文字" * 3
    assert run(text, RemoveLines(0, 0), policy=Policy()).text == "没有空格的文字" * 3
