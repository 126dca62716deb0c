"""Repeated runs of words, beside the plain way to find them."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.refiners.rules import n_grams
from prox.refiners.rules.n_grams import NGrams

WORDS = st.lists(st.sampled_from(["a", "ab", "b", "ba", "é", "\U0001f600", "\ud800"]), max_size=40)


def plain_top(words, n):
    runs = [" ".join(words[place : place + n]) for place in range(len(words) - n + 1)]
    if not runs:
        return 0
    top, count = Counter(runs).most_common(1)[0]
    return len(top) * count


def plain_repeated(words, n):
    seen, characters, place = set(), 0, 0
    while place < len(words) - n + 1:
        run = "".join(words[place : place + n])
        if run in seen:
            characters += len(run)
            place += n
        else:
            seen.add(run)
            place += 1
    return characters


@pytest.mark.parametrize("block", [n_grams._BLOCK, 1 << 8, 13])
@pytest.mark.parametrize("base", [n_grams._BASE, 1, 3])
@given(words=WORDS)
def test_runs_are_those_that_the_plain_way_finds_even_if_hashes_collide(base, block, words):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(n_grams, "_powers", n_grams._powers.__wrapped__)
        patch.setattr(n_grams, "_BLOCK", block)
        patch.setattr(n_grams, "_BASE", base)
        patch.setattr(n_grams, "_INVERSE", pow(base, -1, 1 << 64))
        for n in range(1, 6):
            assert NGrams(words, " ").top_characters(n) == plain_top(words, n)
            assert NGrams(words).repeated_characters(n) == plain_repeated(words, n)


def test_without_a_separator_runs_are_the_same_wherever_their_words_begin():
    assert NGrams(["ab", "c", "x", "a", "bc"]).repeated_characters(2) == 3
    assert NGrams(["ab", "c", "x", "a", "bc"], " ").top_characters(2) == len("ab c")
