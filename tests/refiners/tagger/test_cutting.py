"""Taking parts out of lines: the surest first, no two in one place, and not one character beside them."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from part_texts import pages

from prox.program import Policy, Program, Replace, execute
from prox.refiners.tagger.cutting import chosen, replacements
from prox.refiners.tagger.parts import SQUARE, Part, find_parts


def cut(line, parts):
    """The line after the program, and the program."""
    program = Program(tuple(Replace(source, target, 0, 0) for source, target in replacements(line, parts)))
    outcome = execute(line, program, Policy(least_words=0, least_share=0))
    assert not outcome.rejected
    return outcome.text


@given(pages, st.data())
def test_a_line_loses_its_parts_and_nothing_else(lines, data):
    parts = find_parts(lines)
    scores = data.draw(st.lists(st.sampled_from([0.2, 0.5, 0.9]), min_size=len(parts), max_size=len(parts)))
    for number, taken in chosen(zip(parts, scores, strict=True)).items():
        line = lines[number]
        left = "".join(c for i, c in enumerate(line) if not any(part.start <= i < part.end for part in taken))
        result = cut(line, taken)
        assert result == line if not left.strip() else result.lstrip() == left.lstrip()


@given(pages)
def test_the_surest_of_overlapping_parts_goes(lines):
    parts = find_parts(lines)
    scored = [(part, (number * 7 % 5) / 5) for number, part in enumerate(parts)]
    best = dict(scored)
    taken = chosen(scored)
    for part in parts:
        others = taken.get(part.line, [])
        assert part in others or any(
            other.start < part.end and part.start < other.end and best[other] >= best[part] for other in others
        )
    for others in taken.values():
        assert all(here.end <= there.start for here, there in itertools.pairwise(others))


@pytest.mark.parametrize(
    ("line", "spans", "left"),
    [
        ("x[1] is big [1]", [(11, 15)], "x[1] is big"),
        ("See [1] or [1].", [(10, 14)], "See [1] or."),
        ("See [1] or [1].", [(3, 7), (10, 14)], "See or."),
        ("[edit] History", [(0, 6)], "History"),
        ("[a] [b] History", [(0, 3), (3, 7)], " History"),
        ("[1] x [1]", [(5, 9)], "[1] x"),
        ("a[0]", [(0, 4)], "a[0]"),  # nothing would be left
    ],
)
def test_sources_that_stand_elsewhere_too_are_told_apart(line, spans, left):
    """Story: a removal takes a string out wherever its line has it, also where it is an index of an array."""
    assert cut(line, [Part(0, start, end, SQUARE) for start, end in spans]) == left


@pytest.mark.parametrize("unit", ["word [edit] ", "word [{}] ", "a [1] b [{}] [1]"])
def test_a_line_full_of_parts_takes_no_quadratic_time(unit):
    line = "".join(unit.format(number) for number in range(20_000))
    parts = find_parts([line])
    begin = time.process_time()
    taken = chosen((part, 0.9) for part in parts)
    replacements(line, taken[0][::2])
    assert time.process_time() - begin < 10
