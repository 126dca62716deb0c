"""What `prox evaluate` found, as tables; where they are too wide, names are folded and numbers are not."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Column, Table
from rich.text import Text

from prox.cli.tables import table_console
from prox.visible import visible


def show(report: Mapping[str, Any]) -> None:
    """Print tables to standard output."""
    console = table_console()
    for model in report["models"]:
        of = ", ".join(name for name, members in report["groups"].items() if model["model"] in members)
        name = f"{model['letter']}  {model['model']}" + (f" ({of})" if of else "")
        console.print(Text(visible(name)), soft_wrap=True)
    rows = list(in_order(report))
    console.print(_figures(rows, len(report["models"]) > 1))
    if report["groups"]:
        console.print(groups_table(rows))
    for line in notes(report):
        console.print(Text(visible(line)), soft_wrap=True)


def in_order(report: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """All rows, each suite followed by its mean."""
    rows: list[dict[str, Any]] = []
    suites = {suite["suite"]: suite for suite in report["suites"]}
    for place, row in enumerate(report["rows"]):
        rows.append(row)
        after = report["rows"][place + 1 : place + 2]
        if row["suite"] and (not after or after[0]["suite"] != row["suite"]):
            suite = suites[row["suite"]]
            metric = {"metric": f"mean of {suite['tasks']}", "shots": None}
            rows.append({**suite, **metric, "name": suite["suite"], "is_mean": True})
    return rows


def _figures(rows: Sequence[Mapping[str, Any]], several: bool) -> Table:
    """A row for each task and model; of several models, the figure stands below the task, beside the second."""
    names = ["value", "s.e.", *(("minus", "", "95 %", "p") if several else ())]
    columns = [Column(name, justify="right", no_wrap=True) for name in names]
    between = [Column("")] if several else [Column("figure", overflow="fold")]
    table = Table(Column("task", overflow="fold"), *between, *columns, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for row in rows:
        differences = {each["letter"]: each for each in row["differences"]}
        cells = row["models"]
        labels = [Text(visible(row["name"])), Text(visible(_metric(row)))]
        for place, cell in enumerate(cells):
            label = [labels[place] if place < 2 else Text(""), cell["letter"]] if several else labels
            value = _number(row, cell["value"]) if cell["value"] is not None else _nothing(row, cell)
            apart = _apart(row, differences.get(cell["letter"])) if several else []
            last = place == len(cells) - 1 and (several or row.get("is_mean", False))
            style = "bold" if row.get("is_mean") else None
            error = _number(row, cell.get("standard_error"))
            table.add_row(*label, value, error, *apart, style=style, end_section=last)
    return table


def _metric(row: Mapping[str, Any]) -> str:
    if row["shots"]:
        return f"{row['metric']}, {row['shots']}-shot"
    return row["metric"] or "–"


def _nothing(row: Mapping[str, Any], cell: Mapping[str, Any]) -> str:
    return f"{cell['scored']} of {row['tasks']}" if row.get("is_mean") else "–"


def _apart(row: Mapping[str, Any], difference: Mapping[str, Any] | None) -> list[str]:
    if difference is None:
        return ["", "", "", ""]
    p = "" if difference["p"] is None else f"{difference['p']:.3f}"
    return [difference["less"], _number(row, difference["value"], "+"), _range(row, difference), p]


def _range(row: Mapping[str, Any], each: Mapping[str, Any]) -> str:
    if each["low"] is None:
        return ""
    return f"{_number(row, each['low'], '+')}…{_number(row, each['high'], '+')}"


def _number(row: Mapping[str, Any], value: float | None, sign: str = "") -> str:
    if value is None:
        return ""
    return f"{value:{sign}.4f}" if row["metric"] == "bits_per_byte" else f"{value:{sign}.3f}"


def groups_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = [Column(name, justify="right", no_wrap=True) for name in ("mean", "spread", "minus", "", "95 % (t)")]
    table = Table(
        Column("task", overflow="fold"),
        Column("group", overflow="fold"),
        *columns,
        title="Over seeds",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for row in rows:
        apart = {each["group"]: each for each in row["group_differences"]}
        for place, each in enumerate(row["groups"]):
            own = apart.get(each["group"])
            cells = (
                ["", "", ""]
                if own is None
                else [visible(own["less"]), _number(row, own["mean"], "+"), _range(row, own)]
            )
            table.add_row(
                Text("" if place else visible(row["name"])),
                Text(visible(each["group"])),
                _number(row, each["mean"]),
                _number(row, each["deviation"]),
                *map(Text, cells),
                end_section=place == len(row["groups"]) - 1,
            )
    return table


def notes(report: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    missing: dict[str, list[str]] = {}
    for row in report["rows"]:
        reasons: dict[str, list[str]] = {}
        for cell in row["models"]:
            if "reason" in cell:
                reasons.setdefault(cell["reason"], []).append(cell["letter"])
            lines += [f"{row['name']}, {cell['letter']}: {note}" for note in cell.get("notes", ())]
        for reason, letters in reasons.items():
            of = "" if len(letters) == len(row["models"]) else f" ({' '.join(letters)})"
            missing.setdefault(reason, []).append(row["name"] + of)
        if unpaired := max([each["unpaired"] for each in row["differences"]], default=0):
            lines.append(f"{row['name']}: {unpaired:,} items are not common to both models and not in the difference")
    lines += [f"not measured: {', '.join(dict.fromkeys(names))}: {reason}" for reason, names in missing.items()]
    if gaps := [suite["suite"] for suite in report["suites"] if any(cell["missing"] for cell in suite["models"])]:
        lines.append(f"no mean of {', '.join(gaps)} where a task is missing")
    earlier = sum(cell.get("from_output", False) for row in report["rows"] for cell in row["models"])
    if earlier:
        lines.append(f"{earlier:,} results were there already")
    if report["limit"]:
        lines.append(f"only the first {report['limit']:,} items of each task were asked")
    contexts = {row["context"] for row in report["rows"] if row["context"]}
    lines += [f"bits per byte with a context of {context:,} tokens" for context in sorted(contexts)]
    return lines
