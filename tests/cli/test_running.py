"""Options beside a recipe file, and the line that tells how far a run is."""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from prox.cli.running import _line, recipe_from_options
from prox.runs.refine import Progress
from prox.runs.unit_report import UnitReport


def test_an_option_wins_over_what_a_recipe_says_of_one_refiner(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(
        "stages:\n- refiner: vllm:a\n  family: prox-chunk\n  engine_options: {dtype: float16, seed: 1}\n"
        "engine_options: {seed: 2}\n"
    )
    options = {"input": (), "output": "", "level": "chunk"}
    ((as_said, _),) = recipe_from_options(str(path), **options).levels()
    assert (as_said.family, as_said.engine_options) == ("prox-chunk", {"dtype": "float16", "seed": 1})
    given = recipe_from_options(str(path), family="instruct", engine_options={"seed": 3}, **options)
    ((overridden, _),) = given.levels()
    assert (overridden.family, overridden.engine_options) == ("instruct", {"dtype": "float16", "seed": 3})


def test_the_live_line_names_units_that_failed():
    report = UnitReport(decisions=Counter(kept=1200, quarantined=3))
    progress = Progress(report, units_done=7, units=10, share=0.7, seconds=2.0, text_bytes=9_000_000)
    assert _line(progress) == "4.5 MB/s, units 7/10, kept 1,200, quarantined 3"
    failed = replace(progress, in_work=64, units_failed=2)
    assert _line(failed) == "4.5 MB/s, units 7/10, kept 1,200, quarantined 3, 64 in work, 2 units failed"


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
def test_the_live_bar_fits_the_window_with_its_numbers_whole(prox, tmp_path, monkeypatch, columns):
    pages = Path(__file__).parents[2] / "examples" / "pages.jsonl"
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("FORCE_COLOR", "1")
    code, _, err = prox("refine", pages, tmp_path / "out", "--workers", "0")
    assert code == 0
    shown = re.split(r"[\r\n]|\x1b\[[0-9]*[AK]", re.sub(r"\x1b\[[0-9;?]*[mhl]", "", err))
    assert max(map(cell_len, shown)) <= columns
    bars = [line for line in shown if "%" in line]
    assert bars and all(re.search(r"\d+% (starting|\d+\.\d MB/s, )", line) for line in bars)
    assert columns < 60 or all(re.search(r"\d:\d\d:\d\d", line) for line in bars)
