"""What `prox compare` found, as tables for people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.table import Column, Table
from rich.text import Text

from prox.cli.evaluate_output import groups_table, in_order, notes
from prox.cli.tables import table_console
from prox.readable import short
from prox.visible import visible

FEWEST_SEEDS = 3
"""From which a verdict is given: the spread of two is one number, and as often as not far too small."""


def show(report: Mapping[str, Any], output: str) -> None:
    """Print tables to standard output."""
    console = table_console()
    console.print(_corpora(report))
    console.print(groups_table(list(in_order(report))))
    made = [f"{output}/{name}" for name in ("compare.json", "compare.svg") if (Path(output) / name).exists()]
    for line in [*verdicts(report), *_not_read(report), *notes(report), f"→ {', '.join(made)}"]:
        console.print(Text(visible(line)), soft_wrap=True)


def _corpora(report: Mapping[str, Any]) -> Table:
    names = ("documents", "tokens", "epochs", "FLOPs: refining", "a training")
    table = Table(Column("corpus", overflow="fold"), *(Column(name, justify="right") for name in names))
    table.title = f"{short(report['model']['parameters'])} parameters, {report['tokens']:,} tokens a training"
    for each in report["corpora"]:
        refining = "–" if each["refining_flops"] is None else f"{each['refining_flops']:.2g}"
        read = ["–", "–", "less than 1"]
        if each["read_to_the_end"]:
            read = [f"{each['documents']:,}", f"{each['tokens']:,}", f"{each['epochs']:.2f}"]
        table.add_row(Text(visible(each["name"])), *read, refining, f"{each['training_flops']:.2g}")
    return table


def _not_read(report: Mapping[str, Any]) -> list[str]:
    """The corpora of which a training sees a part only."""
    names = [each["name"] for each in report["corpora"] if not each["read_to_the_end"]]
    if not names:
        return []
    return [f"{', '.join(names)}: larger than the tokens of a training, so that a part of it decides. More: --tokens"]


def verdicts(report: Mapping[str, Any]) -> list[str]:
    """For each text and task, which corpora differ from the first one by more than chance between seeds explains."""
    first = next(iter(report["groups"]))
    words = f"better than {first}", f"worse than {first}", f"cannot be told from {first}"
    lines = []
    for row in in_order(report):
        found: dict[str, list[str]] = {word: [] for word in words}
        for each in row["group_differences"]:
            which = _verdict(each, row.get("higher_is_better", True)) if report["seeds"] >= FEWEST_SEEDS else 2
            found[words[which]].append(each["group"])
        if said := [f"{', '.join(names)} {word}" for word, names in found.items() if names]:
            lines.append(f"{row['name']}: {'; '.join(said)} (95 %, {_seeds(report['seeds'])})")
    return lines


def _verdict(difference: Mapping[str, Any], higher_is_better: bool) -> int:
    """0 better, 1 worse, 2 nobody knows."""
    low, high = difference["low"], difference["high"]
    if low is None or low <= 0 <= high:
        return 2
    return int((low > 0) != higher_is_better)


def _seeds(count: int) -> str:
    if count == 1:
        return "one seed, which tells nothing of chance"
    return f"{count} seeds" + ("" if count >= FEWEST_SEEDS else ", too few to tell chance from a difference")
