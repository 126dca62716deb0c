"""`prox execute`: the refined text again, from the input and the stored programs alone."""

from typing import Annotated, Optional

import typer


def execute(
    input: Annotated[str, typer.Argument(help="The corpus the programs were written for.")],
    programs: Annotated[str, typer.Argument(help="The programs/ folder of an earlier run.")],
    output: Annotated[str, typer.Argument(help="A new folder.")],
    corpus: Annotated[Optional[str], typer.Option(help="The corpus preset, as in prox refine.")] = None,
    text_field: Annotated[Optional[str], typer.Option(help="The field that holds the text.")] = None,
    format: Annotated[str, typer.Option(help="Format of the refined text: parquet or jsonl (zstd).")] = "parquet",
    workers: Annotated[Optional[int], typer.Option(help="Worker processes; as many as cores by default.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print run.json at the end instead of a table.")] = False,
) -> None:
    """Apply stored programs: the same text again, byte for byte, without the refiner.

    A document whose text is not the one its program was written for goes to quarantine.

    Example: prox execute pages.jsonl refined/programs again
    """
    from prox.cli.running import run, shown_recipe

    recipe = shown_recipe(
        input=(input,),
        output=output,
        refiners=(f"stored:{programs}",),
        replay=True,
        corpus=corpus,
        text_field=text_field,
        format=format,
        workers=workers,
    )
    run(recipe, json)
