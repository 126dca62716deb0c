"""Held-out text may be whatever prox reads, and what a run of `prox refine` has written."""

import orjson
import pytest

pytest.importorskip("torch", reason="needs PyTorch: pip install 'prox-refine[evaluate]'")

from prox.errors import UsageError
from prox.pretrain.evaluation.texts import HeldOut, held_out
from prox.runs.recipe import make_recipe
from prox.runs.refine import refine_corpus

PROSE = "Swifts never land, not even at night: they eat, drink and sleep on the wing, for ten months of the year.\n"


@pytest.fixture
def run(tmp_path):
    """The output folder of a run over one page with a menu."""
    page = {"id": "a", "text": "Home | Log in | Sitemap\n" + PROSE * 4}
    (tmp_path / "pages.jsonl").write_bytes(orjson.dumps(page))
    pages, output = str(tmp_path / "pages.jsonl"), str(tmp_path / "clean")
    refine_corpus(make_recipe(input=(pages,), output=output, level="chunk", workers=0))
    return tmp_path / "clean"


def test_of_a_run_its_refined_texts_are_read(run):
    held = HeldOut(f"{run}/")
    held.check()
    assert held.name == "clean"
    assert {path.rpartition("/")[0] for path in held.paths} == {str(run / "text")}


def test_a_run_that_left_no_text_is_refused(run):
    for part in (run / "text").iterdir():
        part.unlink()
    with pytest.raises(UsageError, match="everything was dropped"):
        HeldOut(str(run))


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.jsonl"):
        HeldOut(str(tmp_path / "nowhere.jsonl"))


def test_texts_whose_paths_end_in_the_same_have_names_of_their_own(tmp_path):
    paths = []
    for folder, name in (("a", "clean.jsonl"), ("b", "clean.jsonl"), ("b", "raw.jsonl")):
        (tmp_path / folder).mkdir(exist_ok=True)
        paths.append(str(tmp_path / folder / name))
        (tmp_path / folder / name).write_bytes(orjson.dumps({"text": PROSE}) + b"\n")
    assert [each.name for each in held_out(paths)] == [*paths[:2], "raw.jsonl"]
    with pytest.raises(UsageError, match="given twice"):
        held_out([paths[0], paths[0]])


def test_a_storage_that_refuses_is_named(monkeypatch, tmp_path):
    import fsspec.implementations.memory as memory

    def refuse(self, path, **_):
        raise PermissionError("no credentials")

    monkeypatch.setattr(memory.MemoryFileSystem, "info", refuse)
    monkeypatch.setattr(memory.MemoryFileSystem, "isdir", refuse)
    with pytest.raises(UsageError, match=r"memory://held.*no credentials"):
        HeldOut("memory://held")
