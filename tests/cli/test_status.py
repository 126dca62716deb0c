"""`prox status`, as a person and a machine read it."""

import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from rich.cells import cell_len

from prox.runs import status as runs_status

PAGE = "The river rose again in the night and the town slept on. " * 8


@pytest.fixture
def refined(prox, tmp_path, monkeypatch):
    """A run that is done, under a name that fits any window."""
    pages = tmp_path / "pages.jsonl"
    pages.write_bytes(b"".join(orjson.dumps({"id": str(i), "text": PAGE}) + b"\n" for i in range(20)))
    monkeypatch.chdir(tmp_path)
    assert prox("refine", pages, "out", "--workers", "0")[0] == 0
    return "out"


def test_a_person_sees_units_records_and_words(prox, tmp_path):
    pages = tmp_path / "pages.jsonl"
    pages.write_bytes(b"".join(orjson.dumps({"id": str(i), "text": PAGE}) + b"\n" for i in range(20)))
    assert prox("refine", pages, tmp_path / "out", "--workers", "0")[0] == 0
    code, out, err = prox("status", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "complete" in out and "100.0%" in out and "1 of 1" in out
    assert "20: kept 20" in " ".join(out.split())


def test_a_machine_gets_json(prox, tmp_path):
    pages = tmp_path / "pages.jsonl"
    pages.write_bytes(orjson.dumps({"id": "a", "text": PAGE}) + b"\n")
    prox("refine", pages, tmp_path / "out", "--workers", "0")
    for options in ((), ("--follow",)):
        code, out, _ = prox("status", tmp_path / "out", "--json", *options)
        assert code == 0
        assert json.loads(out)["state"] == "complete"


def test_a_folder_without_a_run_is_exit_2(prox, tmp_path):
    code, out, err = prox("status", tmp_path)
    assert (code, out) == (2, "")
    assert "holds no run" in err and "prox refine" in err


def test_the_time_is_told_once_there_is_any(prox, refined):
    record = orjson.loads(Path(refined, "run.json").read_bytes())
    for seconds, told in ((0.4, False), (61.0, True)):
        Path(refined, "run.json").write_bytes(orjson.dumps(record | {"seconds": seconds}))
        _, out, _ = prox("status", refined)
        assert any(line.split()[:1] == ["time"] for line in out.splitlines()) is told


@pytest.mark.parametrize("columns", ["40", "80", "200"])
@pytest.mark.parametrize("colours", ["NO_COLOR", "FORCE_COLOR", None])
def test_it_fits_any_window(prox, refined, monkeypatch, columns, colours):
    monkeypatch.setenv("COLUMNS", columns)
    if colours:
        monkeypatch.setenv(colours, "1")
    code, out, err = prox("status", refined)
    assert (code, err) == (0, "")
    assert ("\x1b" in out) == (colours == "FORCE_COLOR")
    plain = re.sub(r"\x1b\[[0-9;]*m", "", out)
    assert max(map(cell_len, plain.splitlines())) <= int(columns)
    assert "kept 20 (100.0%)" in " ".join(plain.split())


def followed(prox, refined, monkeypatch):
    """What is written about a run that ends between two looks."""
    looks, look = iter(["running", "complete"]), runs_status.run_status
    monkeypatch.setattr(runs_status, "run_status", lambda output: replace(look(output), state=next(looks)))
    monkeypatch.setattr(sys.modules["prox.cli.status"], "_SECONDS", 0)
    code, out, err = prox("status", refined, "--follow")
    assert (code, err) == (0, "")
    return out


def test_followed_on_a_terminal_it_is_written_over_itself(prox, refined, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = followed(prox, refined, monkeypatch)
    first, second = (out.index(f": {state}") for state in ("running", "complete"))
    assert "\x1b[1A\x1b[2K" in out[first:second], "the cursor goes up, and the line is cleared"
    assert "1 of 1" in out[second:]


def test_followed_into_a_pipe_it_is_written_line_by_line(prox, refined, monkeypatch):
    out = followed(prox, refined, monkeypatch)
    assert "\x1b" not in out and out.count("1 of 1") == 4
