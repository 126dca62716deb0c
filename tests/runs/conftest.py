"""Lets these tests talk to faulty servers: that of the engines' tests, and one for S3."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parents[1] / "refiners/language_model"), str(Path(__file__).parent)]

collect_ignore = ["faulty_s3.py"]  # a helper, which needs moto: no tests and no doctests


@pytest.fixture(autouse=True)
def short_waits_for_storage(monkeypatch):
    """What is gone in a test does not come back."""
    monkeypatch.setattr("prox.runs.supervisor._WAITS_FOR_STORAGE", (0.01, 0.01, 0.01))
