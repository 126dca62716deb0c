"""A document raw and refined, side by side."""

from rich.cells import cell_len
from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from prox.corpora import Quarantined
from prox.program import Program
from prox.report.browser import beginning
from prox.report.marks import marked
from prox.report.pages import Line, lines_of
from prox.runs.stages import DROPPED, Refined
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
    scores = next((stage.line_scores for stage in entry.stages if stage.line_scores is not None), None)
    decision = DROPPED if entry.text is None else entry.decision  # nothing of it is in the output
    lines = lines_of(entry.document.text, entry.program, decision, scores)
    digits = len(str(max(line.number for line in lines)))
    rows: list[Row] = []
    for line in lines:
        sign, raw, refined = Text(""), Text(_cut(line.raw, most)), Text(_cut(line.refined, most))
        match line.fate:
            case "removed":
                sign = Text("-", style="red")
                raw.stylize("red")
            case "changed":
                sign = Text("~", style="yellow")
                raw = _marked(line, most, plain)
                refined.stylize("yellow")
            case "added":
                refined = Text(f"+ {refined.plain}", style="green")
        rows.append((_label(line, digits), sign, raw, refined))
    return rows


def _marked(line: Line, most: int | None, plain: bool) -> Text:
    """A line with what goes from it marked."""
    text = Text()
    for piece, stays in beginning(marked(line.raw, line.refined), most or len(line.raw)):
        gone = f"[-{visible(piece)}-]" if plain else visible(piece)
        text.append(visible(piece) if stays else gone, style=None if stays else "black on yellow")
    return text


def _label(line: Line, digits: int) -> str:
    number = f"{line.number:{digits}d}" if line.number >= 0 else ""
    return number if line.score is None else f"{number} {line.score:3d}%"


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
