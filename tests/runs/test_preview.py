"""A few documents through the stages, without a run."""

import gzip
import json

import pytest

from prox.corpora import Quarantined
from prox.errors import UsageError
from prox.program import Program, RemoveLines
from prox.refiners import Draft
from prox.runs import recipe as recipe_module
from prox.runs.preview import preview_documents
from prox.runs.recipe import Recipe

PROSE = "Swifts spend almost their whole life on the wing and come down to breed, and to nothing else."


class FirstLine:
    """Removes the first line; counts the pages it was shown."""

    window = None
    fingerprint = "first line"
    shown = 0

    def __init__(self, spec, level, threshold=None):
        self.level = level

    def refine(self, chunks):
        FirstLine.shown += len(chunks)
        return [Draft(Program((RemoveLines(0, 0),))) for _ in chunks]


@pytest.fixture
def preview(monkeypatch):
    monkeypatch.setattr(recipe_module, "load_refiner", FirstLine)
    FirstLine.shown = 0

    def call(path, count, **fields):
        return list(preview_documents(Recipe(input=(str(path),), output="", level="chunk", **fields), count))

    return call


def lines(count, name="p"):
    return "".join(json.dumps({"id": f"{name}{i}", "text": f"menu\n{PROSE}"}) + "\n" for i in range(count))


def test_the_first_records_come_refined(preview, tmp_path):
    (tmp_path / "in.jsonl").write_text(lines(9))
    entries = preview(tmp_path / "in.jsonl", 3)
    assert [(entry.document.id, entry.text, entry.decision) for entry in entries] == [
        (f"p{i}", PROSE, "edited") for i in range(3)
    ]


def test_no_document_is_refined_that_is_not_shown(preview, tmp_path):
    (tmp_path / "in.jsonl").write_text(lines(500))
    preview(tmp_path / "in.jsonl", 3)
    assert FirstLine.shown == 3


def test_records_that_cannot_be_read_stand_in_their_place(preview, tmp_path):
    (tmp_path / "in.jsonl").write_text(lines(1, "a") + "{broken\n\n" + '{"id": "b"}\n' + lines(1, "c"))
    entries = preview(tmp_path / "in.jsonl", 9)
    assert [entry.record if isinstance(entry, Quarantined) else entry.document.id for entry in entries] == [
        "a0", 1, 3, "c0",
    ]  # fmt: skip


def test_a_broken_file_does_not_end_a_preview(preview, tmp_path):
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines(3, "a").encode())[:-12])
    (tmp_path / "b.jsonl").write_text(lines(2, "b"))
    entries = preview(tmp_path, 9)
    assert any(isinstance(entry, Quarantined) and entry.reason.startswith("broken file") for entry in entries)
    assert [entry.document.id for entry in entries[-2:]] == ["b0", "b1"]


def test_fewer_records_than_asked_for_are_all_shown(preview, tmp_path):
    (tmp_path / "in.jsonl").write_text(lines(2))
    assert len(preview(tmp_path / "in.jsonl", 5)) == 2
    (tmp_path / "empty.jsonl").write_text("")
    assert preview(tmp_path / "empty.jsonl", 5) == []


def test_a_corpus_without_texts_is_refused(preview, tmp_path):
    (tmp_path / "in.jsonl").write_text('{"id": 1, "body": "x y z"}\n')
    with pytest.raises(UsageError, match="--text-field body"):
        preview(tmp_path / "in.jsonl", 5)
    assert len(preview(tmp_path / "in.jsonl", 5, text_field="body")) == 1
