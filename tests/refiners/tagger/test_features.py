"""The vectorised features against a slow reference, line by line and character by character."""

import time
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tagger_texts import characters, lines, texts

from prox.refiners.tagger import features
from prox.refiners.tagger.features import (
    CASELESS,
    CLASSES,
    COMMA,
    DIGIT,
    HEAD_TOKENS,
    IDEOGRAPH,
    LOWER,
    NUMERIC,
    SPACE,
    SYMBOL,
    TAIL_TOKENS,
    TERMINAL,
    UPPER,
    line_features,
    pages_features,
)

VISIBLE = (TERMINAL, COMMA, SYMBOL, IDEOGRAPH, LOWER, UPPER, DIGIT, CASELESS)
IN_WORDS = (LOWER, UPPER, DIGIT, CASELESS)
UNSPACED = [(0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x2E80, 0x312F), (0x3190, 0xA4CF), (0xF900, 0xFAFF)]


def class_of(character):
    code, category = ord(character), unicodedata.category(character)
    if code > 0xFFFF:
        return IDEOGRAPH if 0x20000 <= code < 0x40000 else SYMBOL
    if character in ".!?…。！？؟।":
        return TERMINAL
    if character in ",;:،；：，、":
        return COMMA
    if category[0] in "ZC":
        return SPACE
    if category[0] == "N":
        return DIGIT
    if category[0] in "PS":
        return SYMBOL
    if category[0] == "L" and any(first <= code <= last for first, last in UNSPACED):
        return IDEOGRAPH
    if category in ("Lu", "Lt"):
        return UPPER
    return LOWER if category == "Ll" else CASELESS


def folded(character):
    if class_of(character) == DIGIT:
        return "0"
    lower = character.lower()
    return lower if len(lower) == 1 and ord(character) <= 0xFFFF else character


@dataclass
class ReferenceLine:
    counts: list[int] = field(default_factory=lambda: [0] * CLASSES)
    tokens: list[str] = field(default_factory=list)  # folded
    begins: list[int] = field(default_factory=list)  # class of the first character of each token

    @property
    def words(self):
        return sum(cls in (IDEOGRAPH, *IN_WORDS) for cls in self.begins)

    @property
    def chosen(self):
        head, tail = self.tokens[:HEAD_TOKENS], self.tokens[HEAD_TOKENS:]
        return head + tail[-TAIL_TOKENS:]


def reference(text):
    found = []
    for line in text.split("\n"):
        result = ReferenceLine()
        before = SPACE
        for character in line:
            cls = class_of(character)
            result.counts[cls] += 1
            if cls in VISIBLE:
                if cls in IN_WORDS and before in IN_WORDS:
                    result.tokens[-1] += folded(character)
                else:
                    result.tokens.append(folded(character))
                    result.begins.append(cls)
            before = cls
        found.append(result)
    return found


def bags(found):
    """The buckets of each row."""
    return [part.tolist() for part in np.split(found.buckets, found.starts[1:])] if len(found.rows) else []


def same(left, right):
    """Equal but for the newlines counted, which the last line of a block lacks."""
    return (
        left.line_count == right.line_count
        and np.array_equal(left.counts[:, [SPACE, *VISIBLE]], right.counts[:, [SPACE, *VISIBLE]])
        and all(
            np.array_equal(getattr(left, name), getattr(right, name))
            for name in ("rows", "numeric", "buckets", "starts", "words", "tokens")
        )
    )


@given(texts)
def test_rows_are_the_lines_with_a_visible_character(text):
    expected = [number for number, line in enumerate(reference(text)) if line.tokens]
    found = line_features(text)
    assert found.line_count == text.count("\n") + 1
    assert found.rows.tolist() == expected
    for shaped in (found.numeric, found.starts, found.words, found.counts):
        assert len(shaped) == len(expected)


@given(texts)
def test_characters_and_words_are_counted_as_by_hand(text):
    expected = [line for line in reference(text) if line.tokens]
    found = line_features(text)
    assert [row[TERMINAL:] for row in found.counts.tolist()] == [line.counts[TERMINAL:] for line in expected]
    assert [row[SPACE] for row in found.counts.tolist()] == [line.counts[SPACE] for line in expected]
    assert found.words.tolist() == [line.words for line in expected]


@given(texts)
def test_numbers_say_capitals_and_what_a_line_begins_and_ends_with(text):
    expected = [line for line in reference(text) if line.tokens]
    found = line_features(text)
    assert found.numeric.dtype == np.float32
    assert found.numeric.shape == (len(expected), NUMERIC)
    assert np.isfinite(found.numeric).all()
    for row, line in zip(found.numeric, expected, strict=True):
        assert row[13] == pytest.approx(line.begins.count(UPPER) / max(line.words, 1))
        assert row[15:23].tolist() == [line.begins[0] == cls for cls in VISIBLE]
        assert row[23:31].tolist() == [line.begins[-1] == cls for cls in VISIBLE]
        visible = sum(line.counts[TERMINAL:])
        assert row[0] == pytest.approx(np.log1p(visible) / 3, rel=1e-5)
        assert row[7] == pytest.approx(line.counts[DIGIT] / visible)


@given(st.lists(st.sampled_from(["Home", "home", "Home ", "News", "", " "]), max_size=12))
def test_numbers_say_how_often_a_line_stands_on_the_page(page):
    rows = [line.strip().lower() for line in page if line.strip()]
    found = line_features("\n".join(page))
    expected = [[np.log1p(rows.count(row) - 1), np.log1p(rows[:i].count(row))] for i, row in enumerate(rows)]
    assert np.allclose(found.numeric[:, 38:40], np.reshape(expected, (-1, 2)))


@given(texts)
def test_a_line_with_k_chosen_tokens_owns_2k_plus_1_buckets(text):
    expected = [2 * len(line.chosen) + 1 for line in reference(text) if line.tokens]
    assert [len(bag) for bag in bags(line_features(text))] == expected


@given(texts)
def test_equal_tokens_share_a_bucket_and_others_hardly_ever(text):
    expected = [token for line in reference(text) for token in line.tokens]
    found = line_features(text).tokens.tolist()
    assert len(found) == len(expected)
    assert all(0 <= bucket < features.BUCKETS for bucket in found)
    bucket_of = dict(zip(expected, found, strict=True))
    assert found == [bucket_of[token] for token in expected]
    assert len(set(found)) >= len(bucket_of) - 2


@given(texts)
def test_buckets_are_the_chosen_tokens_each_with_the_pair_it_ends(text):
    bucket_of = {}
    found = line_features(text)
    expected = [line for line in reference(text) if line.tokens]
    tokens = iter(found.tokens.tolist())
    for line in expected:
        for token in line.tokens:
            bucket_of[token] = next(tokens)
    for bag, line in zip(bags(found), expected, strict=True):
        assert bag[:-1:2] == [bucket_of[token] for token in line.chosen]
    pairs: dict[tuple[str | None, str | None], int] = {}
    for bag, line in zip(bags(found), expected, strict=True):
        chosen = line.chosen
        named = zip([None, *chosen], [*chosen, None], strict=True)
        for pair, bucket in zip(named, [*bag[1::2], bag[-1]], strict=True):
            assert pairs.setdefault(pair, bucket) == bucket


@given(lines, texts, texts)
def test_the_bag_of_a_line_does_not_depend_on_the_lines_around_it(line, before, after):
    alone = line_features(line)
    among = line_features(f"{before}\n{line}\n{after}")
    if not len(alone.rows):
        assert before.count("\n") + 1 not in among.rows
        return
    row = among.rows.tolist().index(before.count("\n") + 1)
    assert bags(among)[row] == bags(alone)[0]
    assert among.counts[row, SPACE] == alone.counts[0, SPACE]
    assert among.counts[row, TERMINAL:].tolist() == alone.counts[0, TERMINAL:].tolist()
    assert among.numeric[row, :31].tobytes() == alone.numeric[0, :31].tobytes()


@given(st.text(characters, max_size=12))
def test_case_digits_and_white_space_do_not_change_a_bag(line):
    plain = line_features(line)
    assert bags(line_features("  " + line.replace("9", "0").replace("B", "b").replace("Z", "z") + "\t")) == bags(plain)


@pytest.mark.parametrize(
    "pair", [("Log in", "LOG  IN"), ("12 June 2023", "30 june 1987"), ("ΑΘΗΝΑ", "αθηνα"), ("१٣", "00")]
)
def test_lines_that_differ_in_case_or_digits_only_have_one_bag(pair):
    left, right = map(line_features, pair)
    assert bags(left) == bags(right)


def test_the_order_of_words_matters_to_a_bag_and_not_to_its_single_tokens():
    left, right = bags(line_features("read more"))[0], bags(line_features("more read"))[0]
    assert Counter(left[:-1:2]) == Counter(right[:-1:2])
    assert left[1::2] != right[1::2]


@pytest.mark.parametrize("block", [8, 24, 64])
@given(st.lists(st.text(characters, max_size=12), max_size=30).map("\n".join))
def test_a_text_read_in_blocks_gives_the_same_as_in_one_piece(block, text):
    assume(max(map(len, text.split("\n"))) <= block // 2)
    whole = line_features(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "_BLOCK", block)
        assert same(line_features(text), whole)


@given(st.lists(st.text(characters, max_size=60), max_size=8).map("\n".join))
def test_lines_too_long_for_a_block_keep_their_place(text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "_BLOCK", 16)
        found = line_features(text)
    assert found.line_count == text.count("\n") + 1
    assert set(found.rows.tolist()) <= set(line_features(text).rows.tolist())
    assert len(found.starts) == len(found.numeric) == len(found.rows)


@pytest.mark.parametrize("text", ["", "\n", "\n" * 1000, "\r\n \t\n\u2028\n\x00\n\ud800", "\u200b\ufeff"])
def test_texts_without_a_visible_character_have_lines_and_no_rows(text):
    found = line_features(text)
    assert found.line_count == text.count("\n") + 1
    assert [len(part) for part in (found.rows, found.numeric, found.buckets, found.starts, found.tokens)] == [0] * 5


@pytest.mark.parametrize("unit", ["word ", "x", " ", "没", "\x00", "😀", "1,"])
def test_a_line_of_three_million_characters_ends_quickly(unit):
    text = "head\n" + (unit * 3_000_000)[:3_000_000] + "\ntail"
    begin = time.process_time()
    found = line_features(text)
    assert time.process_time() - begin < 10
    assert found.line_count == 3
    assert found.rows.tolist() == ([0, 1, 2] if unit.strip("\x00 ") else [0, 2])
    assert np.isfinite(found.numeric).all()


@pytest.mark.parametrize("together", [1, 30, 1000])
@given(st.lists(texts, max_size=8))
def test_what_texts_are_read_together_changes_no_bit_of_any(together, several):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "_TOGETHER", together)
        found = list(pages_features(several))
    assert len(found) == len(several)
    for text, own in zip(several, found, strict=True):
        alone = line_features(text)
        assert own.line_count == alone.line_count
        for name in ("rows", "numeric", "buckets", "starts", "words", "counts", "tokens", "tokens_per_row"):
            assert getattr(own, name).dtype == getattr(alone, name).dtype
            assert getattr(own, name).tobytes() == getattr(alone, name).tobytes()


@given(
    st.lists(st.lists(st.sampled_from(["Home", "News", "", "a b"])).map("\n".join), max_size=6).map(
        lambda pages: pages * 2
    )
)
def test_lines_are_repeated_on_their_own_page_only(pages):
    for text, own in zip(pages, pages_features(pages), strict=True):
        assert own.numeric[:, 38:40].tobytes() == line_features(text).numeric[:, 38:40].tobytes()


def test_texts_longer_than_all_before_them_keep_the_buckets(monkeypatch):
    monkeypatch.setattr(features, "_powers_memo", {})
    text = "\n".join(f"line {number} of a page with some words" for number in range(3000))
    short = line_features("line 7 of a page with some words")
    long = line_features(text)
    assert len(text) > 1 << 14
    assert bags(long)[7] == bags(long)[2] == bags(long)[9] == bags(short)[0]
    monkeypatch.setattr(features, "_powers_memo", {})
    assert same(line_features(text), long)


def test_more_lines_than_the_logarithms_know():
    found = line_features("\n".join(["a line"] * 70_000))
    assert found.line_count == len(found.rows) == 70_000
    assert np.isfinite(found.numeric).all()
    assert found.numeric[:, 31].argmax() >= features._LONGEST_LOG - 1
