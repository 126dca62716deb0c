"""`prox status`: how far a run is."""

import sys
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prox.cli.reasons import reason_lines
from prox.readable import duration

if TYPE_CHECKING:
    from rich.console import Group


def status(
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="The output folder of a run.")],
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Look again every few seconds, until it ends.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Show how far a run is, at which rate, how long it will take, and what could not be done.

    It only reads, so it may be asked at any time, from any machine that sees OUTPUT.

    Example: prox status refined --follow
    """
    from rich.console import Console
    from rich.live import Live

    from prox.runs.status import as_json, run_status

    console = Console()
    in_place = follow and not json and console.is_terminal
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") if in_place else nullcontext() as live:
        while True:
            found = run_status(output)
            goes_on = follow and found.state.startswith("running")
            if json:
                import orjson

                option = 0 if follow else orjson.OPT_INDENT_2
                sys.stdout.write(orjson.dumps(as_json(found), option=option).decode() + "\n")
            elif live:
                live.vertical_overflow = "crop" if goes_on else "visible"
                live.update(_shown(found), refresh=True)
            else:
                console.print(_shown(found))
            if not goes_on:
                return
            sys.stdout.flush()
            time.sleep(_SECONDS)


_SECONDS = 5.0

_MEANING = {
    "complete": "complete",
    "running": "running",
    "running?": "running, or killed (on object stores only watching tells: --follow)",
    "interrupted": "interrupted; the same command again goes on",
    "incomplete": "some units could not be done; mend that, and the same command again does them",
    "failed": "failed; mend that, and the same command again goes on",
    "killed": "killed; the same command again goes on",
}


def _shown(status: Any) -> "Group":
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    from prox.visible import visible

    report, total = status.report, max(1, status.report.records)
    line = Table.grid(padding=(0, 1))
    line.add_row(ProgressBar(total=1.0, completed=status.share, width=30), f"{status.share:.1%}")
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    failed = f", {len(status.failed_units):,} failed" if status.failed_units else ""
    table.add_row("units", f"{status.units_done:,} of {status.units:,}{failed}")
    done = sum(share >= 1 for share in status.files.values())
    table.add_row("files", f"{done:,} of {len(status.files):,}")
    counts = ", ".join(f"{name} {count:,} ({count / total:.1%})" for name, count in _decisions(report).items())
    table.add_row("records", f"{report.records:,}: {counts}" if report.records else "0")
    left = f" ({report.words_after / report.words_before:.1%} left)" if report.words_before else ""
    table.add_row("words", f"{report.words_before:,} → {report.words_after:,}{left}")
    if status.rate is not None:
        table.add_row("rate", f"{status.rate / 1e6:,.2f} MB/s of raw text")
    if status.left is not None:
        table.add_row("time left", duration(status.left))
    sessions = status.record["sessions"]
    if status.seconds >= 1:  # a run that has just begun has not told yet
        table.add_row("time", duration(status.seconds) + (f" in {sessions} sessions" if sessions > 1 else ""))
    told = reason_lines(report.reasons.most_common())
    told += [f"failed: {unit}: {reason}" for unit, reason in list(status.failed_units.items())[:6]]
    told += [f"error: {status.record['error']}"] if status.record.get("error") else []
    told += [f"warning: {problem}" for problem in report.problems[:6]]
    head = f"{status.record['recipe']['output']}: {_MEANING[status.state]}"
    return Group(Text(visible(head)), line, table, *(Text(visible(each)) for each in told))


def _decisions(report: Any) -> dict[str, int]:
    from prox.runs.stages import DECISIONS

    return {name: report.decisions[name] for name in DECISIONS}
