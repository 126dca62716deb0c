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
    KeepDocument,
    ParseError,
    Policy,
    Program,
    RemoveLines,
    Replace,
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
    ],
)
def test_an_operation_that_makes_no_sense_is_rejected_with_its_reason(operation, reason):
    assert reason in only_reason("a\nb\nc", operation)


@pytest.mark.parametrize("number", [3 * 10**7, 10**18, 10**5000], ids=["millions", "far", "huge"])
def test_a_huge_number_takes_no_time(number):
    start = time.perf_counter()
    for operation in (RemoveLines(0, number), RemoveLines(-number, 1), Replace("a", "", 0, number)):
        outcome = run("a\nb", operation)
        assert outcome.text == "a\nb" and len(outcome.rejected) == 1
    assert time.perf_counter() - start < 0.5


def test_many_operations_take_time_in_proportion():
    text = "\n".join("line" for _ in range(20_000))
    chance = random.Random(3)
    edits = [RemoveLines(first, 19_998) for first in chance.choices(range(1, 19_998), k=20_000)]
    start = time.perf_counter()
    assert len(run(text, *edits).text) < len(text)
    assert time.perf_counter() - start < 2  # every range on its own would be 2 * 10**8 lines


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
    ],
)
def test_a_program_touches_nothing_outside_its_scope(operation):
    assert "outside" in only_reason("a\na\na\na", operation, scope=Scope(1, 2))


def test_a_replacement_acts_on_its_lines_within_the_scope():
    assert run("a\na\na\na", Replace("a"), scope=Scope(1, 2)).text == "a\n\n\na"
    assert run("a\na\na\na", Replace("a", "", 0, 1), scope=Scope(1, 2)).text == "a\n\na\na"


@pytest.mark.parametrize("scope", [Scope(5, 9), Scope(3, 1), Scope(-5, -2), Scope(10**30, 10**31)])
def test_a_scope_without_lines_allows_nothing(scope):
    outcome = run("a\na", RemoveLines(0, 0), Replace("a"), scope=scope)
    assert outcome.text == "a\na"
    assert len(outcome.rejected) == 2


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
    assert "not in its lines" in run(text, Replace("a\nb"), Replace("b", "", 1, 1)).rejected[0].reason


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
