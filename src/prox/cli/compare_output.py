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
    lines = []
    for row in in_order(report):
        better, worse, unclear = [], [], []
        for each in row["group_differences"]:
            if each["low"] is None or each["low"] <= 0 <= each["high"]:
                unclear.append(each["group"])
            else:
                good = (each["mean"] > 0) == bool(row.get("higher_is_better", True))
                (better if good else worse).append(each["group"])
        first = next(iter(report["groups"]))
        said = [
            f"{', '.join(names)} {word}"
            for names, word in (
                (better, f"better than {first}"),
                (worse, f"worse than {first}"),
                (unclear, "cannot be told from it" if better or worse else f"cannot be told from {first}"),
            )
            if names
        ]
        if said:
            lines.append(f"{row['name']}: {'; '.join(said)} (95 %, over {report['seeds']} seeds)")
    return lines
