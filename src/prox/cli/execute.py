"""`prox execute`: the refined text again, from the input and the stored programs alone."""

from typing import Annotated

import typer

from prox.cli.options import (
    Corpus,
    DespiteChanges,
    Engine,
    Format,
    HtmlToText,
    Memory,
    RunJson,
    StartOver,
    TextField,
    TimeLimit,
    Workers,
)


def execute(
    input: Annotated[list[str], typer.Argument(metavar="INPUT", help="The corpus the programs were written for.")],
    programs: Annotated[
        str, typer.Argument(metavar="PROGRAMS", help="The programs/ folder of that run, or one file of it.")
    ],
    output: Annotated[str, typer.Argument(metavar="OUTPUT", help="A new folder.")],
    corpus: Corpus = None,
    text_field: TextField = None,
    html_to_text: HtmlToText = None,
    format: Format = None,
    engine: Engine = None,
    workers: Workers = None,
    memory: Memory = None,
    time_limit: TimeLimit = None,
    start_over: StartOver = False,
    despite_changes: DespiteChanges = False,
    json: RunJson = False,
) -> None:
    """Apply stored programs: the same text again, byte for byte, without the refiner.

    A document whose text is not the one its program was written for goes to quarantine.

    Example: prox execute pages.jsonl refined/programs again
    """
    from prox.cli.running import recipe_from_options, run

    recipe = recipe_from_options(
        None,
        input=tuple(input),
        output=output,
        stages=(f"stored:{programs}",),
        replay=True,
        corpus=corpus,
        text_field=text_field,
        html_to_text=html_to_text,
        format=format,
        engine=engine,
        workers=workers,
        memory=memory,
        time_limit=time_limit,
    )
    run(recipe, json, start_over, despite_changes)
