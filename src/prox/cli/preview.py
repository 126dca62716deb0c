"""`prox preview`: documents before and after, in the terminal."""

from typing import Annotated

import typer

from prox.cli.options import Corpus, KeepThreshold, OneLevel, Refiners, TextField


def preview(
    input: Annotated[list[str], typer.Argument(metavar="INPUT", help="Files, folders or globs of JSONL or Parquet.")],
    count: Annotated[int, typer.Option("-n", "--count", min=1, help="How many documents.")] = 5,
    refiner: Refiners = None,
    level: OneLevel = None,
    keep_threshold: KeepThreshold = None,
    corpus: Corpus = None,
    text_field: TextField = None,
    full: Annotated[bool, typer.Option("--full", help="Show every line of long documents.")] = False,
) -> None:
    """Show some documents raw and refined side by side, with their programs and scores.

    Removed text is red, replaced text yellow; without colours, removed lines carry a minus sign.

    Example: prox preview pages.jsonl -n 3
    """
    from rich.console import Console

    from prox.cli.running import recipe_from_options
    from prox.cli.sides import show
    from prox.runs.preview import preview_documents

    recipe = recipe_from_options(
        input=tuple(input),
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
