"""`prox score`: how well a refiner does on gold."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prox.cli.options import (
    Constrain,
    EngineOptions,
    Family,
    KeepThreshold,
    RecipeFile,
    Refiners,
    SystemPrompt,
    Uncertain,
    engine_options,
)
from prox.cli.visible import visible
from prox.errors import UsageError
from prox.refiners import Level
from prox.refiners.specs import shown_spec

if TYPE_CHECKING:
    from rich.table import Table

    from prox.runs.score import GoldScore, Scores


def score(
    gold: Annotated[list[str], typer.Argument(metavar="GOLD", help="Gold files, folders or globs.")],
    recipe: RecipeFile = None,
    refiner: Refiners = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="Score these records only; one field given twice means either value."),
    ] = None,
    most_suspect: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Leave out records whose field `suspect` is higher, e.g. 0.25."),
    ] = None,
    keep_threshold: KeepThreshold = None,
    uncertain: Uncertain = None,
    family: Family = None,
    system_prompt: SystemPrompt = None,
    constrain: Constrain = False,
    engine_option: EngineOptions = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")] = False,
) -> None:
    """Score a refiner against gold: pages with labelled lines, documents labelled keep or drop.

    Line gold is JSONL with raw_text and line_labels (one for each line, 1 = noise); optional are neutral_lines and
    partials. Document gold has text and keep (0 or 1).

    Example: prox score gold/*.jsonl.gz --refiner tagger --only language=en
    """
    import dataclasses

    import orjson

    from prox.cli.running import recipe_from_options
    from prox.runs.recipe import refiner_for
    from prox.runs.score import score_gold

    resolved = recipe_from_options(
        recipe,
        input=(),
        output="",
        stages=refiner,
        keep_threshold=keep_threshold,
        uncertain=uncertain,
        family=family,
        system_prompt=system_prompt,
        constrain=constrain or None,
        engine_options=engine_options(engine_option) or None,
        workers=1,
    )
    specs = list(map(shown_spec, resolved.specs()))
    of_level = {Level.DOCUMENT: specs[0], Level.CHUNK: specs[-1]}
    if resolved.uncertain:
        of_level = dict.fromkeys(Level, " | ".join(specs))
    with _Progress(" + ".join(specs)) as progress:
        scores = score_gold(
            gold,
            lambda level: refiner_for(resolved, level),
            _filter(only or [], most_suspect),
            progress.advance,
        )
    if json:
        result = {
            "gold": gold,
            "refiners": {level: of_level[Level(level)] for level in scores.fingerprints},
            "fingerprints": scores.fingerprints,
            **dataclasses.asdict(scores.overall),
            "sources": {source: dataclasses.asdict(each) for source, each in scores.sources.items()},
            "left_out": scores.left_out,
            "unusable": [dataclasses.asdict(each) for each in scores.unusable],
        }
        typer.echo(orjson.dumps(result, option=orjson.OPT_INDENT_2).decode())
    else:
        _show(scores)


def _filter(only: Sequence[str], most_suspect: float | None) -> Callable[[dict[str, Any]], bool]:
    wanted: dict[str, set[str]] = {}
    for each in only:
        field, equals, value = each.partition("=")
        if not field or not equals:
            raise UsageError(f'--only "{each}" is not FIELD=VALUE. Write for example --only language=en')
        wanted.setdefault(field, set()).add(value)

    def keep(record: dict[str, Any]) -> bool:
        suspect = record.get("suspect")
        if most_suspect is not None and isinstance(suspect, int | float) and suspect > most_suspect:
            return False
        return all(field in record and _written(record[field]) in values for field, values in wanted.items())

    return keep


def _written(value: object) -> str:
    """A field's value as people write it on the command line, which for true, false and null is JSON."""
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value)


class _Progress:
    """Pages scored, on standard error: a live line for a terminal, one plain line at the end for a log."""

    def __init__(self, spec: str) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.console = Console(stderr=True)
        self.spec = spec
        self.pages = 0
        self.bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}: {task.completed:.0f} pages", markup=False),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task(spec, total=None)

    def __enter__(self) -> "_Progress":
        self.bar.start()
        return self

    def advance(self, pages: int) -> None:
        self.pages += pages
        self.bar.advance(self.task, pages)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self.bar.stop()
        if kind is None and not self.console.is_terminal:
            self.console.print(f"{self.spec}: {self.pages} pages", markup=False, highlight=False, soft_wrap=True)


def _show(score: "GoldScore") -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = 160
    groups = {"all": score.overall, **score.sources}
    if score.overall.lines:
        console.print(_line_table(groups))
    if score.overall.documents:
        console.print(_document_table(groups))
    programs = score.overall.programs
    faults = f"{programs.failure_ratio:.1%} with faults"
    lines = [f"{programs.count:,} programs, {faults}, {programs.calls_mean:.1f} operations a program"]
    if score.left_out:
        lines.append(f"{score.left_out:,} gold records left out by the filters")
    for fault in score.unusable:
        lines.append(f"{fault.count:,} records passed over: {fault.reason} (first: {visible(fault.first)})")
    for line in lines:
        console.print(line, markup=False, highlight=False)


def _table(title: str, columns: Sequence[str]) -> "Table":
    from rich.table import Column, Table

    return Table("source", *[Column(name, justify="right", min_width=5) for name in columns], title=title)


def _line_table(groups: "Mapping[str, Scores]") -> "Table":
    from rich.text import Text

    noise = ["precision", "recall", "F1", "macro F1"]
    content = ["content precision", "content recall", "content F1"]
    table = _table("Lines: noise removed, content words kept", ["pages", *noise, *content, "partials"])
    for source, group in groups.items():
        if group.lines and group.content_tokens:
            lines, words = group.lines, group.content_tokens
            figures = [lines.precision, lines.recall, lines.f1, lines.macro_f1, words.precision, words.recall, words.f1]
            partials = _figure(group.partials.found if group.partials else None)
            table.add_row(Text(visible(source)), f"{group.line_pages:,}", *map(_figure, figures), partials)
    return table


def _document_table(groups: "Mapping[str, Scores]") -> "Table":
    from rich.text import Text

    table = _table("Documents: keep or drop", ["documents", "keep F1", "drop F1", "accuracy", "AUC"])
    for source, group in groups.items():
        if judged := group.documents:
            figures = [judged.keep_f1, judged.drop_f1, judged.accuracy, judged.auc]
            table.add_row(Text(visible(source)), f"{group.document_pages:,}", *map(_figure, figures))
    return table


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
