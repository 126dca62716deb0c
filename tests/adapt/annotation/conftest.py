"""Lets these tests talk to the faulty server of the engines' tests."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[2] / "refiners/language_model"), str(Path(__file__).parent)]


@pytest.fixture(autouse=True)
def no_key(monkeypatch):
    for name in ("PROX_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def asker(tmp_path):
    """An asker of a model that gives these answers, one after the other."""
    from annotation_fakes import asker_of

    return lambda *texts, **options: asker_of(tmp_path / "answers", *texts, **options)
