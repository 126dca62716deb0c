"""Pieces of a line that are gone, and those that stay: always the whole line, and in little time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.report.marks import marked, taken_out

WORDS = st.lists(st.sampled_from(["a", "b", "|", "swift", "never", "lands", " ", "  ", "[1]"]), max_size=30)


def check(raw, refined):
    """Pieces make the line; what stays is in the refined line, in this order."""
    pieces = marked(raw, refined)
    assert "".join(piece for piece, _ in pieces) == raw
    rest = iter(refined)
    assert all(character in rest for piece, stays in pieces if stays for character in piece)
    return pieces


@given(st.text(max_size=60), st.data())
def test_pieces_of_a_line_are_the_line_and_what_is_kept_stays_in_order(raw, data):
    check(raw, "".join(character for character in raw if data.draw(st.booleans())))


@given(WORDS, WORDS)
def test_one_line_may_have_become_any_other(words, others):
    check("".join(words), "".join(others))


@given(st.lists(st.tuples(st.sampled_from(["a", "|", "swift", "never", "lands", "[1]"]), st.booleans()), max_size=30))
def test_where_words_only_went_all_that_is_left_stays(words):
    left = " ".join(word for word, stays in words if stays)
    pieces = check(" ".join(word for word, _ in words), left)
    assert sum(len(piece) for piece, stays in pieces if stays) == len(left)


@pytest.mark.parametrize(
    ("raw", "gone"),
    [
        (f"Rank x {' '.join(f'| {number % 97}[1]' for number in range(100))} z", "[1]"),
        (f"It begins. {'The swift never lands, they say.[2] ' * 20}It ends.", "[2]"),
    ],
)
def test_what_was_attached_to_words_that_repeat_is_marked_alone(raw, gone):
    pieces = check(raw, raw.replace(gone, ""))
    assert [piece for piece, stays in pieces if not stays] == [gone] * raw.count(gone)


def test_of_a_long_line_only_what_is_gone_is_marked():
    sentences = [f"Sentence {number} has some words of its own." for number in range(100)]
    raw = " ".join(f"{each}[{number}]" if number % 9 == 0 else each for number, each in enumerate(sentences))
    pieces = marked(raw, " ".join(sentences))
    assert [piece for piece, stays in pieces if not stays] == [f"[{number}]" for number in range(0, 100, 9)]


def test_of_a_row_of_a_table_each_string_is_marked():
    row = f"Rank x {' '.join(f'| {number % 97} [1]' for number in range(300))} z"
    gone = taken_out(row, row.replace("x ", "").replace("[1] ", ""))
    assert gone == ["x", *["[1]"] * 300]


def test_words_that_took_the_place_of_others():
    assert marked("It’s one of ours, isn’t it?", "It's one of ours, isn't it?") == [
        ("It", True),
        ("’", False),
        ("s one of ours, isn", True),
        ("’", False),
        ("t it?", True),
    ]


LONG = "aab" * 99
LINES = {
    "one word": ("ab" * 300_000, f"x{'ab' * 290_000}y"),
    "cells": ("x " + "| 1 [1] " * 50_000 + "z", "| 1 " * 50_000 + "z"),
    "long words": (f"x {' '.join(f'{LONG}{n} same{n}' for n in range(1000))} z",) * 2,
    "in another order": (" ".join(map(str, range(50_000))), " ".join(map(str, reversed(range(50_000))))),
    "few words against many": ("x " + "a b " * 2_000 + "y", "z " + "b a " * 100 + "q"),
}
DOTS = f"Chapter 1 {'. ' * 150}12"
LINES["dots"] = (DOTS, DOTS.replace(". ", "..").replace("1", "I"))
LINES["long words"] = (LINES["long words"][0], LINES["long words"][1].replace("b", "").replace("x ", ""))


@pytest.mark.parametrize("kind", LINES)
def test_long_lines_are_marked_in_little_time(kind):
    began = time.process_time()
    check(*LINES[kind])
    taken_out(*LINES[kind])
    assert time.process_time() - began < 3  # tenths of a second, where it was minutes with difflib alone


def test_many_short_lines_of_dots_take_little_time():
    """Story: half a second for each line of a table of contents, and as much again in the browser of documents."""
    began = time.process_time()
    for number in range(300):
        check(f"{number}{DOTS}", f"{number}{LINES['dots'][1]}")
    assert time.process_time() - began < 6


@pytest.mark.parametrize(
    ("raw", "gone"),
    [
        ("It was cited.[12][b] And more.", ["[12]"]),
        ("[10][a] It was.[11][b] And more.", ["[10]", "[11]"]),
        ("w1 w2 w3 w4 w5", ["w2 w3 "]),
        ("Ten months. Read more", [" Read more"]),
        ("xaaax", ["aa"]),
    ],
)
def test_what_is_gone_begins_and_ends_at_words_and_brackets(raw, gone):
    left = raw
    for each in gone:
        left = left.replace(each, "", 1)
    assert [piece for piece, stays in check(raw, left) if not stays] == gone
