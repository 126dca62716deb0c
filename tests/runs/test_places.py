from hypothesis import given
from hypothesis import strategies as st

from prox.program import Policy, Program, Replace, execute
from prox.runs.places import by_line, places_left

short = st.text("ab [", max_size=12)


@given(short, st.lists(st.builds(Replace, st.text("ab [", min_size=1, max_size=3)), max_size=3))
def test_deletions_leave_the_places_of_the_refined_line(line, replacements):
    refined = line
    for each in replacements:
        refined = refined.replace(each.source, "")
    assert "".join(line[place] for place in places_left(line, 0, replacements)) == refined


def test_replacements_bound_to_other_lines_leave_a_line_alone():
    bound = [Replace("a", first=1, last=2), Replace("a", first=4), Replace("a", last=2)]
    assert list(places_left("aba", 3, bound)) == [0, 1, 2]
    assert list(places_left("aba", 2, bound[:1])) == [1]


def test_what_a_target_keeps_of_its_source_stays_in_place():
    assert list(places_left("x [edit] y", 0, [Replace("[edit]", "[]")])) == [0, 1, 2, 7, 8, 9]


def test_a_second_replacement_acts_on_what_the_first_one_left():
    replacements = [Replace("b"), Replace("aa", "a")]
    outcome = execute("abac", Program(tuple(replacements)), Policy.unlimited())
    assert outcome.text == "ac" and list(places_left("abac", 0, replacements)) == [0, 3]


bounds = st.none() | st.integers(0, 3)


@given(short, st.integers(0, 3), st.lists(st.builds(Replace, st.text("ab", min_size=1), st.just(""), bounds, bounds)))
def test_on_a_line_act_those_that_may_act_there(line, number, replacements):
    assert list(places_left(line, number, by_line(replacements)(number))) == list(
        places_left(line, number, replacements)
    )


def test_nobody_looks_at_the_replacements_of_other_lines():
    """10,000 of them on 10,000 lines took seconds for each page."""
    each = [Replace("a", "", line, line) for line in range(1000)]
    assert by_line(each)(7) == [each[7]] and by_line(each)(1000) == []
