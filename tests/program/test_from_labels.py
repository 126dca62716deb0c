from hypothesis import given
from hypothesis import strategies as st

from prox.program import Policy, Program, RemoveLines, ReplaceOnce, execute
from prox.program.from_labels import program_from_labels


def refined(lines, program):
    outcome = execute("\n".join(lines), program, Policy.unlimited())
    assert not outcome.rejected
    return outcome.text


def test_a_string_that_its_line_has_twice_is_named_with_context():
    lines = ["a [x] b [x]"]
    program = program_from_labels(lines, [0], partials={0: [(7, 11)]})
    assert program == Program((ReplaceOnce(0, "b [x]", "b"),))
    assert refined(lines, program) == "a [x] b"


def test_places_that_overlap_or_touch_are_one():
    program = program_from_labels(["0123456789"], [0], partials={0: [(4, 6), (2, 5), (6, 7), (9, 9)]})
    assert program == Program((ReplaceOnce(0, "23456"),))


def test_neutral_lines_between_noise_go_and_others_stay():
    program = program_from_labels(list("abcdef"), [0, 1, 0, 1, 0, 1], neutral={0, 2, 5})
    assert program == Program((RemoveLines(1, 3),))


@given(st.data())
def test_noise_goes_and_content_stays(data):
    lines = data.draw(st.lists(st.text("ab ", max_size=8), min_size=1, max_size=8))
    noise = data.draw(st.lists(st.integers(0, 1), min_size=len(lines), max_size=len(lines)))
    kept, partials = [], {}
    for number, line in enumerate(lines):
        gone = data.draw(st.sets(st.integers(0, len(line) - 1), max_size=4)) if line else set()
        if gone:
            partials[number] = [(place, place + 1) for place in gone]
        if not noise[number]:
            kept.append("".join([character for place, character in enumerate(line) if place not in gone]))
    assert refined(lines, program_from_labels(lines, noise, partials=partials)) == "\n".join(kept)
