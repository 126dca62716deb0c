"""Reasons in lines: explained where they are the names of rules, and counted where they are many."""

from prox.cli.reasons import MOST, reason_lines


def test_names_of_rules_are_explained_and_others_are_told_as_they_are():
    assert reason_lines([("list_ratio", 1_200), ("dropped by tagger", 3)]) == [
        "  1,200 × list_ratio: more than 30 line breaks for 100 words",
        "  3 × dropped by tagger",
    ]
    assert reason_lines([]) == []


def test_of_many_reasons_the_rest_is_counted():
    many = [(f"reason {number}", 10) for number in range(MOST + 2)]
    assert reason_lines(many)[MOST:] == ["  20 × for 2 other reasons"]
    assert reason_lines(many[:-1])[MOST:] == [f"  10 × reason {MOST}"]  # one more takes no more room
