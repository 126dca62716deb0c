"""Stretches inside lines: what is found, that its offsets are exact, and that it takes linear time."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tagger_texts import characters, growth

from prox.refiners.tagger.features import BUCKETS
from prox.refiners.tagger.parts import CONTEXT, SHAPE, PartWeights, find_parts, part_features, part_scores

pieces = st.one_of(
    st.text(characters, max_size=6),
    st.sampled_from(
        [
            "[edit]",
            " [1]",
            "(opens in new window)",
            "【编辑】",
            "A sentence. ",
            "Read more",
            "\t",
            "    ",
            "[",
            "(",
            ")",
        ]
    ),
    st.sampled_from(
        ["f(x) = [0, 1]", r"\left( \tfrac{1}{2} \right)", "[[a]]", "((b))", "(a [b] c)", ". \u200b\u200b", "? \x00\x00"]
    ),
)
pages = st.lists(st.lists(pieces, max_size=8).map("".join), min_size=1, max_size=6)
WEIGHTS = PartWeights(np.zeros(BUCKETS, np.float32), np.zeros(SHAPE + CONTEXT, np.float32), 0.0, 0.5)


def sources(*lines):
    return [part.source for part in find_parts(lines)]


@given(pages)
def test_offsets_are_exact(lines):
    for part in find_parts(lines):
        assert lines[part.line][part.start : part.end] == part.source
        assert part.line_length == len(lines[part.line])


@given(pages)
def test_a_part_never_is_all_that_its_line_shows(lines):
    for part in find_parts(lines):
        assert part.source.strip()
        assert (lines[part.line][: part.start] + lines[part.line][part.end :]).strip()


@given(pages)
def test_parts_are_in_order_and_never_overlap(lines):
    found = find_parts(lines)
    for here, there in itertools.pairwise(found):
        assert (here.line, here.end) <= (there.line, there.start)


@given(pages)
def test_parts_of_a_line_do_not_depend_on_the_lines_around_it(lines):
    alone = [(number, part.start, part.source) for number, line in enumerate(lines) for part in find_parts([line])]
    assert [(part.line, part.start, part.source) for part in find_parts(lines)] == alone


@given(pages)
def test_every_part_has_features_and_a_score(lines):
    """Story: a tail of zero-width spaces behind a sentence is a part without a visible character, and has no row."""
    found = find_parts(lines)
    noise = np.linspace(-20, 20, len(found), dtype=np.float32)
    shape, buckets, starts = part_features(found, noise)
    assert shape.shape == (len(found), SHAPE + CONTEXT)
    assert np.isfinite(shape).all()
    assert len(starts) == len(found) <= len(buckets)
    if found:
        assert (part_scores(found, noise, WEIGHTS) == 0.5).all()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1 Definition [edit]", [" [edit]"]),
        ("[edit] 1 Definition", ["[edit]", " 1 Definition"]),  # a closing bracket ends a sentence, too
        ("See the manual (opens in new window) for more", [" (opens in new window)", " for more"]),
        ("One[1] and two[23], says he. [citation needed]", ["[1]", "[23]", " [citation needed]"]),
        ("It rained all day. Read more", [" Read more"]),
        ("It rained all day! Share this on Chatterbook", [" Share this on Chatterbook"]),
        ("He said “no.” Continue reading", [" Continue reading"]),
        ("定义【编辑】", ["【编辑】"]),
        ("They left.\u00a0Read more at example.com", ["\u00a0Read more at example.com"]),
        ("No brackets and no sentence end", []),
        ("The sentence is the last thing here.", []),
        ("An [unclosed bracket and (another", []),
        ("[edit]", []),
        ("  (opens in new window)  ", []),
        ("", []),
        ("A [" + "x" * 61 + "]", []),
        ("Too long to be a tail. " + "word " * 20, []),
    ],
)
def test_what_is_worth_judging(line, expected):
    assert sources(line) == expected


def test_kinds_are_told_apart_however_far_the_bracket_is_indented():
    """Story: a bracket was round only if it opened within the first four characters of the part."""
    kinds = [
        part.kind for part in find_parts(["a [b]", "a (b)", "a     (b)", "a     [b]", "a [(b)]", "End. Read more"])
    ]
    assert kinds[1] == kinds[2] != kinds[0] == kinds[3]
    assert kinds[4] == kinds[0] or kinds[4] == kinds[1]
    assert kinds[5] not in kinds[:2]


@pytest.mark.parametrize(
    "line", ["f(x) = [0, 1]", r"\left( \frac{a}{b} \right)", "$(2n-1)!! = [a](b)$", "x[i][j] = g(y[k])"]
)
def test_formulas_that_are_candidates_are_cut_out_exactly(line):
    for part in find_parts([line]):
        assert line == line[: part.start] + part.source + line[part.end :]


def test_a_part_that_repeats_on_the_page_says_so():
    lonely, *_ = part_features(find_parts(["One [edit]"]), np.zeros(1, np.float32))
    often, *_ = part_features(find_parts(["One [edit]", "Two [edit]", "Three [edit]"]), np.zeros(3, np.float32))
    assert (often[0] > lonely[0]).any()
    assert lonely.shape == (1, SHAPE + CONTEXT)


UNITS = [
    "(",
    "[",
    "【",
    ". ",
    "[(",
    "(a",
    "a. b",
    ". a",
    "[a] ",
    "(a) [b] ",
    " ",
    "\t\u00a0",
    ". \t",
    "x" * 20 + ". ",
    "\n",
    ".\n",
]


@pytest.mark.parametrize("unit", UNITS)
def test_time_is_linear_in_the_line(unit):
    """Story: runs of white space, and many brackets in one line, took quadratic time."""
    small, large = unit * (100_000 // len(unit)), unit * (400_000 // len(unit))
    assert growth(lambda text: find_parts(["a" + text + "b"]), small, large) < 10


@pytest.mark.parametrize("head", ["a. ", "a [", "a (", "a.  [x] "])
@pytest.mark.parametrize("unit", ["b", "b ", "b.c", " "])
def test_time_is_linear_in_what_stands_behind_a_part(head, unit):
    small, large = head + unit * (100_000 // len(unit)), head + unit * (400_000 // len(unit))
    assert growth(lambda text: find_parts([text]), small, large) < 10
