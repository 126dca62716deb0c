"""Each rule set on pages: what it drops and why, what it removes, what it edits."""

import pytest
from rule_texts import DROPPED, KEPT

import prox
from prox.program import Program
from prox.refiners.rules import MEANINGS
from prox.refiners.rules.c4 import c4
from prox.refiners.rules.page import Page
from prox.refiners.rules.refinedweb import refinedweb
from prox.refiners.rules.refiner import SETS


@pytest.mark.parametrize("names", DROPPED)
def test_each_reason_has_its_page(names):
    for reason, text in DROPPED[names].items():
        (refined,) = prox.refine([text], refiner=f"rules:{names}", level="document")
        assert (refined.decision, refined.reason) == ("dropped", f"{reason}: dropped by rules:{names}")


def test_each_reason_has_a_meaning_and_nothing_else_has():
    assert {reason for pages in DROPPED.values() for reason in pages} == MEANINGS.keys()
    assert MEANINGS["gopher_below_alpha_threshold"] == "fewer than 80 % of the words have a letter"


@pytest.mark.parametrize("names", SETS)
def test_a_story_is_kept_by_all(names):
    (refined,) = prox.refine([KEPT], refiner=f"rules:{names}")
    assert refined.text is not None


def left_by(rules, text):
    page = Page(text)
    rules(page)
    return page.text.split("\n")


C4_LINES = {
    "The line stays as it is.": "The line stays as it is.",
    "  White space around it goes.  \r": "White space around it goes.",
    "It has no end": None,
    "It goes on...": None,
    "Too short.": None,
    "Citations [1] go [edit] all[citation needed] of them. []": None,
    "Citations [1] go [edit] all[citation needed] of[] them.": "Citations  go  all of them.",
    "Turn on JavaScript to see it.": None,
    "Read our Privacy Policy before that.": None,
    'He said "it is so"': 'He said "it is so"',
    "y" * 1001 + " is too long.": None,
    "y" * 1000 + " is not too long.": "y" * 1000 + " is not too long.",
}


@pytest.mark.parametrize("line", C4_LINES)
def test_c4_leaves_sentences(line):
    expected = C4_LINES[line]
    before = "The first line is a sentence."
    assert left_by(c4, f"{before}\n{line}\n") == [before] + ([] if expected is None else [expected])


def test_c4_removes_lines_that_only_other_software_breaks():
    text = f"{KEPT}\nThis sentence stays.\u2028this does not\u2028And this one does."
    (refined,) = prox.refine([text], refiner="rules:c4")
    assert refined.text.split("\n")[-1] == "This sentence stays.\u2028And this one does."


def test_c4_drops_a_page_by_what_its_lines_leave():
    menu = "\n".join(["Home", "News", "Contact us"] * 10)
    for sentences, decision in ((4, "dropped"), (5, "edited")):
        text = menu + "\nThis is a sentence." * sentences
        (refined,) = prox.refine([text], refiner="rules:c4")
        assert refined.decision == decision


def test_c4_cuts_citations_out_by_replacements():
    text = "Swifts [1] sleep on the wing [2][edit]. Do they? They do. Some do not. Some never do."
    (refined,) = prox.refine([text], refiner="rules:c4")
    assert refined.text == "Swifts  sleep on the wing . Do they? They do. Some do not. Some never do."
    assert refined.program == Program.parse('normalize("[1]")\nnormalize("[2][edit]")')


REFINEDWEB_LINES = {
    "A line that stays as it is": "A line that stays as it is",
    "SHARE THIS on FACEBOOK": None,
    "The NATO and the EU met.": "The NATO and the EU met.",
    "2023": None,
    "12 34 56": None,
    "3 likes": None,
    "1,204 Comments": None,
    "1.2K views": None,
    "3 likes are not many for a picture.": "3 likes are not many for a picture.",
    "Home": None,
    "": "",
    "sign-in to see more": "to see more",
    "Sign-In": None,
    "They signed-in to see more": "They signed-in to see more",
    "The birds are back. Read more...": "The birds are back.",
    "The birds are back. READ MORE…": "The birds are back.",
    "Read more... about the birds": "Read more... about the birds",
    "3 items in cart": None,
    "You have 3 items in cart now": "You have 3  now",
    "In a long line of more than ten words a Read more...": "In a long line of more than ten words a Read more...",
}


@pytest.mark.parametrize("line", REFINEDWEB_LINES)
def test_refinedweb_corrects_lines(line):
    expected = REFINEDWEB_LINES[line]
    assert left_by(refinedweb, f"{KEPT}\n{line}") == KEPT.split("\n") + ([] if expected is None else [expected])


def test_refinedweb_drops_a_page_of_which_more_than_a_twentieth_is_flagged():
    words = "and so it goes on and on and on for a " * 10  # 110 words
    assert refinedweb(Page(f"{words}\nFIVE OF ALL THE WORDS")) == ""
    assert refinedweb(Page(f"{words}\nFIVE OF ALL THE WORDS\n2023")) == "too_many_flagged_words"


def test_each_set_sees_what_the_former_left():
    """C4's rules take the menu out, and then FineWeb's have nothing to say; the other way round they drop the page."""
    text = "\n".join([KEPT, *(f"Menu {number}" for number in range(40))])
    (first,) = prox.refine([text], refiner="rules:c4+fineweb")
    (other,) = prox.refine([text], refiner="rules:fineweb+c4")
    assert first.text is not None and "Menu" not in first.text
    assert other.reason == "short_line_ratio: dropped by rules:fineweb+c4" or other.text is None


def test_edits_of_several_sets_add_up():
    text = "\n".join([KEPT, KEPT.lower(), "  The birds are back. Read more... ", "SHARE IT."])
    page = Page(text)
    assert [refinedweb(page), c4(page)] == ["", ""]
    (refined,) = prox.refine([text], refiner="rules:refinedweb+c4")
    assert refined.text == page.text
    assert refined.text.split("\n")[-1] == "The birds are back."
