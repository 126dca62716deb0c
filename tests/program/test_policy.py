import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from program_strategies import any_strings

from prox.errors import UsageError
from prox.program import Policy, count_words
from prox.program.policy import most_words

UNSPACED = "\u0e01\u0e81\u1000\u1780\u3042\u30a2\u4e00\uac00"


def test_the_released_rules_are_those_of_the_paper():
    released = Policy.released()
    assert (released.errors_allowed, released.least_share, released.least_words) == (1, 0.05, 10)
    assert not released.deletions_only
    assert not released.short_unedited_kept


def test_the_default_differs_from_the_released_rules_where_these_destroy_or_invent():
    assert Policy() == Policy(1, 0.05, 10, deletions_only=True, short_unedited_kept=True)


@pytest.mark.parametrize(
    "values",
    [
        {"errors_allowed": -1},
        {"least_words": -1},
        {"least_share": -0.1},
        {"least_share": 1.0},
        {"least_share": 5},
        {"least_share": float("nan")},
    ],
)
def test_a_limit_that_makes_no_sense_is_told(values):
    (name,) = values
    with pytest.raises(UsageError, match=name):
        Policy(**values)


@given(st.text(st.characters(max_codepoint=0xDFF)))
def test_words_are_what_split_gives(text):
    assert count_words(text) == len(text.split())


def test_typographic_and_korean_text_is_split_like_any_other():
    for text in ("“It’s – fine…”\u2028ok\x85yes", "한국어 단어", "naïve café\u00a0x", "— – •", ""):
        assert count_words(text) == len(text.split())


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("没有空格。", 4),
        ("你好 world", 3),
        ("iPhone手机2024", 4),
        ("ひらがなカタカナ", 8),
        ("ไทย", 3),
        ("ລາວ", 3),
        ("ខ្មែរ", 3),
        ("မြန်မာ", 3),
        ("、。 手", 2),
    ],
)
def test_letters_of_scripts_without_spaces_count_one_by_one(text, count):
    assert count_words(text) == count


def words_by_definition(text):
    def of_piece(piece):
        unspaced = [place for place, letter in enumerate(piece) if is_unspaced(letter)]
        if not unspaced:
            return 1
        others = "".join([" " if is_unspaced(letter) else letter for letter in piece])
        return len(unspaced) + len(re.findall(r"\w+", others))

    return sum(map(of_piece, text.split()))


def is_unspaced(letter):
    return count_words(f"{letter}{letter}") == 2  # as the examples above have it


MIXED = st.text(st.sampled_from("ab_-é’ \t\n\x1c\x85\xa0\u1680\u2003\u2028\u200b\u3000\ufeff没ก手カ😀\ud800\udc00"))


@given(MIXED | st.text())
def test_words_of_short_and_long_texts_are_those_of_the_definition(text):
    assert count_words(text) == words_by_definition(text)
    long = f"{text} " * 300
    assert count_words(long) == 300 * count_words(text)
    assert count_words(text + "x" * 300) == words_by_definition(text + "x" * 300)


def test_every_white_space_that_python_knows_parts_words_of_a_long_text():
    spaces = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()]
    assert len(spaces) == 29
    for space in spaces:
        assert count_words(f"a{space}é" * 200) == 201


@given(st.one_of(st.text(), any_strings, st.text(st.sampled_from(UNSPACED + "a ,。\n"))))
def test_the_bounds_of_the_short_cut_hold(text):
    assert len(text.split()) <= count_words(text) <= most_words(text)
