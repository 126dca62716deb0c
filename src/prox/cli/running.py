"""What the verbs that run have in common: progress, the summary, the end."""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column, Table

from prox.cli.live import LiveBar
from prox.cli.reasons import reason_lines
from prox.cli.tables import table_console
from prox.corpora import open_file_system
from prox.errors import RunError, UsageError
from prox.runs.local import threads_for
from prox.runs.recipe import Recipe, StageRecipe, make_recipe, read_recipe
from prox.runs.record import RUN_FILE
from prox.runs.refine import Progress as RunProgress
from prox.runs.refine import RunResult, refine_corpus
from prox.runs.stages import DECISIONS, QUARANTINED
from prox.visible import visible


def recipe_from_options(file: str | None, **options: Any) -> Recipe:
    """A recipe from a file and the options of a verb; what is None was not given.

    Raises:
        UsageError: The file cannot be read, or a field has a value that no recipe has.
    """
    fields = {} if file is None else read_recipe(file)
    given = {name: value for name, value in options.items() if value is not None}
    fields = fields | given | _overridden(fields, given)
    try:
        recipe = make_recipe(**fields)
    except UsageError as error:
        name, _, problem = str(error).partition(": ")
        if name not in given:
            raise UsageError(f"{file}: {error}" if file else str(error)) from error
        option = {"stages": "refiner", "engine_options": "engine-option"}.get(name, name.replace("_", "-"))
        raise UsageError(f"--{option}: {problem}") from error
    if recipe.workers is not None or recipe.engine != "local":
        return recipe
    workers = threads_for(recipe.specs()) or min(os.cpu_count() or 1, 32)
    return recipe.model_copy(update={"workers": workers})


def _overridden(fields: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Fields of a recipe file under options: an option wins, also over what the file says of one refiner alone.

    Options of the engine win one by one.
    """
    changed: dict[str, Any] = {}
    options = given.get("engine_options", {})
    if isinstance(fields.get("engine_options"), dict) and options:
        changed["engine_options"] = fields["engine_options"] | options
    if "stages" in given or not isinstance(fields.get("stages"), list):
        return changed
    winning = {name for name in given if name in StageRecipe.model_fields} - {"engine_options", "level"}
    stages = []
    for stage in fields["stages"]:
        if isinstance(stage, dict):
            stage = {name: value for name, value in stage.items() if name not in winning}
            if isinstance(stage.get("engine_options"), dict):
                own = stage["engine_options"].items()
                stage["engine_options"] = {name: value for name, value in own if name not in options}
        stages.append(stage)
    return changed | {"stages": stages}


def run(recipe: Recipe, as_json: bool, start_over: bool = False, despite_changes: bool = False) -> None:
    """Run a recipe with progress on standard error and the result on standard output.

    Raises:
        RunError: Not one record could be read.
    """
    started = time.monotonic()
    _end_like_an_interrupt(signal.SIGTERM, signal.SIGHUP)
    try:
        with _bar() as bar:
            result = refine_corpus(recipe, partial(_tell, bar), start_over=start_over, despite_changes=despite_changes)
    except KeyboardInterrupt:
        begun = open_file_system(f"{recipe.output}/{RUN_FILE}")
        state = "nothing was written yet"
        if begun[0].exists(begun[1]):
            state = f"every part in {recipe.output} is whole; run the same command again to go on"
        Console(stderr=True).print(
            f"\ninterrupted after {time.monotonic() - started:.0f} s; {state}",
            markup=False,
            highlight=False,
        )
        raise typer.Exit(1) from None
    report, worries = _write_report(recipe.output)
    if as_json:
        import orjson

        sys.stdout.write(orjson.dumps(result.record, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _print_summary(result, recipe, report, worries)
    decisions = result.record["decisions"]
    if decisions[QUARANTINED] and decisions[QUARANTINED] == result.record["records"]:
        raise RunError(f"not one record could be refined; {recipe.output}/quarantine has them all, with the reasons")


def _write_report(output: str) -> tuple[str | None, list[str]]:
    """The page about the run, and its concerns; whatever it fails at, the run is done and not to be failed by it."""
    from prox.report.report import concerns_of, write_report
    from prox.report.sample import sample_run

    try:
        sample = sample_run(output)
        return write_report(output, sample=sample), [each.title for each in concerns_of(sample)]
    except Exception as error:
        sys.stderr.write(f"warning: no report was written: {visible(str(error))}\n")
        return None, []


def _end_like_an_interrupt(*signals: signal.Signals) -> None:
    """A run that is asked to go away ends in order, as after Ctrl-C: workers stopped, `run.json` written."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    for each in signals:
        if threading.current_thread() is threading.main_thread() and signal.getsignal(each) == signal.SIG_DFL:
            signal.signal(each, interrupt)


def _bar() -> LiveBar:
    console = Console(stderr=True)
    width = console.width
    wide = [BarColumn(bar_width=20)] if width >= 140 else []
    left = [TextColumn("left"), TimeRemainingColumn()] if width >= 110 else []
    elapsed = [TimeElapsedColumn()] if width >= 60 else []
    # In a narrow window it is this line that is cut, not the numbers beside it.
    room = width - (25 if wide else 0) - (16 if left else 0) - (9 if elapsed else 0) - 6
    text = TextColumn("{task.fields[line]}", markup=False, table_column=Column(no_wrap=True, max_width=room))
    return LiveBar(console, *wide, TaskProgressColumn(), text, *elapsed, *left)


def _tell(bar: LiveBar, progress: RunProgress) -> None:
    line = _line(progress)
    bar.update(progress.share, line, f"{progress.seconds:.0f} s, {progress.share:.0%}: {line}")


def _line(progress: RunProgress) -> str:
    report = progress.report
    rate = progress.text_bytes / 1e6 / max(progress.seconds, 1e-9)
    decisions = "".join(f", {name} {count:,}" for name in DECISIONS if (count := report.decisions[name]))
    more = f", {progress.in_work:,} in work" if progress.in_work else ""
    more += f", {progress.units_failed:,} units failed" if progress.units_failed else ""
    return f"{rate:.1f} MB/s, units {progress.units_done:,}/{progress.units:,}{decisions}{more}"


def _print_summary(result: RunResult, recipe: Recipe, report: str | None, worries: Sequence[str]) -> None:
    console = Console()
    record = result.record
    total = max(1, record["records"])
    sessions = record["sessions"]
    again = f" ({sessions} sessions)" if sessions > 1 else ""
    console.print(f"{record['records']:,} records in {result.seconds:.1f} s{again}", highlight=False)
    if not record["records"]:
        console.print("warning: the input holds no records", highlight=False)
    table = Table()
    table.add_column("decision")
    table.add_column("records", justify="right")
    table.add_column("share", justify="right")
    for name, count in record["decisions"].items():
        table.add_row(name, f"{count:,}", f"{count / total:.1%}")
    console.print(table)
    before, after = record["words_before"], record["words_after"]
    share = f" ({after / before:.1%} left)" if before else ""
    rate = record["text_bytes"] / 1e6 / max(result.seconds, 1e-9)
    console.print(f"words  {before:,} → {after:,}{share}", highlight=False)
    console.print(f"text   {record['text_bytes'] / 1e6:,.1f} MB, {rate:.1f} MB/s", highlight=False)
    fields = ", ".join(visible(name) for name in record["text_fields"][:5])
    console.print(f"corpus {', '.join(record['presets'])}, text in field {fields}", markup=False, highlight=False)
    if any(cost["tokens_in"] for cost in record["costs"]):
        table_console().print(_cost_table(record["costs"]))
    for told in reason_lines(list(record["reasons"].items())):
        console.print(visible(told), markup=False, highlight=False)
    for problem in result.problems[:10]:
        console.print(f"warning: {visible(problem)}", markup=False, highlight=False)
    if result.passed_over:
        names = ", ".join(visible(path.rpartition("/")[2]) for path in result.passed_over[:5])
        console.print(f"passed over {len(result.passed_over)} other files: {names}", markup=False, highlight=False)
    if not record["session"]["text_bytes"] and sessions > 1:
        console.print("all of it was done before", highlight=False)
    for worry in worries[:4]:
        console.print(f"look: {visible(worry)}", markup=False, highlight=False)
    if len(worries) > 4:
        console.print(f"and {len(worries) - 4} more concerns in the report", highlight=False)
    about = f", {report} to look at" if report else ""
    console.print(f"→ {recipe.output}{about}", markup=False, highlight=False, soft_wrap=True)


def _cost_table(costs: list[dict[str, Any]]) -> Table:
    """What the stages cost, where a language model was at work."""
    table = Table(title="cost by stage", title_justify="left")
    table.add_column("stage", overflow="fold")
    columns = ["programs", "unusable", "tokens in", "tokens out", "seconds", "FLOPs"]
    cascade = any("share_sent" in cost for cost in costs)
    for name in columns + (["words sent", "FLOPs saved"] if cascade else []):
        table.add_column(name, justify="right")
    for cost in costs:
        row = [
            f"{cost['programs']:,}",
            f"{cost['unusable']:,}",
            f"{cost['tokens_in']:,}",
            f"{cost['tokens_out']:,}",
            f"{cost['seconds']:,.1f}",
            _flops(cost["flops"]),
        ]
        if cascade:
            share = cost.get("share_sent")
            row += ["" if share is None else f"{share:.1%}", _flops(cost.get("flops_saved"))]
        table.add_row(visible(f"{cost['level']}: {cost['stage']}"), *row)
    return table


def _flops(count: float | None) -> str:
    return "–" if count is None else f"{count:.2g}"
