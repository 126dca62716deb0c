"""A document raw and refined, side by side."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from prox.corpora import Quarantined
from prox.document import split_lines
from prox.program import InsertLine, Program, RemoveLines, Replace, ReplaceOnce
from prox.runs.stages import Refined
from prox.visible import visible

_SHOWN_LINES = 60
_SHOWN_OPERATIONS = 25
_SHOWN_CHARACTERS = 2000  # of a line

Row = tuple[str, Text, Text]


def show(entry: Refined | Quarantined, console: Console, full: bool = False) -> None:
    """Print one document: raw left, refined right, then program and scores."""
    if isinstance(entry, Quarantined):
        place = f"{entry.file}, record {entry.record}: {entry.reason}"
        console.print(Panel(Text(visible(place)), title="quarantined", border_style="magenta"))
        return
    console.rule(_title(entry, console.width), align="left")
    table = Table(expand=True, box=None, padding=(0, 1), show_edge=False)
    scored = any(stage.line_scores is not None for stage in entry.stages)
    table.add_column("noise" if scored else "", justify="right", style="dim", no_wrap=True)
    table.add_column("raw", ratio=1, overflow="fold")
    table.add_column("refined", ratio=1, overflow="fold")
    rows = _rows(entry, None if full else _SHOWN_CHARACTERS)
    for number, raw, refined in rows if full else _shortened(rows):
        table.add_row(number, raw, refined)
    console.print(table)
    console.print(
        Panel(
            Text(_program(entry.program, full)),
            title="program",
            title_align="left",
            subtitle=Text(visible(_why(entry))),
            subtitle_align="left",
            border_style="dim",
        )
    )
    console.print()


def _title(entry: Refined, width: int) -> Text:
    """Where there is no room, it is the id that is cut, and not the figures."""
    facts = f" · {entry.decision} · {entry.words_before:,} → {entry.words_after:,} words"
    title = Text(visible(entry.document.id), style="bold")
    title.truncate(max(8, width - cell_len(facts) - 4), overflow="ellipsis")
    return title.append(facts)


def _rows(entry: Refined, most: int | None) -> list[Row]:
    lines = split_lines(entry.document.text)
    scores = next((stage.line_scores for stage in entry.stages if stage.line_scores is not None), None)
    removed: set[int] = set()
    replaced: dict[int, list[Replace | ReplaceOnce]] = {}
    behind: dict[int, list[InsertLine]] = {}
    for operation in entry.program.operations:
        if isinstance(operation, RemoveLines):
            removed.update(range(operation.first, operation.last + 1))
        elif isinstance(operation, InsertLine):
            behind.setdefault(operation.after, []).append(operation)
        elif isinstance(operation, Replace | ReplaceOnce):
            for number in _lines_with(operation, lines):
                replaced.setdefault(number, []).append(operation)
    rows = _inserted(behind.get(-1, ()), most)
    for number, line in enumerate(lines):
        label = f"{number}" if scores is None else f"{number} {scores[number]:3d}%"
        raw, refined = Text(_cut(line, most)), Text(_cut(line, most))
        if number in removed or entry.text is None:
            raw, refined = Text("- " + _cut(line, most), style="red"), Text("")
        elif number in replaced:
            for operation in replaced[number]:
                raw.highlight_words([visible(operation.source)], style="black on yellow")
                line = line.replace(operation.source, operation.target)
            refined = Text(_cut(line, most), style="yellow")
        rows.append((label, raw, refined))
        rows += _inserted(behind.get(number, ()), most)
    return rows


def _inserted(operations: Sequence[InsertLine], most: int | None) -> list[Row]:
    texts = [text for each in sorted(operations, key=lambda each: each.place) for text in split_lines(each.text)]
    return [("", Text(""), Text("+ " + _cut(text, most), style="green")) for text in texts]


def _lines_with(operation: Replace | ReplaceOnce, lines: Sequence[str]) -> list[int]:
    """The numbers of the lines in which a replacement finds its source."""
    if isinstance(operation, ReplaceOnce):
        return [operation.line] if operation.source in lines[operation.line] else []
    first = operation.first or 0
    last = len(lines) - 1 if operation.last is None else min(operation.last, len(lines) - 1)
    return [number for number in range(first, last + 1) if operation.source in lines[number]]


def _shortened(rows: list[Row]) -> list[Row]:
    if len(rows) <= _SHOWN_LINES:
        return rows
    half = _SHOWN_LINES // 2
    note = Text(f"… {len(rows) - 2 * half:,} more lines (--full shows them) …", style="dim")
    return [*rows[:half], ("", note, Text("")), *rows[-half:]]


def _program(program: Program, full: bool) -> str:
    lines = [visible(line) for line in str(program).split("\n")]
    if not full and len(lines) > _SHOWN_OPERATIONS:
        lines[_SHOWN_OPERATIONS:] = [f"… {len(lines) - _SHOWN_OPERATIONS:,} more"]
    return "\n".join(lines)


def _why(entry: Refined) -> str:
    """The scores of the document, and the reason where it says more than they do."""
    scores = [
        f"{stage.level} {stage.stage}: keep score {stage.score:.2f}"
        for stage in entry.stages
        if stage.score is not None
    ]
    if entry.reason and not (scores and ", keep score " in entry.reason):
        scores.append(entry.reason)
    return " · ".join(scores)


def _cut(line: str, most: int | None) -> str:
    if most is None or len(line) <= most:
        return visible(line)
    return f"{visible(line[:most])} … {len(line) - most:,} more characters (--full shows them)"
