"""Counting and cutting: exactly where the tokenizer is at hand, else on the safe side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.refiners.language_model.tokens import EstimatedTokens

TEXTS = ["", "a", "The river rose.", "für alle 没有空格 😀", "word " * 300, "\n\n\n", "x" * 5000, "\ud800 half"]


@pytest.fixture(scope="module")
def tokens(tiny_llama):
    from prox.refiners.language_model.model_files import load_tokens

    return load_tokens(str(tiny_llama), None)[0]


@pytest.mark.parametrize("text", TEXTS[:-1])
@pytest.mark.parametrize("most", [0, 1, 7, 200])
def test_a_text_is_cut_to_its_longest_beginning_that_fits(tokens, text, most):
    cut = tokens.cut(text, most)
    assert text.startswith(cut)
    assert tokens.count(cut) <= most + 1  # the end of a cut word may be two tokens where it was one
    assert cut == text or tokens.count(cut) >= most - 1


def test_an_endless_text_is_not_read_to_its_end(tokens):
    text = "The river rose again. " * 200_000
    cut = tokens.cut(text, 100)
    assert 90 <= tokens.count(cut) <= 101


def test_answers_diverge_at_their_first_different_token(tokens):
    ids, (keep, drop) = tokens.diverging("<s>page", ("keep_doc()", "drop_doc()"))
    assert tokens.encode("<s>pagekeep_doc()")[: len(ids) + 1] == [*ids, keep]
    assert tokens.encode("<s>pagedrop_doc()")[: len(ids) + 1] == [*ids, drop]
    assert tokens.diverging("<s>page", ("keep", "keep")) is None


def test_control_texts_are_known(tokens):
    assert {"<s>", "</s>"} <= set(tokens.special)


@given(st.text(), st.integers(0, 50))
def test_estimates_cut_to_what_they_count(text, most):
    tokens = EstimatedTokens()
    cut = tokens.cut(text, most)
    assert text.startswith(cut)
    assert tokens.count(cut) <= most
    assert cut == text or tokens.count(text) > most


def test_english_is_estimated_on_the_safe_side():
    text = "The meadows were under water as far as one could see, and nobody had thought of the bridge. "
    assert EstimatedTokens().count(text) > len(text.split()) * 1.3
