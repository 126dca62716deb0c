"""What `prox compare` found, as tables for people."""

from collections.abc import Mapping
from typing import Any

from rich.table import Column, Table
from rich.text import Text

from prox.cli.evaluate_output import console_for, groups_table, in_order, notes
from prox.cli.quantities import short
from prox.cli.visible import visible


def show(report: Mapping[str, Any], output: str) -> None:
    """Print tables to standard output."""
    console = console_for()
    console.print(_corpora(report))
    console.print(groups_table(list(in_order(report))))
    for line in [*verdicts(report), *notes(report), f"→ {output}/compare.json, {output}/compare.svg"]:
        console.print(Text(visible(line)), soft_wrap=True)


def _corpora(report: Mapping[str, Any]) -> Table:
    names = ("documents", "tokens", "epochs", "refining", "training")
    table = Table(Column("corpus", overflow="fold"), *(Column(name, justify="right") for name in names))
    table.title = f"{short(report['model']['parameters'])} parameters, {report['tokens']:,} tokens, FLOPs a training"
    for each in report["corpora"]:
        more = "" if each["read_to_the_end"] else "≥ "
        refining = "–" if each["refining_flops"] is None else f"{each['refining_flops']:.2g}"
        table.add_row(
            Text(visible(each["name"])),
            f"{more}{each['documents']:,}",
            f"{more}{each['tokens']:,}",
            f"{each['epochs']:.2f}",
            refining,
            f"{each['training_flops']:.2g}",
        )
    return table


def verdicts(report: Mapping[str, Any]) -> list[str]:
    """For each text and task, which corpora differ from the first one by more than chance between seeds explains."""
    first = next(iter(report["groups"]))
    words = f"better than {first}", f"worse than {first}", f"cannot be told from {first}"
    lines = []
    for row in in_order(report):
        found: dict[str, list[str]] = {word: [] for word in words}
        for each in row["group_differences"]:
            found[words[_verdict(each, row.get("higher_is_better", True))]].append(each["group"])
        if said := [f"{', '.join(names)} {word}" for word, names in found.items() if names]:
            lines.append(f"{row['name']}: {'; '.join(said)} (95 %, {report['seeds']} seeds)")
    return lines


def _verdict(difference: Mapping[str, Any], higher_is_better: bool) -> int:
    """0 better, 1 worse, 2 nobody knows."""
    low, high = difference["low"], difference["high"]
    if low is None or low <= 0 <= high:
        return 2
    return int((low > 0) != higher_is_better)
