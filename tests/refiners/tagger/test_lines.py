"""Which lines go: the vectorised rules against the same rules said with loops."""

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from prox.document import join_lines
from prox.program import Policy, Program, RemoveLines, execute
from prox.refiners.tagger.lines import removals, removed_lines

# A page as a string: K a kept line, N a noisy one, a blank is a blank line.
pages = st.one_of(st.text("KN ", min_size=1, max_size=16), st.text("KKN   ", min_size=1, max_size=40))


def removed_of(page):
    rows = np.array([i for i, line in enumerate(page) if line != " "], np.int64)
    noisy = np.array([page[row] == "N" for row in rows], bool)
    return removed_lines(noisy, rows, len(page))


def left_of(page):
    """What stays of a page."""
    return "".join(line for line, removed in zip(page, removed_of(page), strict=True) if not removed)


def removed_by_hand(page):
    removed = []
    anchored = False  # a kept line stands above
    broken = False  # behind the last kept line, a block of blank lines has ended
    pending = False  # such a block is going on
    above = None
    for line in page:
        if line == " ":
            goes = above == "N" and (broken or not anchored)
            if above is None:
                goes = page.strip()[:1] == "N"
            removed.append(goes)
            pending = True
            continue
        broken = broken or pending
        pending = False
        if line == "K":
            anchored, broken = True, False
        removed.append(line == "N")
        above = line
    return removed


@given(pages)
def test_the_rules_hold_as_by_hand(page):
    assert removed_of(page).tolist() == removed_by_hand(page)


@given(pages)
def test_visible_lines_go_exactly_as_told(page):
    removed = removed_of(page)
    assert removed.shape == (len(page),)
    assert removed.dtype == bool
    assert [bool(gone) for line, gone in zip(page, removed, strict=True) if line != " "] == [
        line == "N" for line in page if line != " "
    ]


@given(st.text("K ", max_size=12))
def test_nothing_goes_from_a_page_without_noise(page):
    assert left_of(page) == page


@given(pages)
def test_paragraphs_are_apart_afterwards_exactly_if_a_blank_line_was_between_them(page):
    kept = [number for number, line in enumerate(page) if line == "K"]
    gaps = [" " in page[first:last] for first, last in itertools.pairwise(kept)]
    left = left_of(page)
    kept = [number for number, line in enumerate(left) if line == "K"]
    assert [" " in left[first:last] for first, last in itertools.pairwise(kept)] == gaps


@given(pages)
def test_removing_never_makes_a_break_longer_than_it_was(page):
    def longest(text):
        return max(map(len, text.replace("N", "K").split("K")))

    assert longest(left_of(page)) <= longest(page)


@given(st.text("KN", max_size=6), st.text("N", min_size=1, max_size=3), st.text("KN", max_size=6))
def test_a_removed_block_between_two_blank_lines_leaves_one_of_them(above, block, below):
    page = f"{above}K {block} K{below}"
    assert left_of(page) == left_of(f"{above}K") + " " + left_of(f"K{below}")


@given(st.text("N ", max_size=8), pages)
def test_a_page_that_opens_with_noise_starts_with_a_kept_line(head, rest):
    left = left_of(f"{head}N{rest}")
    assert "K" not in left or left[0] == "K"


def test_examples():
    assert left_of("K N K") == "K K"
    assert left_of("K NK") == left_of("KN K") == "K K"
    assert left_of("KNK") == "KK"
    assert left_of(" N K") == left_of("NN  K") == "K"
    assert left_of(" K") == " K"
    assert left_of("KN ") == "K "  # the newline at the end of the file
    assert left_of("K N ") == "K "
    assert left_of("N N") == left_of(" N ") == ""


def test_a_blank_line_inside_a_removed_block_goes_only_if_there_is_another_break():
    """Story: blank lines between two removed lines always went, and joined the paragraphs around the block."""
    assert left_of("KN NK") == "K K"
    assert left_of("K N NK") == left_of("KN N K") == "K K"


@given(st.lists(st.booleans(), max_size=40), st.integers(0, 1000))
def test_removals_are_apart_ascending_and_cover_the_mask(mask, first_line):
    found = removals(np.array(mask, bool), first_line)
    assert all(isinstance(each, RemoveLines) and type(each.first) is type(each.last) is int for each in found)
    assert all(each.first <= each.last for each in found)
    assert all(here.last + 1 < there.first for here, there in itertools.pairwise(found))
    covered = [number for each in found for number in range(each.first, each.last + 1)]
    assert covered == [first_line + number for number, gone in enumerate(mask) if gone]


@given(pages)
def test_the_executor_leaves_exactly_what_the_mask_leaves(page):
    text = join_lines([line.strip() for line in page])
    program = Program(tuple(removals(removed_of(page), 0)))
    outcome = execute(text, program, Policy.unlimited())
    assert not outcome.rejected
    assert outcome.text == join_lines([line.strip() for line in left_of(page)])
