"""A document raw and refined, side by side."""

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from prox.corpora import Quarantined
from prox.document import split_lines
from prox.program import RemoveLines, Replace
from prox.runs.stages import Refined

_SHOWN_LINES = 60
_SHOWN_CHARACTERS = 2000  # of a line


def show(entry: Refined | Quarantined, console: Console, full: bool = False) -> None:
    """Print one document: raw left, refined right, then program and scores."""
    if isinstance(entry, Quarantined):
        console.print(Panel(Text(_visible(f"{entry.file}, record {entry.record}: {entry.reason}")), title="quarantined", border_style="magenta"))
        return
    title = f"{entry.document.id} · {entry.decision} · {entry.words_before:,} → {entry.words_after:,} words"
    console.rule(Text(_visible(title), style="bold"), align="left")
    table = Table(show_header=True, expand=True, box=None, padding=(0, 1), show_edge=False)
    table.add_column("", justify="right", style="dim", no_wrap=True)
    table.add_column("raw", ratio=1, overflow="fold")
    table.add_column("refined", ratio=1, overflow="fold")
    rows = _rows(entry, None if full else _SHOWN_CHARACTERS)
    for number, raw, refined in rows if full else _shortened(rows):
        table.add_row(number, raw, refined)
    console.print(table)
    scores = [f"{stage.level} {stage.stage}: keep score {stage.score:.2f}" for stage in entry.stages if stage.score is not None]
    lines = [_visible(line) for line in str(entry.program).split("\n")]
    body = Text("\n".join(lines if full else lines[:25] + ([f"… {len(lines) - 25} more"] if len(lines) > 25 else [])))
    by_score = scores and ", keep score " in entry.reason
    subtitle = Text(_visible(" · ".join(scores + ([entry.reason] if entry.reason and not by_score else []))))
    console.print(Panel(body, title="program", title_align="left", subtitle=subtitle, subtitle_align="left", border_style="dim"))
    console.print()


Row = tuple[str, Text, Text]


def _rows(entry: Refined, most: int | None) -> list[Row]:
    def cut(line: str) -> str:
        if most is None or len(line) <= most:
            return _visible(line)
        return f"{_visible(line[:most])} … {len(line) - most:,} more characters (--full shows them)"

    lines = split_lines(entry.document.text)
    scores = next((stage.line_scores for stage in entry.stages if stage.line_scores is not None), None)
    removed: set[int] = set()
    replaced: dict[int, list[Replace]] = {}
    for operation in entry.program.operations:
        if isinstance(operation, RemoveLines):
            removed.update(range(operation.first, operation.last + 1))
        elif isinstance(operation, Replace):
            first = operation.first or 0
            last = len(lines) - 1 if operation.last is None else operation.last
            for at in range(first, min(last, len(lines) - 1) + 1):
                if operation.source in lines[at]:
                    replaced.setdefault(at, []).append(operation)
    rows = []
    for number, line in enumerate(lines):
        label = f"{number}" if scores is None else f"{number} {scores[number]:3d}%"
        raw, refined = Text(cut(line)), Text(cut(line))
        if number in removed or entry.text is None:
            raw, refined = Text("- " + cut(line), style="red"), Text("")
        elif number in replaced:
            for operation in replaced[number]:
                raw.highlight_words([_visible(operation.source)], style="black on yellow")
                line = line.replace(operation.source, operation.target)
            refined = Text(cut(line), style="yellow")
        rows.append((label, raw, refined))
    return rows


def _shortened(rows: list[Row]) -> list[Row]:
    if len(rows) <= _SHOWN_LINES:
        return rows
    half = _SHOWN_LINES // 2
    note = Text(f"… {len(rows) - 2 * half} more lines (--full shows them) …", style="dim")
    return [*rows[:half], ("", note, Text("")), *rows[-half:]]


def _visible(text: str) -> str:
    """Control characters and bidi controls as escapes: a page must not steer the terminal."""
    return "".join(c if c.isprintable() or c == " " else "    " if c == "\t" else f"\\x{ord(c):02x}" if ord(c) < 256 else f"\\u{ord(c):04x}" for c in text)
