"""`prox preview`: documents before and after, in the terminal."""

from typing import Annotated, Optional

import typer


def preview(
    input: Annotated[str, typer.Argument(help="A file, folder or glob of JSONL or Parquet.")],
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many documents.")] = 5,
    refiner: Annotated[Optional[list[str]], typer.Option(help="As in prox refine.")] = None,
    level: Annotated[Optional[str], typer.Option(help="As in prox refine.")] = None,
    keep_threshold: Annotated[Optional[float], typer.Option(help="As in prox refine.")] = None,
    corpus: Annotated[Optional[str], typer.Option(help="As in prox refine.")] = None,
    text_field: Annotated[Optional[str], typer.Option(help="As in prox refine.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Show every line of long documents.")] = False,
) -> None:
    """Show some documents raw and refined side by side, with their programs and scores.

    Removed text is red, replaced text yellow; without colours, removed lines carry a minus sign.

    Example: prox preview pages.jsonl -n 3
    """
    from rich.console import Console

    from prox.cli.running import shown_recipe
    from prox.cli.sides import show
    from prox.runs.preview import preview_documents

    recipe = shown_recipe(
        input=(input,),
        output="",
        refiners=tuple(refiner or ["tagger"]),
        level=level,
        keep_threshold=keep_threshold,
        corpus=corpus,
        text_field=text_field,
        workers=1,
    )
    console = Console()
    for entry in preview_documents(recipe, count):
        show(entry, console, full)
