import pytest
from hypothesis import given
from hypothesis import strategies as st

from prox.program.minimal_edits import Hunk, common_length, edit_script, fewest_runs

small = st.text("abc", max_size=10)


def fewest(raw, refined):
    """By trying everything: the number of runs, or None."""
    best = {(0, False): 0}  # elements of `refined` that are found, and whether a run is open
    for element in raw:
        following = {}
        for (found, is_open), count in best.items():
            ways = [((found, True), count + (not is_open))]
            if found < len(refined) and refined[found] == element:
                ways.append(((found + 1, False), count))
            for state, total in ways:
                following[state] = min(total, following.get(state, total))
        best = following
    counts = [count for (found, _), count in best.items() if found == len(refined)]
    return min(counts) if counts else None


@st.composite
def shortened(draw):
    raw = draw(st.text(draw(st.sampled_from(["ab", "abc", "abcdefgh"])), max_size=16))
    return raw, "".join([character for character in raw if draw(st.integers(0, 2))])


@given(st.one_of(shortened(), st.tuples(small, small)), st.booleans())
def test_the_runs_are_the_fewest_or_there_are_none(pair, of_lines):
    raw, refined = map(list, pair) if of_lines else pair
    removal = fewest_runs(raw, refined)
    assert (removal and len(removal.runs)) == (removal and fewest(raw, refined))
    assert (removal is None) == (fewest(raw, refined) is None)
    if removal is not None:
        gone = {place for start, end in removal.runs for place in range(start, end)}
        assert [element for place, element in enumerate(raw) if place not in gone] == list(refined)
        assert removal.proven


def test_where_the_search_is_cut_short_the_runs_are_still_right():
    raw = ["a", "b", "b"] * 3000
    refined = [line for place, line in enumerate(raw) if place % 7]
    removal = fewest_runs(raw, refined)
    gone = {place for start, end in removal.runs for place in range(start, end)}
    assert [line for place, line in enumerate(raw) if place not in gone] == refined
    assert not removal.proven


def longest_common(a, b):
    row = [0] * (len(b) + 1)
    for character in a:
        before, row = row, [0]
        for index, other in enumerate(b):
            row.append(before[index] + 1 if character == other else max(before[index + 1], row[-1]))
    return row[-1]


@given(small, small)
def test_the_script_edits_as_few_characters_as_possible(raw, refined):
    pieces, place = [], 0
    for hunk in edit_script(raw, refined):
        assert hunk.start >= place
        pieces += [raw[place : hunk.start], hunk.text]
        place = hunk.end
    assert "".join([*pieces, raw[place:]]) == refined
    edited = sum(hunk.end - hunk.start + len(hunk.text) for hunk in edit_script(raw, refined))
    assert edited == len(raw) + len(refined) - 2 * longest_common(raw, refined)
    assert common_length(raw, refined) == longest_common(raw, refined)


def test_hunks_that_touch_are_one():
    assert edit_script("one two", "one four") == [Hunk(4, 6, "f"), Hunk(7, 7, "ur")]


@given(st.text(max_size=30), st.text(max_size=30))
def test_the_script_is_as_short_as_that_of_rapidfuzz(raw, refined):
    distance = pytest.importorskip("rapidfuzz.distance").Indel.distance
    edited = sum(hunk.end - hunk.start + len(hunk.text) for hunk in edit_script(raw, refined))
    assert edited == distance(raw, refined)
