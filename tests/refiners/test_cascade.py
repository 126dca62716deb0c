"""Two refiners in a row: who decides what."""

import pytest

from prox.chunking import Chunk
from prox.program import DropDocument, KeepDocument, Program, RemoveLines, Replace
from prox.refiners import Draft, Level
from prox.refiners.cascade import CascadeRefiner, Uncertain

KEEP, DROP = Program((KeepDocument(),)), Program((DropDocument(),))


class Fake:
    """A refiner by a function of the chunk; remembers what it was asked."""

    fingerprint = "fake"

    def __init__(self, level, write, window=None):
        self.level, self.write, self.window, self.asked = level, write, window, []

    def refine(self, chunks):
        self.asked += chunks
        return [self.write(chunk) for chunk in chunks]


def judges(score, answer, low=0.2, high=0.8):
    first = Fake(Level.DOCUMENT, lambda chunk: Draft(KEEP if score >= 0.5 else DROP, score=score))
    second = Fake(Level.DOCUMENT, lambda chunk: answer)
    (draft,) = CascadeRefiner(first, second, Uncertain(low, high)).refine([Chunk("page", "some words here", 0)])
    return draft, len(second.asked)


@pytest.mark.parametrize(("score", "asked"), [(0.1, 0), (0.2, 1), (0.5, 1), (0.8, 1), (0.9, 0)])
def test_only_documents_between_the_scores_are_sent(score, asked):
    draft, count = judges(score, Draft(DROP, score=0.3, tokens_in=5))
    assert count == asked
    assert draft.words_sent == 3 * asked
    assert draft.tokens_in == 5 * asked
    assert draft.program == (DROP if asked else KEEP if score >= 0.5 else DROP)


def test_the_first_decision_stands_where_the_second_refiner_fails():
    draft, _ = judges(0.6, Draft(Program(), errors=("timed out",)))
    assert (draft.program, draft.score) == (KEEP, 0.6)
    assert draft.errors == ("timed out",)


TEXT = "menu\nmaybe\nprose [x]\n\nperhaps\nfooter"
SCORES = bytes([95, 60, 5, 0, 40, 99])


def edits(second, text=TEXT, scores=SCORES, first_line=0, window=None):
    removed = [RemoveLines(n + first_line, n + first_line) for n, score in enumerate(scores) if score >= 50]
    parts = [Replace(" [x]", "", 2 + first_line, 2 + first_line)]
    first = Fake(Level.CHUNK, lambda chunk: Draft(Program((*parts, *removed)), line_scores=scores))
    other = Fake(Level.CHUNK, second, window)
    (draft,) = CascadeRefiner(first, other, Uncertain(0.2, 0.8)).refine([Chunk("page", text, first_line)])
    return draft, other.asked


def test_the_second_refiner_decides_about_uncertain_lines_only():
    wants = (RemoveLines(0, 0), RemoveLines(2, 2), RemoveLines(4, 4))  # line 2 is certain content
    draft, asked = edits(lambda chunk: Draft(Program(wants), tokens_in=10, tokens_out=3))
    assert len(asked) == 1
    assert draft.program.operations == (Replace(" [x]", "", 2, 2), RemoveLines(0, 0), RemoveLines(4, 5))
    assert (draft.tokens_in, draft.tokens_out, draft.words_sent) == (10, 3, 6)
    assert draft.line_scores == SCORES


def test_a_second_refiner_that_keeps_all_keeps_the_uncertain_lines():
    draft, _ = edits(lambda chunk: Draft(KEEP))
    assert draft.program.operations == (Replace(" [x]", "", 2, 2), RemoveLines(0, 0), RemoveLines(5, 5))


def test_replacements_are_bound_to_uncertain_lines_that_stay():
    draft, _ = edits(lambda chunk: Draft(Program((Replace("p"), Replace("e")))))
    bound = {(each.source, each.first) for each in draft.program.operations if isinstance(each, Replace)}
    assert bound == {(" [x]", 2), ("p", 4), ("e", 1), ("e", 4)}


def test_line_numbers_are_those_of_the_document():
    draft, asked = edits(lambda chunk: Draft(Program((RemoveLines(14, 14),))), first_line=10)
    assert asked[0].first_line == 10
    assert RemoveLines(14, 15) in draft.program.operations
    assert RemoveLines(10, 10) in draft.program.operations


def test_only_uncertain_lines_and_their_neighbours_are_sent():
    text = "\n".join(["word"] * 100)
    scores = bytearray([1] * 100)
    assert edits(lambda chunk: Draft(KEEP), text, bytes(scores))[1] == []
    scores[2] = scores[50] = scores[60] = 50
    draft, asked = edits(lambda chunk: Draft(KEEP), text, bytes(scores))
    assert [(chunk.first_line, chunk.last_line) for chunk in asked] == [(0, 7), (45, 65)]
    assert draft.words_sent == 8 + 21


def test_windows_of_the_second_refiner_without_an_uncertain_line_are_not_sent():
    text = "\n".join(["word"] * 6)
    draft, asked = edits(lambda chunk: Draft(KEEP), text, bytes([1, 99, 1, 1, 50, 1]), window=2)
    assert [chunk.first_line for chunk in asked] == [4]
    assert draft.words_sent == 2


def test_a_failed_window_leaves_its_lines_to_the_first_refiner():
    draft, _ = edits(lambda chunk: Draft(Program(), errors=("cut off",)))
    assert draft.errors == ("cut off",)
    assert [each for each in draft.program.operations if isinstance(each, RemoveLines)] == [
        RemoveLines(0, 0),
        RemoveLines(1, 1),
        RemoveLines(5, 5),
    ]


def test_a_document_without_a_score_is_as_uncertain_as_can_be():
    first = Fake(Level.DOCUMENT, lambda chunk: Draft(Program(), errors=("timed out",)))
    second = Fake(Level.DOCUMENT, lambda chunk: Draft(DROP, score=0.1))
    chunks = [Chunk("a", "text", 0), Chunk("b", " \n", 0)]
    asked, blank = CascadeRefiner(first, second, Uncertain(0.2, 0.8)).refine(chunks)
    assert (asked.program, asked.errors, asked.asked) == (DROP, (), True)
    assert (blank.asked, len(second.asked)) == (False, 1)


def test_lines_without_scores_are_all_uncertain():
    first = Fake(Level.CHUNK, lambda chunk: Draft(KEEP))
    second = Fake(Level.CHUNK, lambda chunk: Draft(Program((RemoveLines(1, 1),))))
    (draft,) = CascadeRefiner(first, second, Uncertain(0.2, 0.8)).refine([Chunk("a", "x\ny", 0)])
    assert draft.program.operations == (RemoveLines(1, 1),)


def test_a_program_decides_about_no_line_that_it_was_not_shown():
    text = "\n".join(["word"] * 60)
    scores = bytearray([1] * 60)
    scores[0] = scores[40] = 60

    def write(chunk):
        return Draft(Program((RemoveLines(40, 40),)) if chunk.first_line == 0 else KEEP)

    draft, asked = edits(write, text, bytes(scores))
    assert [chunk.first_line for chunk in asked] == [0, 35]
    assert draft.program.operations == (Replace(" [x]", "", 2, 2),)
    assert any("outside the lines" in each for each in draft.rejected)


def test_a_program_with_too_many_errors_leaves_its_lines_to_the_first_refiner():
    wrong = Program((RemoveLines(900, 901), RemoveLines(950, 960), RemoveLines(4, 4)))
    draft, _ = edits(lambda chunk: Draft(wrong))
    assert "erroneous operations 2" in draft.errors[0]
    assert len(draft.rejected) == 2
    removed = [each for each in draft.program.operations if isinstance(each, RemoveLines)]
    assert removed == [RemoveLines(0, 0), RemoveLines(1, 1), RemoveLines(5, 5)]


def test_the_fingerprint_names_both_and_the_range():
    refiners = Fake(Level.CHUNK, None), Fake(Level.CHUNK, None)
    assert "fake | 0.2..0.8 | fake" in CascadeRefiner(*refiners, Uncertain(0.2, 0.8)).fingerprint
