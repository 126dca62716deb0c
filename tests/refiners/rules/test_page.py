"""What rules leave of a page, and the program that leaves the same of the raw text."""

import random

from hypothesis import given
from hypothesis import strategies as st

from prox.program import Policy, Program, RemoveLines, Replace, execute
from prox.refiners.rules.page import Page

TEXTS = st.text(st.sampled_from("ab[1] .\n\n\r\u2028\x85"), max_size=60)
PROGRAMS = Policy(errors_allowed=0, least_share=None, least_words=None)


@st.composite
def edited_pages(draw):
    """A page and its raw text, after some rounds of edits of any kind."""
    text = draw(TEXTS)
    page = Page(text)
    for _ in range(draw(st.integers(1, 3))):
        chance = random.Random(draw(st.integers(0, 9999)))
        lines = [part for line in page.lines for part in (line.parts() if chance.random() < 0.5 else [line])]
        kept = []
        for line in lines:
            if chance.random() < 0.3:
                continue
            if chance.random() < 0.3:
                line = line.stripped()
            size = len(line.text)
            cuts = sorted(chance.sample(range(size + 1), 2 * chance.randint(0, (size + 1) // 2)))
            kept.append(line.without(list(zip(cuts[::2], cuts[1::2], strict=True))))
        page.keep(kept)
    return text, page


@given(edited_pages())
def test_the_program_of_a_page_gives_its_text(edited):
    text, page = edited
    outcome = execute(text, Program(tuple(page.operations())), PROGRAMS)
    assert outcome.rejected == () and outcome.reason == ""
    broken = any(line.broken_at >= 0 for line in page.lines)
    if not broken:
        assert outcome.text == page.text
    wanted = [piece for line in page.lines for piece in line.text.splitlines() if piece]
    assert [piece for piece in (outcome.text or "").splitlines() if piece] == wanted


@given(TEXTS, st.integers(1, 50))
def test_line_numbers_count_from_the_first_line_given(text, first_line):
    page = Page(text)
    page.keep(page.lines[1:])
    operations = page.operations(first_line)
    assert operations == [RemoveLines(first_line, first_line)]


def test_a_page_that_nobody_edits_needs_no_operations():
    assert Page("one\ntwo").operations() == []
    page = Page("one\ntwo")
    page.keep(page.lines)
    assert page.operations() == [] and page.text == "one\ntwo"


def test_the_same_cut_in_lines_that_follow_one_another_is_one_operation():
    page = Page("  one\n  two\nthree\n  four")
    page.keep([page.lines[0].stripped(), page.lines[1].stripped(), page.lines[3].stripped()])
    assert page.operations() == [Replace("  ", "", 0, 3), RemoveLines(2, 2)]


def test_a_cut_is_told_from_what_looks_the_same_and_stays():
    page = Page("  a  b")
    page.keep([page.lines[0].stripped()])
    (operation,) = page.operations()
    assert (operation.source, operation.target) == ("  a", "a")


def test_a_kept_part_of_a_line_keeps_its_line_break():
    page = Page("one\rtwo\rthree\nfour")
    page.keep([page.lines[0].parts()[0], page.lines[0].parts()[2]])
    assert page.text == "one\nthree"
    assert execute("one\rtwo\rthree\nfour", Program(tuple(page.operations())), PROGRAMS).text == "one\rthree"
