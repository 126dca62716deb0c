"""`prox distill`: from pairs of texts, or gold pages, to programs."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from prox.adapt.pairs import Report


def distill(
    input: Annotated[list[str], typer.Argument(metavar="INPUT", help="Files, folders or globs of pairs or gold.")],
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="The labels: .jsonl, .jsonl.gz or .jsonl.zst.")],
    refused: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Where refused records go, with reasons; OUTPUT with .refused if not given."),
    ] = None,
    raw_field: Annotated[
        str | None, typer.Option(metavar="NAME", help="The field of the raw text; raw_text or text if not given.")
    ] = None,
    refined_field: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The field of the refined text; refined or refined_text if not given."),
    ] = None,
    allow_insertions: Annotated[
        bool, typer.Option("--allow-insertions", help="Take pairs in which text is added.")
    ] = False,
    allow_replacements: Annotated[
        bool, typer.Option("--allow-replacements", help="Take pairs in which text takes the place of other text.")
    ] = False,
    most_inserted: Annotated[
        int,
        typer.Option(min=0, help="Refuse a pair with a longer span of new text: it is a rewrite. In characters."),
    ] = 19,
    least_deleted: Annotated[
        int, typer.Option(min=0, help="Refuse a pair in which fewer characters are deleted; 0 takes unchanged texts.")
    ] = 10,
    json: Annotated[bool, typer.Option("--json", help="Write JSON to standard output.")] = False,
) -> None:
    """Turn pairs of raw and refined text into the smallest programs that make the one of the other.

    A record with a raw and a refined text is a pair. One with raw_text and line_labels is a gold page: its program
    follows the labels, and no limit applies. Every program has been executed and gave the refined text.

    Example: prox distill rewritten.jsonl labels.jsonl.gz
    """
    from prox.adapt.pairs import distill_files, refused_path
    from prox.program.distill import Terms

    terms = Terms(most_inserted, least_deleted, allow_insertions, allow_replacements)
    beside = refused or refused_path(output)
    with _Progress() as progress:
        report = distill_files(input, output, beside, terms, raw_field, refined_field, progress.advance)
    if json:
        _print_json(report)
    else:
        _show(report, output, beside)


class _Progress:
    """Records read, on standard error: a live line for a terminal, nothing for a log, as the table says it all."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = SpinnerColumn(), TextColumn("{task.completed:,.0f} records"), TimeElapsedColumn()
        console = Console(stderr=True)
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.bar.add_task("", total=None)
        self.records = 0

    def advance(self) -> None:
        self.records += 1
        if self.records % 100 == 0:
            self.bar.advance(self.task, 100)

    def __enter__(self) -> "_Progress":
        self.bar.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.bar.stop()


def _print_json(report: "Report") -> None:
    import dataclasses

    import orjson

    figures = dataclasses.asdict(report)
    figures["refused"] = dict(report.refused.most_common())
    figures["operations"] = dict(report.operations.most_common())
    figures |= {"operations_mean": report.operations_mean, "removed_share": report.removed_share}
    typer.echo(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())


def _show(report: "Report", output: str, refused: str) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    from prox.visible import visible

    table = Table("", Column(justify="right"), show_header=False)
    table.add_row("records", f"{report.records:,}")
    table.add_row("distilled", f"{report.distilled:,}")
    if report.from_labels:
        table.add_row("  by labels", f"{report.from_labels:,}")
    if report.unproven:
        table.add_row("  perhaps not the smallest program", f"{report.unproven:,}")
    for reason, count in report.refused.most_common():
        table.add_row(f"refused: {visible(reason)}", f"{count:,}")
    table.add_row("operations a program", f"{report.operations_mean:.2f}")
    for name, count in report.operations.most_common():
        table.add_row(f"  {name}, in all", f"{count:,}")
    table.add_row("share of text removed", f"{report.removed_share:.1%}")
    console = Console()
    if not console.is_terminal:
        console.width = 120
    console.print(table, markup=False)
    written = f"programs in {visible(output)}"
    if report.refused:
        written += f", refused records in {visible(refused)}"
    console.print(written, markup=False, highlight=False, soft_wrap=True)
