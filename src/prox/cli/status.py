"""`prox status`: how far a run is."""

import sys
import time
from typing import Annotated, Any

import typer

from prox.cli.quantities import duration


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
    from prox.runs.status import as_json, run_status

    while True:
        found = run_status(output)
        if json:
            import orjson

            sys.stdout.write(orjson.dumps(as_json(found), option=0 if follow else orjson.OPT_INDENT_2).decode() + "\n")
        else:
            _print(found)
        if not follow or not found.state.startswith("running"):
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
    "failed": "failed; the same command again goes on",
    "killed": "killed; the same command again goes on",
}


def _print(status: Any) -> None:
    from rich.console import Console
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    from prox.visible import visible

    console = Console()
    report, total = status.report, max(1, status.report.records)
    console.print(f"{status.record['recipe']['output']}: {_MEANING[status.state]}", markup=False, highlight=False)
    line = Table.grid(padding=(0, 1))
    line.add_row(ProgressBar(total=1.0, completed=status.share, width=30), f"{status.share:.1%}")
    console.print(line)
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
    table.add_row("time", duration(status.seconds) + (f" in {sessions} sessions" if sessions > 1 else ""))
    console.print(table)
    for reason, count in report.reasons.most_common(6):
        console.print(f"  {count:,} × {visible(reason)}", markup=False, highlight=False)
    for unit, reason in list(status.failed_units.items())[:6]:
        console.print(f"failed: {visible(unit)}: {visible(reason)}", markup=False, highlight=False)
    if status.record.get("error"):
        console.print(f"error: {visible(status.record['error'])}", markup=False, highlight=False)
    for problem in report.problems[:6]:
        console.print(f"warning: {visible(problem)}", markup=False, highlight=False)


def _decisions(report: Any) -> dict[str, int]:
    from prox.runs.stages import DECISIONS

    return {name: report.decisions[name] for name in DECISIONS}
