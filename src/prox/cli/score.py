"""`prox score`: how well refiners do on gold."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prox.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from prox.runs.score import GoldScore, Scores


def score(
    gold: Annotated[list[str], typer.Argument(metavar="GOLD", help="Gold files, folders or globs.")],
    refiner: Annotated[
        list[str] | None,
        typer.Option(metavar="SPEC", help="tagger (the default) or stored:FOLDER; several are compared."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="Score these records only; one field given twice means either value."),
    ] = None,
    most_suspect: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Leave out records whose field `suspect` is higher, e.g. 0.25."),
    ] = None,
    keep_threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Keep probability below which a document is dropped."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")] = False,
) -> None:
    """Score refiners against gold: pages with labelled lines, documents labelled keep or drop.

    Line gold is JSONL with raw_text and line_labels (one for each line, 1 = noise); optional are neutral_lines and
    partials. Document gold has text and keep (0 or 1).

    Example: prox score gold/*.jsonl.gz --refiner tagger --refiner stored:out/programs --only language=en
    """
    import dataclasses

    import orjson

    from prox.refiners.specs import load_refiner
    from prox.runs.score import score_gold

    specs = list(dict.fromkeys(refiner or ["tagger"]))
    keep_record = _filter(only or [], most_suspect)
    scores = {}
    for spec in specs:
        with _Progress(spec) as progress:
            scores[spec] = score_gold(
                gold,
                lambda level, spec=spec: load_refiner(spec, level, keep_threshold),  # type: ignore[misc]
                keep_record,
                progress.advance,
            )
    if json:
        result = {
            "gold": gold,
            "refiners": [{"refiner": spec, **dataclasses.asdict(each)} for spec, each in scores.items()],
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


def _show(scores: "dict[str, GoldScore]") -> None:
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console.width = 160
    groups: list[tuple[str, str, Scores]] = [("all", spec, each.overall) for spec, each in scores.items()]
    for source in sorted({source for each in scores.values() for source in each.sources}):
        groups += [(source, spec, each.sources[source]) for spec, each in scores.items() if source in each.sources]
    if any(group.lines for _, _, group in groups):
        console.print(_line_table(groups))
    if any(group.documents for _, _, group in groups):
        console.print(_document_table(groups))
    for spec, each in scores.items():
        programs = each.overall.programs
        console.print(
            f"{spec}: {programs.count} programs, {programs.failure_ratio:.1%} with faults, "
            f"{programs.calls_mean:.1f} operations a program",
            markup=False,
            highlight=False,
        )
    first = next(iter(scores.values()))  # all refiners have read the same records
    if first.left_out:
        console.print(f"{first.left_out} gold records left out by the filters", highlight=False)
    for fault in first.unusable:
        console.print(
            f"{fault.count} records passed over: {fault.reason} (first: {fault.first})", markup=False, highlight=False
        )


def _table(title: str, columns: Sequence[str]) -> "Table":
    from rich.table import Column, Table

    return Table("source", "refiner", *[Column(name, justify="right") for name in columns], title=title)


def _line_table(groups: "Sequence[tuple[str, str, Scores]]") -> "Table":
    from rich.text import Text

    table = _table(
        "Lines: noise removed, content words kept",
        [
            "pages",
            "precision",
            "recall",
            "F1",
            "macro F1",
            "content precision",
            "content recall",
            "content F1",
            "partials",
        ],
    )
    for source, spec, group in groups:
        if group.lines and group.content_tokens:
            lines, content = group.lines, group.content_tokens
            figures = [lines.precision, lines.recall, lines.f1, lines.macro_f1]
            figures += [content.precision, content.recall, content.f1]
            partials = _figure(group.partials.found if group.partials else None)
            table.add_row(Text(source), Text(spec), str(group.line_pages), *map(_figure, figures), partials)
    return table


def _document_table(groups: "Sequence[tuple[str, str, Scores]]") -> "Table":
    from rich.text import Text

    table = _table("Documents: keep or drop", ["documents", "keep F1", "drop F1", "accuracy", "AUC"])
    for source, spec, group in groups:
        if judged := group.documents:
            figures = [judged.keep_f1, judged.drop_f1, judged.accuracy, judged.auc]
            table.add_row(Text(source), Text(spec), str(group.document_pages), *map(_figure, figures))
    return table


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
