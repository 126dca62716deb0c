"""What augmentation may do to a page, and what it may not."""

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.adapt.labels import NEUTRAL, LabelledPage
from prox.adapt.tagger import strange_content
from prox.adapt.tagger.augmentation import (
    FRAME_LINES,
    MOST_FRAMES,
    Frames,
    augmented,
    collect_frames,
    without_case,
    without_spaces,
)
from prox.refiners.tagger.features import CASELESS, IDEOGRAPH, LOWER, UPPER, line_features


@pytest.fixture(scope="module", autouse=True)
def no_strange_content():
    """Which lines these make, and with which labels, is told in test_strange_content.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strange_content, "CHANCES", (0.0,) * 5)
        yield


def page(lines, labels, **fields):
    return LabelledPage("a", "made", "site", "en", "\n".join(lines), np.array(labels), **fields)


def framed(name, above=5, below=4, **fields):
    """A page whose lines say where they are from."""
    lines = [*(f"{name} top" for _ in range(above)), f"{name} content", *(f"{name} end" for _ in range(below))]
    return page(lines, [1] * above + [0] + [1] * below, **fields)


@given(st.lists(st.sampled_from(["Home", "• News", "A line of PROSE.", ""]), min_size=1, max_size=40), st.integers())
def test_every_line_keeps_its_label(lines, seed):
    labels = np.arange(len(lines)) % 3 - 1
    numbered = [f"{line}\t{number}" for number, line in enumerate(lines)]
    changed = augmented(page(numbered, labels), Frames(), random.Random(seed))
    kept = changed.text.split("\n")
    assert len(kept) == len(changed.labels) > 0
    for line, label in zip(kept, changed.labels, strict=True):
        assert label == labels[int(line.rpartition("\t")[2])]


def test_a_page_without_any_change_is_among_them():
    lines = ["Menu", "Prose.", "Footer"]
    texts = {augmented(page(lines, [1, 0, 1]), Frames(), random.Random(seed)).text for seed in range(30)}
    assert "\n".join(lines) in texts


def test_a_page_may_stand_in_the_frame_of_another_one():
    pages = [framed("one"), framed("two", above=7, below=9)]
    frames = collect_frames(pages)
    texts = [augmented(pages[0], frames, random.Random(seed)) for seed in range(200)]
    assert any("two top" in each.text and "one content" in each.text and "one end" in each.text for each in texts)
    assert any("one top" in each.text and "one content" in each.text and "two end" in each.text for each in texts)
    assert not any("two content" in each.text for each in texts)
    for each in texts:
        lines = each.text.split("\n")
        assert [("content" not in line) for line, label in zip(lines, each.labels, strict=True) if line.isascii()] == [
            bool(label) for line, label in zip(lines, each.labels, strict=True) if line.isascii()
        ]


def test_frames_are_of_the_same_source_and_language():
    own = framed("one")
    others = [framed("two", above=7), framed("three", above=7)]
    others = [replace(others[0], source="other"), replace(others[1], language="de")]
    frames = collect_frames([own, *others])
    texts = [augmented(own, frames, random.Random(seed)).text for seed in range(100)]
    assert not any("two" in text or "three" in text for text in texts)


def test_frames_are_whole_noise_of_a_sensible_size_and_not_too_many():
    short, long = framed("short", 2, 2), framed("long", FRAME_LINES.stop, FRAME_LINES.stop)
    nothing = page(["a", "b", "c", "d"], [1, 1, NEUTRAL, 1])
    assert not any(collect_frames([short, long, nothing]).of_kind.values())
    unsure = page(["a", "b", "c", "Prose."], [1, NEUTRAL, 1, 0])
    ((frame,),) = [some for some in collect_frames([unsure]).of_kind.values() if some]
    assert (frame.lines, frame.labels.tolist()) == (["a", "b", "c"], [1, NEUTRAL, 1])
    many = collect_frames([framed(str(number)) for number in range(MOST_FRAMES + 5)])
    assert {len(some) for some in many.of_kind.values()} == {MOST_FRAMES}


words = st.lists(st.sampled_from(["The", "ferry", "ÜBER", "3", "of", "2,000", "[1]", "•", "Ω"]), max_size=20)


@given(words)
def test_letters_without_case_have_none_and_lines_stay_lines(words):
    text = " ".join(words) + "\n" + " ".join(words)
    changed = without_case(text)
    assert len(changed) == len(text)
    counts = line_features(changed).counts
    assert not counts[:, LOWER].any() and not counts[:, UPPER].any()
    assert counts[:, CASELESS].sum() == sum(map(str.isalpha, text))
    assert [c for c in changed if not c.isalpha()] == [c for c in text if not c.isalpha()]


@given(words)
def test_letters_without_spaces_are_ideographs_and_lines_stay_lines(words):
    text = " ".join(words) + "\n" + " ".join(words)
    changed = without_spaces(text)
    assert changed.count("\n") == 1
    counts = line_features(changed).counts
    assert not counts[:, [LOWER, UPPER, CASELESS]].any()
    assert (counts[:, IDEOGRAPH].sum() > 0) == any(map(str.isalpha, text))


def test_sentences_without_spaces_end_as_in_chinese():
    assert without_spaces("A b. C, d") == "".join(without_spaces(c) for c in "Ab") + "。" + "".join(
        [without_spaces("C"), "，", without_spaces("d")]
    )
