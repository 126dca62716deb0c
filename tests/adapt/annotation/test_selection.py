import pytest

from prox.adapt.annotation import selection
from prox.adapt.annotation.selection import most_disputed
from prox.document import Document, split_lines
from prox.errors import RunError, UsageError
from prox.program import DropDocument, Program, RemoveLines
from prox.refiners.draft import Draft, Level


class Words:
    """Removes lines with a word; drops documents with it, or scores them by how often it is there."""

    def __init__(self, word, level, window=None, scoring=False):
        self.word, self.level, self.window, self.scoring = word, level, window, scoring
        self.fingerprint = word

    def refine(self, chunks):
        return [self._draft(chunk) for chunk in chunks]

    def _draft(self, chunk):
        if "broken" in chunk.text:
            return Draft(Program(), errors=("no answer",))
        if self.level is Level.DOCUMENT:
            drops = self.word in chunk.text
            score = chunk.text.count(self.word) / 10 if self.scoring else None
            return Draft(Program((DropDocument(),) if drops else ()), score=score)
        lines = enumerate(split_lines(chunk.text), chunk.first_line)
        return Draft(Program(tuple([RemoveLines(n, n) for n, line in lines if self.word in line])))


@pytest.fixture
def refiners(monkeypatch):
    def use(**options):
        monkeypatch.setattr(selection, "load_refiner", lambda spec, level: Words(spec, level, **options))

    return use


DOCUMENTS = [
    Document("same", "fox hen\nbird bird bird"),
    Document("short line", "fox\n" + "bird " * 99),
    Document("half", "fox fox fox fox\nbird bird bird bird"),
    Document("all", "fox fox\nhen"),
    Document("none", "bird"),
]


@pytest.mark.parametrize("window", [None, 4])
def test_documents_come_by_the_share_of_words_in_dispute(refiners, window):
    refiners(window=window)
    found = most_disputed(DOCUMENTS, ("fox", "hen"), Level.CHUNK, 3)
    assert [(each.document.id, each.disagreement) for each in found.chosen] == [
        ("all", 1.0),
        ("half", 0.5),
        ("short line", pytest.approx(0.01) if window is None else 0.01),
    ]


def test_at_document_level_decisions_or_scores_are_compared(refiners):
    refiners()
    found = most_disputed(DOCUMENTS, ("fox", "hen"), Level.DOCUMENT, 9)
    assert [(each.document.id, each.disagreement) for each in found.chosen] == [
        ("short line", 1.0),
        ("half", 1.0),
        ("same", 0.0),
        ("all", 0.0),
        ("none", 0.0),
    ]
    refiners(scoring=True)
    found = most_disputed(DOCUMENTS, ("fox", "hen"), Level.DOCUMENT, 2)
    assert [each.document.id for each in found.chosen] == ["half", "short line"]
    assert found.chosen[0].disagreement == pytest.approx(0.4)


def test_a_document_without_a_program_is_no_candidate_and_counted(refiners):
    refiners()
    found = most_disputed([*DOCUMENTS, Document("x", "fox broken")], ("fox", "hen"), Level.CHUNK, 9)
    assert len(found.chosen) == 5 and found.without_programs == {"no program of fox": 1}


def test_refiners_without_any_program_end_the_work(refiners):
    refiners()
    with pytest.raises(RunError, match="no program of fox"):
        most_disputed([Document("x", "broken")], ("fox", "hen"), Level.CHUNK, 9)


def test_a_wrong_spec_is_wrong_use():
    with pytest.raises(UsageError):
        most_disputed(DOCUMENTS, ("tagger", "fox"), Level.CHUNK, 1)
