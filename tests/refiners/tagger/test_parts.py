"""Stretches inside lines: what is found, that its offsets are exact, and that it takes linear time."""

import itertools

import pytest
from hypothesis import given
from part_texts import pages
from tagger_texts import growth

from prox.refiners.tagger.parts import (
    BAR,
    CALL,
    DOMAIN,
    LEAD_AND_LINK,
    LINK,
    LINK_IN_BRACKETS,
    ROUND,
    ROUND_NUMBER,
    SECURE_LINK,
    SQUARE,
    SQUARE_NUMBER,
    TAIL,
    find_parts,
    link_free,
)


def found(line):
    return {(line[part.start : part.end], part.kind) for part in find_parts([line])}


@given(pages)
def test_offsets_are_exact(lines):
    for part in find_parts(lines):
        assert 0 <= part.start < part.end <= len(lines[part.line])


@given(pages)
def test_a_part_shows_something_and_never_is_all_that_its_line_shows(lines):
    for part in find_parts(lines):
        line = lines[part.line]
        assert line[part.start : part.end].strip()
        assert (line[: part.start] + line[part.end :]).strip()


@given(pages)
def test_parts_are_in_order_and_no_stretch_is_there_twice(lines):
    for here, there in itertools.pairwise(find_parts(lines)):
        assert here[:3] < there[:3]


@given(pages)
def test_parts_of_a_line_do_not_depend_on_the_lines_around_it(lines):
    alone = [part._replace(line=number) for number, line in enumerate(lines) for part in find_parts([line])]
    assert find_parts(lines) == alone


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1 Definition [edit]", {(" [edit]", SQUARE)}),
        ("[edit] 1 Definition", {("[edit]", SQUARE)}),
        ("See the manual (opens in new window) for more", {(" (opens in new window)", ROUND), (" for more", TAIL)}),
        ("One[1] of [23], he says (4).", {("[1]", SQUARE_NUMBER), (" [23]", SQUARE_NUMBER), (" (4)", ROUND_NUMBER)}),
        ("It rained all day. Read more", {(" Read more", TAIL)}),
        ("It rained all day... Read more", {("... Read more", BAR), (" Read more", TAIL)}),
        ("It rained all day! Share this on Chatterbook", {(" Share this on Chatterbook", TAIL)}),
        ("He said “no.” Continue reading", {(" Continue reading", TAIL)}),
        ("It rained all day.Read more", {("Read more", TAIL)}),
        ("It rained all day. Read more about rain.", {(" Read more about rain.", CALL)}),
        ("It rained all day. Nobody read more.", set()),
        ("Posted on Tuesday | Respond to this", {(" | Respond to this", BAR)}),
        ("Machinist in Teesside - Similar jobs", {(" - Similar jobs", BAR)}),
        ("定义【编辑】", {("【编辑】", SQUARE)}),
        ("第一张专辑（英语：Big Picture (series)）", {("（英语：Big Picture (series)）", ROUND)}
            | {(" (series)", ROUND)}),
        ("It rained.\u00a0Read more at river.com", {("\u00a0Read more at river.com", TAIL), (" river.com", DOMAIN)}),
        ("See the map (https://river.example/a).", {(" (https://river.example/a)", LINK_IN_BRACKETS)}),
        ("The book, Boston: Bain. Available at: http://river.example/a.pdf.",
            {(" http://river.example/a.pdf", LINK), (" Available at: http://river.example/a.pdf", LEAD_AND_LINK)}),
        ("The manual is at https://river.example/b", {(" https://river.example/b", SECURE_LINK)}),
        ("No brackets and no sentence end", set()),
        ("The sentence is the last thing here.", set()),
        ("An [unclosed bracket and (another", set()),
        ("[edit]", set()),
        ("http://river.example", set()),
        ("  (opens in new window)  ", set()),
        ("", set()),
        ("A [" + "x" * 121 + "]", set()),
        ("He came (and that was all that anybody knew of him) from the north.", set()),
        ("Too long to be a tail. " + "word " * 20, set()),
    ],
)  # fmt: skip
def test_what_is_worth_judging(line, expected):
    assert found(line) == expected


def test_a_link_says_nothing_of_its_site():
    assert link_free(" Available at: http://river.example/a") == " Available at: http"
    assert link_free(" at www.river.example") == " at http"


UNITS = [
    "(",
    "[",
    "【",
    "（",
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
    "\n",
    ".\n",
    "x" * 20 + ". ",
    "http://",
    "www.",
    " http://a",
    ".com",
    ".com\n",
    " - ",
    "...",
    "|",
    "– a",
    "(a(a",
    "((a)",
]


@pytest.mark.parametrize("unit", UNITS)
def test_time_is_linear_in_the_line(unit):
    """Story: runs of white space, and many brackets in one line, took quadratic time."""
    small, large = unit * (50_000 // len(unit)), unit * (400_000 // len(unit))
    assert growth(lambda text: find_parts(["a" + text + "b"]), small, large) < 30


@pytest.mark.parametrize("head", ["a. ", "a [", "a (", "a.  [x] ", "a http://"])
@pytest.mark.parametrize("unit", ["b", "b ", "b.c", " "])
def test_time_is_linear_in_what_stands_behind_a_part(head, unit):
    small, large = head + unit * (50_000 // len(unit)), head + unit * (400_000 // len(unit))
    assert growth(lambda text: find_parts([text]), small, large) < 30
