"""The tables of `prox evaluate` in windows of any width."""

import pytest
from rich.cells import cell_len
from rich.console import Console

from prox.cli.evaluate_output import _figures, groups_table
from prox.cli.tables import LEAST_WIDTH, table_console

DIFFERENCE = {"letter": "B", "less": "A", "value": -0.0312, "low": -0.0415, "high": -0.0209, "p": 0.001, "unpaired": 0}


def row(name, metric, shots=None):
    cells = [{"letter": letter, "value": 1.2345, "standard_error": 0.0123} for letter in "AB"]
    groups = [{"group": name, "mean": 1.2345, "deviation": 0.0123} for name in ("raw", "refined")]
    apart = [{"group": "refined", "less": "raw", "mean": -0.0312, "low": -0.0415, "high": -0.0209}]
    return {
        "name": name, "suite": None, "metric": metric, "shots": shots, "models": cells, "differences": [DIFFERENCE],
        "groups": groups, "group_differences": apart,
    }  # fmt: skip


ROWS = [row("commonsense_qa", "acc_norm", 5), row("wikipedia.jsonl", "bits_per_byte"), row("鳥" * 30, "acc_norm")]


def lines(table, width):
    console = Console(width=width)
    with console.capture() as capture:
        console.print(table)
    return capture.get().splitlines()


TABLES = [_figures(ROWS, True), _figures(ROWS, False), groups_table(ROWS)]


@pytest.mark.parametrize("width", [LEAST_WIDTH, 100, 200])
@pytest.mark.parametrize("table", TABLES)
def test_every_number_and_name_is_whole(table, width):
    shown = lines(table, width)
    assert max(map(cell_len, shown)) <= width
    text = "\n".join(shown)
    assert "1.2345" in text and "0.0123" in text and "".join(text.split()).count("鳥") >= 30
    for number in ("-0.0312", "-0.0415…-0.0209", "commonsense_qa") if "minus" in text else ():
        assert number in text
    assert "…" not in text.replace("-0.0415…-0.0209", "").replace("-0.042…-0.021", "")


def test_a_narrow_window_hides_no_number(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert table_console().is_terminal and table_console().width == LEAST_WIDTH
