"""A document raw and refined, side by side."""

from collections.abc import Sequence
from itertools import groupby

from rich.cells import cell_len
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from prox.corpora import Quarantined
from prox.document import split_lines
from prox.program import InsertLine, Program, RemoveLines, Replace, ReplaceOnce
from prox.runs.places import places_left
from prox.runs.stages import Refined
from prox.visible import visible

_SHOWN_LINES = 60
_SHOWN_OPERATIONS = 25
_SHOWN_CHARACTERS = 2000  # of a line

Row = tuple[str, Text, Text, Text]
"""Number and score, sign, raw, refined."""


def show(entry: Refined | Quarantined, console: Console, full: bool = False) -> None:
    """Print one document: raw left, refined right, then program and scores."""
    if isinstance(entry, Quarantined):
        place = f"{entry.file}, record {entry.record}: {entry.reason}"
        console.print(Panel(Text(visible(place)), title="quarantined", border_style="magenta"))
        return
    id, facts = visible(entry.document.id[:_SHOWN_CHARACTERS]), _facts(entry)
    if cell_len(id) + cell_len(facts) + 7 > console.width:  # it can be copied whole
        console.print(Text(id, style="bold", overflow="fold"))
        console.rule(Text(facts), align="left")
    else:
        console.rule(Text(id, style="bold").append(f" · {facts}", style="not bold"), align="left")
    table = Table(expand=True, box=None, padding=(0, 1), show_edge=False)
    scored = any(stage.line_scores is not None for stage in entry.stages)
    table.add_column("noise" if scored else "", style="dim", no_wrap=True)
    table.add_column("", width=1)
    table.add_column("raw", ratio=1, overflow="fold")
    table.add_column("refined", ratio=1, overflow="fold")
    rows = _rows(entry, None if full else _SHOWN_CHARACTERS, console.color_system is None)
    for row in rows if full else _shortened(rows):
        table.add_row(*row)
    console.print(table)
    why = visible(_why(entry))
    fits = cell_len(why) + 6 <= console.width
    program = Panel(
        Text(_program(entry.program, full)),
        title="program",
        title_align="left",
        subtitle=Text(why) if fits else None,
        subtitle_align="left",
        border_style="dim",
    )
    console.print(program)
    if not fits:
        console.print(Text(why, style="dim", overflow="fold"))
    console.print()


def _facts(entry: Refined) -> str:
    return f"{entry.decision} · {entry.words_before:,} → {entry.words_after:,} words"


def _rows(entry: Refined, most: int | None, plain: bool) -> list[Row]:
    """`plain`: there are no colours, so brackets say what goes from a line that stays."""
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
        label = _label(number, len(str(len(lines) - 1)), line, scores)
        sign, raw, refined = Text(""), Text(_cut(line, most)), Text(_cut(line, most))
        if number in removed or entry.text is None:
            sign, refined = Text("-", style="red"), Text("")
            raw.stylize("red")
        elif number in replaced:
            sign = Text("~", style="yellow")
            left = line
            for operation in replaced[number]:
                left = left.replace(operation.source, operation.target)
            raw = _marked(line, [operation.source for operation in replaced[number]], most, plain)
            refined = Text(_cut(left, most), style="yellow")
        rows.append((label, sign, raw, refined))
        rows += _inserted(behind.get(number, ()), most)
    return rows


def _marked(line: str, sources: Sequence[str], most: int | None, plain: bool) -> Text:
    """A line with what goes from it marked."""
    stays = set(places_left(line, 0, [Replace(source) for source in sources]))
    text = Text()
    shown = line if most is None else line[:most]
    for is_left, places in groupby(range(len(shown)), stays.__contains__):
        piece = visible("".join([shown[place] for place in places]))
        gone = f"[-{piece}-]" if plain else piece
        text.append(piece if is_left else gone, style=None if is_left else "black on yellow")
    return text.append(_cut(line, most).removeprefix(visible(shown)))


def _label(number: int, digits: int, line: str, scores: bytes | None) -> str:
    """A line that is blank has no score of its own: it goes with those around it."""
    if scores is None or not line or line.isspace():
        return f"{number:{digits}d}"
    return f"{number:{digits}d} {scores[number]:3d}%"


def _inserted(operations: Sequence[InsertLine], most: int | None) -> list[Row]:
    texts = [text for each in sorted(operations, key=lambda each: each.place) for text in split_lines(each.text)]
    return [("", Text(""), Text(""), Text("+ " + _cut(text, most), style="green")) for text in texts]


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
    return [*rows[:half], ("", Text(""), note, Text("")), *rows[-half:]]


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
