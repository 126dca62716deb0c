import gzip
import json
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from program_strategies import any_strings, is_subsequence, pages

from prox.errors import UsageError
from prox.program import (
    Distilled,
    InsertLine,
    Policy,
    Program,
    Refused,
    RemoveLines,
    Replace,
    ReplaceOnce,
    Terms,
    distill,
    execute,
)
from prox.program.distill import INSERTS, REPLACES, REWRITE, TOO_LITTLE
from prox.program.from_labels import program_from_labels

GOLD = Path(__file__).parents[3] / "shared" / "gold"
ALL = Terms(most_inserted=None, least_deleted=0, insertions=True, replacements=True)
DELETIONS = Terms(least_deleted=0)


def replayed(raw, program):
    outcome = execute(raw, Program.parse(program.render()), Policy.unlimited())
    assert not outcome.rejected
    return outcome.text


def operations(raw, refined, terms=DELETIONS):
    distilled = distill(raw, refined, terms)
    assert isinstance(distilled, Distilled), distilled
    assert replayed(raw, distilled.program) == refined
    return list(distilled.program.operations)


@st.composite
def simulated_edits(draw):
    """A page, and a program that removes lines and strings from it: runs of lines are one operation."""
    alphabet = draw(st.sampled_from(["ab", "ab ", "abcdefg \x00\u2028\r"]))
    lines = draw(st.lists(st.text(alphabet, max_size=7), min_size=1, max_size=9))
    edits = []
    for number, line in enumerate(lines):
        kind = draw(st.integers(0, 3))
        if kind == 0:
            if edits and isinstance(edits[-1], RemoveLines) and edits[-1].last == number - 1:
                edits[-1] = RemoveLines(edits[-1].first, number)
            else:
                edits.append(RemoveLines(number, number))
        elif kind == 1 and line:
            start = draw(st.integers(0, len(line) - 1))
            source = line[start : draw(st.integers(start + 1, len(line)))]
            if line.count(source) == 1:
                edits.append(ReplaceOnce(number, source))
    return "\n".join(lines), Program(tuple(edits))


@settings(max_examples=500)
@given(simulated_edits())
def test_no_more_operations_than_the_edit_had(edit):
    raw, program = edit
    refined = execute(raw, program, Policy.unlimited()).text
    distilled = distill(raw, refined, DELETIONS)
    assert isinstance(distilled, Distilled)
    assert distilled.proven
    assert len(distilled.program.operations) <= len(program.operations)
    assert replayed(raw, distilled.program) == refined


@settings(max_examples=250)
@given(st.text("ab\n", max_size=40), st.data())
def test_any_deletion_has_a_program_of_deletions(raw, data):
    gone = data.draw(st.sets(st.integers(0, max(0, len(raw) - 1))))
    refined = "".join([character for place, character in enumerate(raw) if place not in gone])
    for operation in operations(raw, refined):
        assert not isinstance(operation, InsertLine)
        assert isinstance(operation, RemoveLines) or is_subsequence(operation.target, operation.source)


@settings(max_examples=250)
@given(st.one_of(pages, any_strings), st.one_of(pages, any_strings), st.sampled_from([ALL, DELETIONS, Terms()]))
def test_a_program_is_exact_or_refused(raw, refined, terms):
    distilled = distill(raw, refined, terms)
    if isinstance(distilled, Refused):
        assert distilled.reason
    else:
        assert replayed(raw, distilled.program) == refined
        assert distilled.deleted - distilled.inserted == len(raw) - len(refined)


def test_lines_that_repeat_are_removed_in_one_run():
    raw = "text\n\nnoise\n\nmore noise\n\nend\n\n"
    assert operations(raw, "text\n\nend\n\n") == [RemoveLines(2, 5)]
    assert operations("a\n\nb\n\n", "a\n\nb") == [RemoveLines(3, 4)]
    assert operations("a\nb", "") == [RemoveLines(0, 1)]
    assert operations("a\nb", "a\nb") == []


def test_a_string_that_is_not_alone_in_its_line_gets_context():
    assert operations("a [x] b [x] c", "a [x] b c") == [ReplaceOnce(0, "b [x]", "b")]
    assert operations("one | two\nkeep | this", "one two\nkeep | this") == [ReplaceOnce(0, " |")]


def test_a_string_that_goes_everywhere_is_one_operation():
    raw = "A [edit]\nwords\nB [edit] and [edit]\nmenu"
    assert operations(raw, "A\nwords\nB and\nmenu") == [Replace(" [edit]")]
    assert operations(raw + " [edit]", "A\nwords\nB and\nmenu [edit]") == [Replace(" [edit]", "", 0, 2)]


def test_lines_are_joined_by_a_replacement_within_them():
    assert operations("x\nhyphen\nated\ny", "x\nhyphenated\ny") == [Replace("\n", "", 1, 2)]
    lines = [f"some words, number {number}" for number in range(40)]
    wrapped = "\n".join(["title", *lines])
    joined = "title\n" + " ".join(lines)
    assert operations(wrapped, joined, ALL) == [Replace("\n", " ", 1, 40)]


def test_what_is_new_is_refused_unless_allowed():
    raw = "The colour of it.\nMenu and more menu"
    assert distill(raw, "The color of its.").reason == INSERTS
    assert distill(raw, "The c0l0r of it.").reason == REPLACES
    assert operations(raw, "The c0l0r of it.", Terms(replacements=True))
    assert distill(raw, "The c0l0r of it.\nQuiz", Terms(replacements=True)).reason == INSERTS
    inserted = operations("a\n" + raw, "a\nnew\nThe colour of it.", Terms(insertions=True))
    assert inserted == [InsertLine(0, "new"), RemoveLines(2, 2)]


def test_the_thresholds_are_those_of_refinex():
    raw = "A text of some words.\nA second line."
    assert distill(raw, "A text of some words.\n" + "x" * 20).reason == REWRITE
    assert distill(raw, "A text of some words.\n" + "x" * 19).reason in (REPLACES, INSERTS)
    assert distill("0123456789\nkeep", "9\nkeep") == Refused(TOO_LITTLE, "9, the limit is 10")
    assert isinstance(distill("0123456789x\nkeep", "x\nkeep"), Distilled)
    assert distill(raw, raw).reason == TOO_LITTLE


def test_a_rewrite_is_one_although_chance_keeps_some_letters():
    raw = "The river rose in the night and took the bridge with it, and nobody saw it happen."
    assert distill(raw, "By morning a flood had destroyed the crossing, without a single witness.").reason == REWRITE


def test_a_negative_limit_is_a_usage_error():
    with pytest.raises(UsageError, match="least_deleted is -1"):
        Terms(least_deleted=-1)


@pytest.mark.parametrize(
    ("raw", "refined"),
    [
        ("\n".join(["", "x"] * 5000), "\n".join([""] * 5000)),
        ("ab" * 50_000, "ab" * 40_000 + "b" * 100),
        ("".join([chr(97 + place * place % 23) for place in range(60_000)]), "ab" * 5),
        ("\n".join(["a b c"] * 3000), "\n".join(["a c"] * 3000)),
        ("\n".join(map(str, range(20_000))), "\n".join(map(str, range(20_000, 40_000)))),
        ("\n".join(map(str, range(5000))), "".join(map(str, range(5000)))),
    ],
)
def test_no_pair_takes_long(raw, refined):
    begin = time.process_time()
    distilled = distill(raw, refined, ALL)
    assert time.process_time() - begin < 20
    assert isinstance(distilled, Distilled) and replayed(raw, distilled.program) == refined


@pytest.mark.skipif(not GOLD.exists(), reason="needs the gold pages in ../shared")
def test_every_program_of_a_gold_page_is_found_again_or_a_smaller_one():
    count = 0
    for path in sorted(GOLD.glob("public/c*.jsonl.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            page = json.loads(line)
            lines = page["raw_text"].split("\n")
            program = program_from_labels(lines, page["line_labels"], set(page["neutral_lines"] or ()))
            refined = execute(page["raw_text"], program, Policy.unlimited()).text
            assert len(operations(page["raw_text"], refined)) <= len(program.operations)
            count += 1
    assert count > 500
