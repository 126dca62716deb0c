"""Pages of kinds that training has not seen: what people would miss has to survive."""

import pytest
from edge_pages import NUMBERS, SURVIVE

import prox
from prox.program import RemoveLines, Replace

LONG = "The ferry crossed the river twice an hour as long as there was light. "


def edited(text):
    (refined,) = prox.refine([text], level="chunk")
    return refined


def removed(refined):
    """The numbers of the lines that go."""
    spans = [each for each in refined.program.operations if isinstance(each, RemoveLines)]
    return [line for each in spans for line in range(each.first, each.last + 1)]


@pytest.mark.parametrize("kind", SURVIVE)
def test_content_of_an_unknown_kind_survives(kind):
    text = SURVIVE[kind]
    refined = edited(text)
    visible = [number for number, line in enumerate(text.split("\n")) if line.strip()]
    lost = set(removed(refined)) & set(visible)
    assert len(lost) <= len(visible) / 10, [text.split("\n")[line] for line in sorted(lost)]


@pytest.mark.parametrize("kind", ["code", "mathematics", "table", "chat"])
def test_nothing_is_taken_out_of_lines_of_code_formulas_tables_and_chats(kind):
    assert not [each for each in edited(SURVIVE[kind]).program.operations if isinstance(each, Replace)]


@pytest.mark.parametrize("text", [" ", "\n", " \n\t\n\u3000\n" * 40, "\r\n" * 9, "\u200b\n\ufeff"])
def test_white_space_alone_is_left_alone(text):
    assert edited(text).decision == "kept"


def test_a_page_of_numbers_is_not_emptied():
    assert len(removed(edited(NUMBERS))) < 20


@pytest.mark.parametrize("text", [LONG * 15_000, "没有空格的一行。" * 50_000, "x" * 1_000_000, " " * 1_000_000 + "end"])
def test_a_line_of_a_million_characters_is_read(text):
    assert edited(text).decision in ("kept", "edited", "dropped")


def test_long_prose_in_one_line_stays():
    assert edited(LONG * 15_000).decision == "kept"


def test_a_hundred_thousand_lines_are_read_and_prose_among_them_stays():
    prose = [f"In the year {number} the river rose again, and nobody in the village was surprised by it." for number in
             range(100_000)]  # fmt: skip
    assert len(removed(edited("\n".join(prose)))) < 1_000


def test_the_same_page_gives_the_same_program_whatever_comes_with_it():
    pages = [*SURVIVE.values(), NUMBERS, LONG, ""]
    together = [str(each.program) for each in prox.refine(pages)]
    alone = [str(prox.refine([page])[0].program) for page in pages]
    backwards = [str(each.program) for each in prox.refine(pages[::-1])][::-1]
    assert together == alone == backwards
