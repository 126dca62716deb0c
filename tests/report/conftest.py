"""Lets the tests of this room import what lies beside them, and gives them a run to report on."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from report_runs import records, refine, write


@pytest.fixture
def run(tmp_path):
    source = write(tmp_path / "pages.jsonl", records())
    refine(source, tmp_path / "refined")
    return tmp_path / "refined"
